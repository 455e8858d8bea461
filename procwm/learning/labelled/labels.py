"""Moments that somebody judged: a handful of times with a value, or with safe and unsafe."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

from procwm.data.tabular.tables import Table, read_columns, read_header, texts_of
from procwm.data.tabular.times import times
from procwm.errors import LogError

_WORDS = {
    "1": 1.0,
    "true": 1.0,
    "yes": 1.0,
    "unsafe": 1.0,
    "0": -1.0,
    "false": -1.0,
    "no": -1.0,
    "safe": -1.0,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Labels:
    """Judged moments, oldest first.

    Attributes:
        time_ns: UTC nanoseconds.
        value: safe where `<= 0`; 1 and -1 where only unsafe and safe are known.
        graded: whether the size of `value` means something.
    """

    time_ns: Int64[np.ndarray, " label"]
    value: Float64[np.ndarray, " label"]
    graded: bool

    def __len__(self) -> int:
        return len(self.time_ns)


def read_labels(path: str | Path) -> Labels:
    """Read a CSV or Parquet table with a column `time` and either `value` or `unsafe`, written as logs are.

    `value` is a number, safe where it is at most 0; `unsafe` is 0 or 1, true or false.

    Raises:
        LogError: naming file, row and value.
    """
    header = read_header(Path(path))
    time, value, unsafe = (header.named(name) for name in ("time", "value", "unsafe"))
    column = value or unsafe
    if time is None or column is None or (value is not None and unsafe is not None):
        found = ", ".join(header.columns)
        raise LogError(f"{path}: labels need a column time and one of value and unsafe; it has {found}")
    table = read_columns(header, [time, column])
    values = _words(table, column) if column == unsafe else _numbers(table, column)
    return labels(times(table, time), values, graded=column == value, source=str(path))


def labels(
    time_ns: Int64[np.ndarray, " label"],
    value: Float64[np.ndarray, " label"],
    *,
    graded: bool = True,
    source: str = "labels",
) -> Labels:
    """Labels in order of time; `LogError` where two stand at one time."""
    order = np.argsort(time_ns, kind="stable")
    time_ns, value = time_ns[order], value[order]
    twice = np.flatnonzero(np.diff(time_ns) == 0)
    if len(twice):
        raise LogError(f"{source}: {pd.Timestamp(int(time_ns[twice[0]]), tz='UTC')} is labelled twice")
    return Labels(time_ns=time_ns, value=value, graded=graded)


def _words(table: Table, column: str) -> Float64[np.ndarray, " label"]:
    texts = table.codes(column)
    # Parquet may hold 1.0 for 1.
    words = [text.lower().removesuffix(".0") for text in texts.names]
    for text, word in zip(texts.names, words, strict=True):
        if word not in _WORDS:
            shown = repr(text) if text else "blank"
            raise table.error(texts.first(text), f"unsafe is {shown}; it must be 0 or 1, true or false")
    values: Float64[np.ndarray, " label"] = np.array([_WORDS[word] for word in words])[texts.code]
    return values


def _numbers(table: Table, column: str) -> Float64[np.ndarray, " label"]:
    header = table.header
    (values,) = table.numbers(
        [column], others=lambda: texts_of(header, [other for other in header.columns if other != column])
    )
    wrong = np.flatnonzero(~np.isfinite(values))
    if len(wrong):
        row = int(wrong[0])
        blank = bool(np.isnan(values[row]))
        found = "blank; it must be a number" if blank else f"{values[row]:g}; it must be a finite number"
        raise table.error(row, f"value is {found}, or the row be left out")
    return values
