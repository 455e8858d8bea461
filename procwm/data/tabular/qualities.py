"""Qualities in a log: words, the codes of OPC classic, or the status codes of OPC UA."""

from collections.abc import Collection, Sequence
from enum import Enum

import numpy as np
from jaxtyping import Int8

from procwm.data.tabular.tables import Table
from procwm.plant.samples import Quality

_WORDS = {quality.value.casefold(): quality for quality in Quality}
_CLASSIC = {0xC0: Quality.GOOD, 0x40: Quality.UNCERTAIN, 0x00: Quality.BAD}
"""The two bits that count (OPC Data Access 3.0, 6.8); the others say why."""
_CLASSIC_BITS, _CLASSIC_MOST = 0xC0, 0xFFFF
_STATUS = {0x00: Quality.GOOD, 0x01: Quality.UNCERTAIN}
"""The two highest bits of 32 (OPC UA Part 4, 7.39.1)."""
_STATUS_SHIFT, _STATUS_LEAST, _STATUS_MOST = 30, 0x40000000, 0xFFFFFFFF


class QualityCode(Enum):
    """What numbers among qualities are."""

    CLASSIC = "OPC classic"
    STATUS = "OPC UA"


def qualities(
    table: Table, column: str, codes: Sequence[Quality]
) -> tuple[QualityCode | None, Int8[np.ndarray, " row"]]:
    """What numbers are, `None` where there are none, and the quality of each row, as its place in `codes`.

    A word counts by how it begins, so that `Good, Local Override` is Good. Numbers are codes of OPC classic,
    192 being Good, unless one is as large as only status codes of OPC UA are.

    Raises:
        LogError: one is blank or unknown; 0 alone, which is Bad in one code and Good in the other.
    """
    texts = table.codes(column)
    if texts.blank is not None:
        raise table.error(texts.blank, f"column {column} is blank")
    numbers = {text: int(text) for text in texts.names if text.isascii() and text.isdigit()}
    code = _code(numbers.values())
    known = {text: _quality(text, numbers.get(text), code) for text in texts.names}
    unknown = [text for text, quality in known.items() if quality is None]
    if unknown:
        counts = np.bincount(texts.code, minlength=len(texts.names))
        listed = ", ".join(f"{text!r} ({counts[texts.names.index(text)]} times)" for text in unknown[:8])
        raise table.error(
            min(texts.first(text) for text in unknown),
            f"quality is {listed}; it must begin with Good, Uncertain or Bad, or be a code such as 192",
        )
    if numbers and set(numbers.values()) == {0}:
        raise table.error(
            texts.first(next(iter(numbers))),
            "quality is 0 throughout, which is Bad as a code of OPC classic and Good as one of OPC UA; write "
            "Good or Bad",
        )
    place = np.array(
        [codes.index(quality) for quality in known.values() if quality is not None], dtype=np.int8
    )
    found: Int8[np.ndarray, " row"] = place[texts.code]
    return code, found


def _code(numbers: Collection[int]) -> QualityCode | None:
    if not numbers:
        return None
    return QualityCode.STATUS if max(numbers) >= _STATUS_LEAST else QualityCode.CLASSIC


def _quality(text: str, number: int | None, code: QualityCode | None) -> Quality | None:
    if number is None:
        return next((quality for word, quality in _WORDS.items() if text.casefold().startswith(word)), None)
    if code is QualityCode.STATUS:
        return _STATUS.get(number >> _STATUS_SHIFT, Quality.BAD) if number <= _STATUS_MOST else None
    return _CLASSIC.get(number & _CLASSIC_BITS) if number <= _CLASSIC_MOST else None
