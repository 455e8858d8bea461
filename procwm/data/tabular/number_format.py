"""How the numbers of a file are written: one decimal mark, perhaps one between thousands, for all of it."""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Bool, Float64

Texts: TypeAlias = pa.ChunkedArray
"""Texts of one column, trimmed; null where blank."""

_BETWEEN = {",": ",", ".": r"\.", " ": "[ \u00a0\u2007\u2009\u202f]", "'": "['\u2019]"}
"""Marks between thousands, each as the pattern of all its spellings."""
_UNSURE = r"^[-+]?[1-9]\d{0,2}[.,]\d{3}$"
"""What is one number where the mark is a decimal mark, and another where it stands between thousands."""
_SURE = r"^[-+]?(?:\d*{mark}(?:\d{{1,2}}|\d{{4,}})|(?:0|\d{{4,}}){mark}\d{{3}})$"
"""What is a number only where the mark is a decimal mark."""
_SLACK = 1e-3
"""Of the width of a range: a value this far outside it is still one of that instrument."""


@dataclass(frozen=True)
class NumberFormat:
    """One way to write numbers.

    Attributes:
        decimal: the mark before decimals, a point or a comma.
        grouping: the mark between thousands; empty where there is none.
    """

    decimal: str = "."
    grouping: str = ""

    def fits(self, texts: Texts) -> Bool[np.ndarray, " text"]:
        """Where a text is a number in this format; blank ones are."""
        return _matches(texts, self._pattern)

    def numbers(self, texts: Texts) -> Float64[np.ndarray, " text"]:
        """The numbers that `texts` are, all of which fit; NaN where blank."""
        if self.grouping:
            texts = pc.replace_substring_regex(texts, _BETWEEN[self.grouping], "")
        if self.decimal != ".":
            texts = pc.replace_substring(texts, self.decimal, ".")
        return _numbers(texts)

    @property
    def _pattern(self) -> str:
        point = re.escape(self.decimal)
        whole = r"\d+"
        if self.grouping:
            whole = rf"(?:[1-9]\d{{0,2}}(?:{_BETWEEN[self.grouping]}\d{{3}})+|\d+)"
        number = rf"(?:{whole}(?:{point}\d*)?|{point}\d+)(?:[eE][-+]?\d+)?"
        return rf"^[-+]?(?:{number}|(?i:nan|inf|infinity))$"


@dataclass(frozen=True, eq=False)
class Written:
    """The texts of one column that stand for numbers.

    Attributes:
        column: as the file calls it.
        texts: trimmed; null where blank.
        low, high: what the instruments can read, row by row; `None` where nobody knows.
    """

    column: str
    texts: Texts
    low: Float64[np.ndarray, " text"] | None = None
    high: Float64[np.ndarray, " text"] | None = None

    def implausible(self, found: NumberFormat) -> bool:
        """Whether what is unsure is mostly outside the instruments' ranges in that format, and only there."""
        rows = _matches(self.texts, _UNSURE, blank=False)
        if self.low is None or self.high is None or not rows.any():
            return False
        texts, low, high = self.texts.filter(pa.array(rows)), self.low[rows], self.high[rows]
        decimal = _numbers(pc.replace_substring(texts, ",", "."))
        grouped = _numbers(pc.replace_substring_regex(texts, "[.,]", ""))
        is_decimal = _matches(texts, re.escape(found.decimal))
        shares = [
            float(np.mean(_outside(np.where(is_decimal == read, decimal, grouped), low, high)))
            for read in (True, False)
        ]
        return shares[0] > 0.5 >= shares[1]


@dataclass(frozen=True)
class Misread:
    """Why the numbers of a file cannot be told: a sentence about the text in one row, one about others."""

    row: int
    sentence: str
    others: str = ""


def number_format(
    written: Sequence[Written],
    *,
    point_is_usual: bool,
    others: Callable[[], Iterable[Texts]] = tuple,
) -> NumberFormat | Misread:
    """The one format in which all that is `written` are numbers.

    Where 1.234 may be either of two numbers, other numbers of the file tell which, or else the ranges of the
    instruments; where nothing does, nothing is guessed.

    Args:
        written: the columns that are wanted.
        point_is_usual: whether a file of this kind has decimal points unless a comma is seen.
        others: gives further columns of the file, in which anything may stand.
    """
    comma = any(pc.any(pc.match_substring(column.texts, ",")).as_py() for column in written)
    marks = ".," if comma or not point_is_usual else "."
    usable = [found for decimal in marks if (found := _family(decimal, written)) is not None]
    if not usable:
        return _no_format(written)
    if not comma and not any(_holds(column.texts, "[.]") for column in written):
        return usable[0]
    if len(usable) > 1:
        usable = _told_by(list(others()), usable)
    sensible = [found for found in usable if not any(column.implausible(found) for column in written)]
    return sensible[0] if len(sensible) == 1 else _unsure(written)


def trimmed(texts: Texts) -> Texts:
    """`texts` without space around them; null where nothing is left."""
    return without_blanks(pc.utf8_trim_whitespace(texts.cast(pa.string())), ("",))


