"""Moments that somebody judged: a handful of times with a value, or with safe and unsafe."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float64, Int64

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
    """Read a CSV or Parquet table with a column `time` and either `value` or `unsafe`.

    `value` is a number, safe where it is at most 0; `unsafe` is 0 or 1, true or false.

    Raises:
        LogError: naming file, row and value.
    """
    path = Path(path)
    try:
        table = (
            pd.read_parquet(path)
            if path.suffix == ".parquet"
            else pd.read_csv(path, dtype=str, keep_default_na=False)
        )
    except OSError as error:
        raise LogError(f"{path}: cannot be read: {(error.strerror or str(error)).lower()}") from None
    except ValueError as error:
        raise LogError(f"{path} is no table of labels: {error}") from None
    columns = [name for name in ("value", "unsafe") if name in table.columns]
    if "time" not in table.columns or len(columns) != 1:
        found = ", ".join(map(str, table.columns))
        raise LogError(f"{path}: labels need a column time and one of value and unsafe; it has {found}")
    if not len(table):
        raise LogError(f"{path} holds no label")
    graded = columns[0] == "value"
    values = [
        _number(text, graded, f"{path}: row {row}") for row, text in enumerate(table[columns[0]], start=1)
    ]
    times = [_time(text, f"{path}: row {row}") for row, text in enumerate(table["time"], start=1)]
    return labels(np.array(times, dtype=np.int64), np.array(values), graded=graded, source=str(path))


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


def _time(text: object, place: str) -> int:
    try:
        stamp = pd.Timestamp(text)  # type: ignore[arg-type]
    except (ValueError, TypeError):
        raise LogError(f"{place}: {text!r} is no time; write it like 2026-01-31T12:00:00Z") from None
    if pd.isna(stamp):
        raise LogError(f"{place}: the time is missing")
    stamp = stamp.tz_localize("UTC") if stamp.tzinfo is None else stamp.tz_convert("UTC")
    return int(stamp.as_unit("ns").value)


def _number(text: object, graded: bool, place: str) -> float:
    if not graded:
        # Parquet may hold 1.0 for 1.
        word = str(text).strip().lower().removesuffix(".0")
        if word not in _WORDS:
            raise LogError(f"{place}: unsafe is {text!r}; it must be 0 or 1, true or false")
        return _WORDS[word]
    try:
        number = float(str(text))
    except ValueError:
        raise LogError(f"{place}: value is {text!r}; it must be a number") from None
    if not np.isfinite(number):
        raise LogError(f"{place}: value is {text!r}; it must be a finite number")
    return number
