"""Which column of a file holds its times, and how they are written, where nobody has said."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

from procwm.data.tabular.headers import Header
from procwm.data.tabular.number_format import Texts
from procwm.data.tabular.tables import Table, read_columns
from procwm.data.tabular.times import times
from procwm.errors import LogError
from procwm.plant.log_settings import EPOCHS, EXCEL, LogSettings

_HEADINGS = ("timestamp", "datetime", "time", "date", "zeit", "datum", "fecha", "hora", "heure")
"""Parts of what a column of times is called, the surest first."""
_YEARS = (1980, 2100)
"""In which a number since 1970, or of days, is taken for a time of a log."""
_DATE = re.compile(
    r"(?P<first>\d{1,4})(?P<mark>[./-])(?P<second>\d{1,2}|[A-Za-z]{3})(?P=mark)(?P<third>\d{2,4})"
    r"(?:(?P<gap>[ T]+)(?P<hour>\d{1,2}):\d{2}(?P<seconds>:\d{2}(?P<part>\.\d+)?)?(?P<half> ?[APap][Mm])?)?"
    r"(?P<zone> ?(?:[zZ]|[-+]\d{2}:?\d{2}))?"
)


def guessed(header: Header, said: LogSettings, *, column: bool, form: bool) -> LogSettings:
    """`said`, with the column and the format that the file itself tells.

    Args:
        header: of the file.
        said: what is known, or the defaults.
        column: whether the column is to be looked for.
        form: whether the format is to be looked for.

    Raises:
        LogError: there is no such column, or its texts may mean two times.
    """
    named = _column(header) if column else header.named(said.time_column)
    if named is None:
        raise LogError(
            f"{header.path}: no column {said.time_column}; its columns are {', '.join(header.columns[:8])}: "
            "name the one with the times by --time-column"
        )
    how = replace(said, time_column=named.strip())
    return _with_format(read_columns(header, [named]), named, how) if form else how


def _column(header: Header) -> str:
    """What is called as times are, or else the first column."""
    exact = header.named(LogSettings().time_column)
    if exact is not None:
        return exact
    alike = (column for part in _HEADINGS for column in header.columns if part in column.casefold())
    return next(alike, header.columns[0])


def _with_format(table: Table, column: str, how: LogSettings) -> LogSettings:
    texts = table.texts(column)
    if texts is None and (
        pa.types.is_timestamp(kind := table.data.column(column).type) or pa.types.is_date(kind)
    ):
        return how
    written = texts if texts is not None else table.data.column(column).cast(pa.string())
    sample = written.drop_null()
    if not len(sample):
        raise table.error(0, f"column {column} is blank where a time belongs")
    counted = _counted(table, column, sample)
    if counted:
        return replace(how, time_format=counted)
    patterns = _patterns(sample)
    if not patterns:
        raise table.error(
            0,
            f"column {column} is {sample[0].as_py()!r}, which is no time that procwm knows; say how it is "
            "written by --time-format, such as '%d.%m.%Y %H:%M:%S', or which column holds the times by "
            "--time-column",
        )
    if len(patterns) == 1:
        return replace(how, time_format=patterns[0])
    return replace(how, time_format=_by_order(table, column, how, patterns))


def _counted(table: Table, column: str, sample: Texts) -> str | None:
    """The format of a column of numbers; `None` where it holds texts."""
    try:
        number = pc.cast(pc.replace_substring(sample, ",", "."), pa.float64()).to_numpy()
    except pa.ArrowInvalid:
        return None
    low, high = float(np.min(number)), float(np.max(number))
    first, last = ((year - 1970) * 365.2425 * 86_400e9 for year in _YEARS)
    for form, unit_ns in EPOCHS.items():
        if first <= low * unit_ns and high * unit_ns <= last:
            return form
    if first <= (low - 25_569) * 86_400e9 and (high - 25_569) * 86_400e9 <= last:
        return EXCEL
    raise table.error(
        0,
        f"column {column} counts from {low:.12g} to {high:.12g}, which are no times; give the log a "
        "column with dates, such as 2000-01-31T10:00:00Z",
    )


def _patterns(sample: Texts) -> list[str]:
    """The formats in which every text of `sample` could be a time; two where day and month may be either."""
    first = _DATE.fullmatch(sample[0].as_py())
    if first is None:
        return ["iso"] if re.match(r"\d{4}-\d{2}-\d{2}", sample[0].as_py()) else []
    mark, third = first["mark"], "%Y" if len(first["third"]) == 4 else "%y"
    if len(first["first"]) == 4:
        if mark == "-":
            return ["iso"]
        dates = [f"%Y{mark}%m{mark}%d"]
    elif first["second"].isalpha():
        dates = [f"%d{mark}%b{mark}{third}"]
    else:
        dates = [f"{order[0]}{mark}{order[1]}{mark}{third}" for order in _orders(sample, mark)]
    return [date + _clock(first) for date in dates]


def _orders(sample: Texts, mark: str) -> list[tuple[str, str]]:
    """Whether the day stands before the month, or behind it; both where neither is ever above 12."""
    day_first, month_first = ("%d", "%m"), ("%m", "%d")
    fields = pc.split_pattern(pc.utf8_slice_codeunits(sample, 0, 6), mark)
    first, second = (
        pd.to_numeric(pd.Series(pc.list_element(fields, place).to_pylist()), errors="coerce").max()
        for place in (0, 1)
    )
    if first > 12 or mark == ".":
        return [day_first]
    return [month_first] if second > 12 else [day_first, month_first]


def _clock(first: "re.Match[str]") -> str:
    if not first["gap"]:
        return ""
    hour = "%I" if first["half"] else "%H"
    seconds = "" if not first["seconds"] else ":%S" + (".%f" if first["part"] else "")
    half = "" if not first["half"] else (" %p" if first["half"].startswith(" ") else "%p")
    zone = "" if not first["zone"] else (" %z" if first["zone"].startswith(" ") else "%z")
    return f"{first['gap']}{hour}:%M{seconds}{half}{zone}"


def _by_order(table: Table, column: str, how: LogSettings, patterns: list[str]) -> str:
    """The one of `patterns` by which the times ascend."""
    ascending = []
    for pattern in patterns:
        time_ns = times(table, column, replace(how, time_format=pattern))
        if (np.diff(time_ns) >= 0).all():
            ascending.append(pattern)
    if len(ascending) == 1:
        return ascending[0]
    said = " or ".join(f"--time-format '{pattern}'" for pattern in patterns)
    text = table.texts(column)
    shown = "" if text is None else f" is {text[0].as_py()!r}, and"
    raise table.error(0, f"column {column}{shown} may have the day first or the month; say which by {said}")