def without_blanks(texts: Texts, blanks: Sequence[str]) -> Texts:
    """`texts`, null where they are one of `blanks`."""
    return pc.if_else(pc.is_in(texts, pa.array(blanks, pa.string())), pa.scalar(None, pa.string()), texts)


def _family(decimal: str, written: Sequence[Written]) -> NumberFormat | None:
    """The format with that decimal mark in which everything is a number, if there is one."""
    if decimal == "." and all(_plain(column.texts) for column in written):
        return NumberFormat()
    marks = [
        mark
        for mark, spellings in _BETWEEN.items()
        if mark != decimal and any(_holds(column.texts, rf"\d{spellings}\d") for column in written)
    ]
    if len(marks) > 1:
        return None
    found = NumberFormat(decimal, *marks)
    return found if all(bool(found.fits(column.texts).all()) for column in written) else None


def _plain(texts: Texts) -> bool:
    """Whether all of `texts` are numbers with a decimal point at most: the usual case, found quickly."""
    try:
        _numbers(texts)
    except pa.ArrowInvalid:
        return False
    return True


def _told_by(others: Sequence[Texts], usable: list[NumberFormat]) -> list[NumberFormat]:
    """Those formats whose decimal mark stands in numbers of `others` where only a decimal mark can."""
    told = [
        found
        for found in usable
        if any(_holds(texts, _SURE.format(mark=re.escape(found.decimal))) for texts in others)
    ]
    return told if len(told) == 1 else usable


def _no_format(written: Sequence[Written]) -> Misread:
    """The first text that is no number, or that is written in another way than those above it."""
    formats = [NumberFormat(point, mark) for point in ".," for mark in ("", *_BETWEEN) if mark != point]
    fits = np.stack([[found.fits(column.texts) for found in formats] for column in written])
    texts = [column.texts.to_pylist() for column in written]
    still = np.ones(len(formats), dtype=np.bool_)
    marked = ""
    for row, place in np.ndindex(fits.shape[2], len(written)):
        text, fit = texts[place][row], fits[place, :, row]
        if not (still & fit).any():
            sentence = f"column {written[place].column} holds the text {text!r} where a number belongs"
            if fit.any():
                sentence += (
                    f": above it stands {marked!r}, and a file has one way to write them; mend the others"
                )
            return Misread(row, sentence, "" if fit.any() else _counted(fits, texts))
        still &= fit
        marked = text if text and not fit.all() else marked
    raise AssertionError("some text fits no format")


def _counted(fits: Bool[np.ndarray, "column format row"], texts: Sequence[Sequence[str | None]]) -> str:
    """How many texts are numbers in no format, and which."""
    counts = Counter(
        text
        for column, none in zip(texts, np.logical_not(fits.any(axis=1)), strict=True)
        for text, wrong in zip(column, none.tolist(), strict=True)
        if wrong
    )
    if counts.total() == 1:
        return ""
    listed = ", ".join(f"{text!r} {count} times" for text, count in counts.most_common(6))
    more = f" and {len(counts) - 6} others" if len(counts) > 6 else ""
    return (
        f"; {counts.total()} texts are no numbers: {listed}{more}; mend them, or name those that mean no "
        "value as blank_texts in [log] of the plant file"
    )


def _unsure(written: Sequence[Written]) -> Misread:
    firsts = [
        (int(np.argmax(rows)), column)
        for column in written
        if (rows := _matches(column.texts, _UNSURE, blank=False)).any()
    ]
    row, column = min(firsts, key=lambda first: first[0])
    text = column.texts[row].as_py()
    decimal, grouped = re.sub("[.,]", ".", text), re.sub("[.,]", "", text)
    return Misread(
        row,
        f"column {column.column} holds {text!r}, which may be {float(decimal):g} or {grouped}, and the file "
        "does not tell which; write no mark between thousands, separate fields by commas, and see that range "
        "in the plant file is right",
    )


def _outside(
    value: Float64[np.ndarray, " text"], low: Float64[np.ndarray, " text"], high: Float64[np.ndarray, " text"]
) -> Bool[np.ndarray, " text"]:
    slack = _SLACK * (high - low)
    outside: Bool[np.ndarray, " text"] = (value < low - slack) | (value > high + slack)
    return outside


def _matches(texts: Texts, pattern: str, *, blank: bool = True) -> Bool[np.ndarray, " text"]:
    found = pc.fill_null(pc.match_substring_regex(texts, pattern), blank)
    matches: Bool[np.ndarray, " text"] = found.to_numpy(zero_copy_only=False)
    return matches


def _holds(texts: Texts, pattern: str) -> bool:
    return bool(pc.any(pc.match_substring_regex(texts, pattern)).as_py())


def _numbers(texts: Texts) -> Float64[np.ndarray, " text"]:
    if _holds(texts, r"^\+"):
        texts = pc.replace_substring_regex(texts, r"^\+", "")
    numbers: Float64[np.ndarray, " text"] = pc.cast(texts, pa.float64()).to_numpy(zero_copy_only=False)
    return numbers
