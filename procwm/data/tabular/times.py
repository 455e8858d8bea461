"""Columns of times as UTC nanoseconds, written in any of the ways that `LogSettings` names."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from jaxtyping import Int64

from procwm.data.tabular.local_time import utc_of
from procwm.data.tabular.number_format import Texts
from procwm.data.tabular.tables import Table
from procwm.plant.log_settings import EPOCHS, EXCEL, ISO, UTC, LogSettings

_ZONED = r"\d[T ]\d.*([zZ]|[-+]\d{2}(:?\d{2})?)\s*$"
_DAY_NS = 86_400_000_000_000
_EXCEL_1970 = 25_569
"""Days from the one that spreadsheets call 0 to 1970."""
_AS_WRITTEN = LogSettings()


def has_zone(table: Table, column: str) -> bool:
    """Whether any time of a column of ISO times or timestamps says how far it is from UTC."""
    texts = table.texts(column)
    if texts is None:
        kind = table.data.column(column).type
        return bool(pa.types.is_timestamp(kind) and kind.tz is not None)
    return bool(pc.any(pc.match_substring_regex(texts, _ZONED)).as_py())


def times(table: Table, column: str, how: LogSettings = _AS_WRITTEN) -> Int64[np.ndarray, " row"]:
    """A column of times, UTC nanoseconds; one that does not say its distance from UTC is of `how`'s zone."""
    texts = table.texts(column)
    values = table.data.column(column) if texts is None else texts
    if values.null_count:
        blank = int(np.flatnonzero(values.is_null().to_numpy(zero_copy_only=False))[0])
        raise table.error(blank, f"column {column} is blank where a time belongs")
    if pa.types.is_timestamp(values.type) or pa.types.is_date(values.type):
        time_ns, told = _typed(table, column, values), has_zone(table, column)
    elif how.time_format == EXCEL or how.counted:
        time_ns, told = _counted(table, column, values, how), how.counted
    elif texts is None:
        raise table.error(
            None, f"column {column} holds {values.type}; it must hold times, such as 2000-01-31T10:00:00Z"
        )
    elif how.time_format == ISO:
        time_ns, told = _iso(table, column, values), has_zone(table, column)
    else:
        time_ns, told = _patterned(table, column, values, how), "%z" in how.time_format
    return time_ns if told or how.time_zone == UTC else utc_of(table, column, time_ns, how.time_zone)


def _typed(table: Table, column: str, values: pa.ChunkedArray) -> Int64[np.ndarray, " row"]:
    zone = values.type.tz if pa.types.is_timestamp(values.type) else None
    try:
        return _nanoseconds(values.cast(pa.timestamp("ns", tz=zone)))
    except pa.ArrowInvalid:
        raise table.error(None, f"column {column} holds a time outside the years 1678 to 2261") from None


def _counted(
    table: Table, column: str, values: pa.ChunkedArray, how: LogSettings
) -> Int64[np.ndarray, " row"]:
    unit_ns = EPOCHS.get(how.time_format, _DAY_NS)
    try:
        whole = pc.cast(values, pa.int64()).to_numpy()
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError):
        whole = None
    (number,) = table.numbers([column]) if whole is None else (whole.astype(np.float64),)
    since = number - (_EXCEL_1970 if how.time_format == EXCEL else 0)
    wrong = np.flatnonzero(~(np.abs(since * unit_ns) < 9.2e18))
    if len(wrong):
        raise table.error(
            int(wrong[0]),
            f"column {column} is {number[wrong[0]]:.17g}, which is no time between the years 1678 and 2261 "
            f'as "{how.time_format}"',
        )
    if whole is not None and how.counted:
        exact: Int64[np.ndarray, " row"] = whole * unit_ns
        return exact
    if how.time_format == EXCEL:
        # A spreadsheet's days are good to some microseconds; a millisecond is what they show.
        days: Int64[np.ndarray, " row"] = np.round(since * 86_400_000.0).astype(np.int64) * 1_000_000
        return days
    part, count = np.modf(since)
    floats: Int64[np.ndarray, " row"] = count.astype(np.int64) * unit_ns + np.round(part * unit_ns).astype(
        np.int64
    )
    return floats


def _iso(table: Table, column: str, values: Texts) -> Int64[np.ndarray, " row"]:
    try:
        return _nanoseconds(values.cast(pa.timestamp("ns", tz="UTC")))
    except pa.ArrowInvalid:
        parsed = pd.to_datetime(_series(values), utc=True, format="ISO8601", errors="coerce")
    return _known(
        *(table, column, values, parsed),
        "a time is written as 2000-01-31T10:00:00Z, between the years 1678 and 2261",
    )


def _patterned(table: Table, column: str, values: Texts, how: LogSettings) -> Int64[np.ndarray, " row"]:
    parsed = pd.to_datetime(_series(values), utc=True, format=how.time_format, errors="coerce")
    return _known(*(table, column, values, parsed), f'time_format says "{how.time_format}"')


def _known(
    table: Table, column: str, values: Texts, parsed: "pd.Series[pd.Timestamp]", rule: str
) -> Int64[np.ndarray, " row"]:
    """`parsed` in nanoseconds; `LogError` with `rule` where a text is no time."""
    wrong = np.flatnonzero(~parsed.dt.year.between(1678, 2261).to_numpy())
    if len(wrong):
        row = int(wrong[0])
        others = f", and {len(wrong) - 1} more are no times either" if len(wrong) > 1 else ""
        raise table.error(row, f"column {column} is {values[row].as_py()!r}{others}; {rule}")
    time_ns: Int64[np.ndarray, " row"] = parsed.dt.as_unit("ns").astype(np.int64).to_numpy()
    return time_ns


def _series(values: Texts) -> "pd.Series[str]":
    return pd.Series(values.to_pylist(), dtype=object)


def _nanoseconds(values: pa.ChunkedArray) -> Int64[np.ndarray, " row"]:
    time_ns: Int64[np.ndarray, " row"] = values.cast(pa.int64()).to_numpy()
    return time_ns
