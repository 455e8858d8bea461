"""Logs from files: long or wide, Parquet or CSV, UTC.

Long files have the columns `time, tag, value, quality` (and may have `unit`); wide ones have `time` and one
column for every tag, where a blank cell is no sample. A time without a zone is taken as UTC. Fields of a CSV
are separated by commas, semicolons or tabs; numbers are written in one of the ways of `number_format`.
"""

import difflib
import json
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int8, Int64

from procwm.data.joining import LogPart, contradicted, joined, without_repetitions
from procwm.data.local_hours import local_checked
from procwm.data.log_folders import files_of
from procwm.data.series import CODES, QUALITIES, Log, TagSeries, iso_utc
from procwm.data.tabular.headers import Header, split_unit
from procwm.data.tabular.qualities import qualities
from procwm.data.tabular.tables import Range, Table, read_columns, read_header, texts_of
from procwm.data.tabular.times import has_zone, times
from procwm.data.writer import LogWriter, recorded, write_log
from procwm.errors import LogError
from procwm.plant.log_settings import LogSettings
from procwm.plant.samples import Quality
from procwm.plant.tags import PlantSpec, names_of
from procwm.plant.units import canonical_unit

__all__ = ["Log", "LogWriter", "TagSeries", "read_log", "write_log"]


def read_log(path: str | Path | Sequence[str | Path], plant: PlantSpec) -> Log:
    """The samples of `plant`'s tags in one file, or in several that hold stretches of time.

    Uncertain samples of a tag with `use_uncertain` are Good in it, as they are to the controller.

    A recording that is still being written, or whose writer was killed, is read as far as it got. Exact
    repetitions of a sample are dropped and counted.

    Raises:
        LogError: where a file is missing, damaged or empty, lacks a tag, states another unit, goes back in
            time, has two values for one time or text for a number, or has no Good sample of a tag; where
            files hold different samples of one stretch of time.
    """
    named = [Path(path)] if isinstance(path, str | Path) else [Path(item) for item in path]
    if not named:
        raise LogError("no log file was named")
    parts = sorted((_read_part(item, plant) for item in files_of(named)), key=lambda part: part.start_ns)
    files = ", ".join(str(part.path) for part in parts)
    found = tuple(dict.fromkeys(name for part in parts for name in part.found))
    whole = {name: joined(name, parts) for name in plant.names}
    for tag in plant.tags:
        if tag.use_uncertain:
            series, dropped = whole[tag.name]
            whole[tag.name] = (series.uncertain_believed, dropped)
    absent = [name for name, (series, _) in whole.items() if not len(series)]
    if absent:
        raise _missing(files, absent, found)
    for name, (series, _) in whole.items():
        if not len(series.usable):
            counts = ", ".join(
                f"{count} {quality}"
                for code, quality in enumerate(QUALITIES)
                if (count := int((series.quality == code).sum()))
            )
            advice = "mend the log or drop the tag"
            if "Uncertain" in counts:
                advice += ", or set use_uncertain = true for it in the plant file"
            raise LogError(f"{files}: {name} has no Good sample ({counts}); {advice}")
    used = frozenset().union(*(part.used for part in parts))
    return Log(
        series={name: series for name, (series, _) in whole.items()},
        mv_names=names_of(plant.mvs),
        ignored=tuple(name for name in found if name not in used),
        duplicates=sum(part.duplicates for part in parts) + sum(dropped for _, dropped in whole.values()),
        notes=(*(note for part in parts for note in part.notes), *_lacking(parts, plant)),
    )


def _lacking(parts: Sequence[LogPart], plant: PlantSpec) -> Iterator[str]:
    """What some of several files have no samples of."""
    for name in plant.names:
        without = [part.path.name for part in parts if name not in part.series]
        if without:
            yield f"{name} is not in {len(without)} of {len(parts)} files: {_listed(without)}"


def _read_part(path: Path, plant: PlantSpec) -> LogPart:
    unfinished = recorded(path) if path.name else None
    if unfinished is not None and unfinished.num_rows:
        header = Header(path, False, tuple(unfinished.column_names))
        note = f"{path}: the recording was not closed; it was read as far as it got"
        return replace(_long(Table(header, unfinished), plant, "time", LogSettings()), notes=(note,))
    header = read_header(path)
    for name, stated in stated_units(header).items():
        if name in plant.names:
            _check_unit(header.path, plant, name, stated)
    time, how = _time_column(header, plant)
    if header.named("tag") and header.named("value"):
        wanted = [column for name in _LONG if (column := header.named(name))]
        return _long(read_columns(header, [time, *wanted]), plant, time, how)
    return _wide(header, plant, time, how)


def _time_column(header: Header, plant: PlantSpec) -> tuple[str, LogSettings]:
    """The column with the times, and how they are written: as the plant file says, or as procwm does."""
    named = header.named(plant.log.time_column)
    if named is not None:
        return named, plant.log
    time = header.named(LogSettings().time_column)
    if time is None:
        raise LogError(
            f"{header.path}: no column {plant.log.time_column}; its columns are {_listed(header.columns)}: "
            "name the one with the times as time_column in [log] of the plant file"
        )
    return time, LogSettings()


def stated_units(header: Header) -> dict[str, str]:
    """Units by tag, as a recording states them."""
    try:
        units = json.loads(header.tag_units or b"{}")
    except ValueError:
        units = None
    if not isinstance(units, dict) or not all(isinstance(unit, str) for unit in units.values()):
        raise LogError(f"{header.path}: the units in its metadata cannot be read; write the file again")
    return units


_LONG = ("tag", "value", "quality", "unit")


def _wide(header: Header, plant: PlantSpec, time: str, how: LogSettings) -> LogPart:
    offered = tuple(column for column in header.columns if column != time)
    columns: dict[str, str] = {}
    for column in offered:
        name, unit = (column.strip(), None) if column.strip() in plant.names else split_unit(column)
        if name not in plant.names:
            continue
        header.check_once(column)
        if name in columns:
            raise LogError(f"{header.path}: {columns[name]!r} and {column!r} are both the tag {name}")
        columns[name] = column
        _check_unit(header.path, plant, name, header.units.get(column, unit))
    table = read_columns(header, [time, *columns.values()])
    time_ns = times(table, time, how)
    rows = np.arange(len(time_ns))
    values = table.numbers(
        list(columns.values()),
        ranges=[_range(plant, [name], np.zeros(len(rows), dtype=np.int64)) for name in columns],
        others=lambda: texts_of(header, [column for column in offered if column not in columns.values()]),
        blanks=how.blank_texts,
    )
    series: dict[str, TagSeries] = {}
    duplicates = 0
    for name, value in zip(columns, values, strict=True):
        present = ~np.isnan(value)
        keep = slice(None) if bool(present.all()) else present
        quality = np.zeros(len(value[keep]), dtype=np.int8)
        series[name], dropped = _checked(table, name, rows[keep], time_ns[keep], value[keep], quality)
        duplicates += dropped
    part = LogPart(
        path=header.path,
        series=series,
        found=offered,
        used=frozenset(columns.values()),
        duplicates=duplicates,
    )
    return part if how.tells_utc or has_zone(table, time) else local_checked(part)


def _long(table: Table, plant: PlantSpec, time: str, how: LogSettings) -> LogPart:
    header = table.header
    whole = table.codes(_column(header, "tag"))
    if whole.blank is not None:
        raise table.error(whole.blank, f"column {_column(header, 'tag')} is blank")
    ours = np.isin(whole.code, [number for number, name in enumerate(whole.names) if name in plant.names])
    # What stands in rows of other tags is nobody's business, be it right or wrong.
    table, foreign = table.where(ours), table.where(~ours)
    series: dict[str, TagSeries] = {}
    duplicates = 0
    if len(table):
        tag = table.codes(_column(header, "tag"))
        time_ns, quality = times(table, time, how), _qualities(table)
        (value,) = table.numbers(
            [_column(header, "value")],
            ranges=[_range(plant, tag.names, tag.code)],
            others=lambda: [
                texts for texts in [foreign.texts(_column(header, "value"))] if texts is not None
            ],
            blanks=how.blank_texts,
            # What stands in a row that is Bad anyway is no number as often as not.
            unread=quality == CODES[Quality.BAD],
        )
        unit = header.named("unit")
        units = None if unit is None else table.codes(unit)
        order = np.argsort(tag.code, kind="stable")
        edges = np.searchsorted(tag.code[order], np.arange(len(tag.names) + 1))
        for number, name in enumerate(tag.names):
            rows = order[edges[number] : edges[number + 1]]
            if units is not None:
                for stated in np.unique(units.code[rows]):
                    _check_unit(header.path, plant, name, units.names[stated] or None)
            series[name], dropped = _checked(table, name, rows, time_ns[rows], value[rows], quality[rows])
            duplicates += dropped
    part = LogPart(
        path=header.path,
        series=series,
        found=whole.names,
        used=frozenset(series),
        duplicates=duplicates,
    )
    told = not len(table) or how.tells_utc or has_zone(table, time)
    return part if told else local_checked(part)


def _range(plant: PlantSpec, names: Sequence[str], code: Int64[np.ndarray, " row"]) -> Range:
    """What the instruments of the tags `names[code]` read."""
    low, high = np.array([plant.tag(name).range for name in names], dtype=np.float64).T
    return low[code], high[code]


def _qualities(table: Table) -> Int8[np.ndarray, " row"]:
    """Quality codes; without a column `quality` every sample with a value is Good."""
    column = table.header.named("quality")
    return np.zeros(len(table), dtype=np.int8) if column is None else qualities(table, column, QUALITIES)


def _checked(
    table: Table,
    name: str,
    rows: Int64[np.ndarray, " sample"],
    time_ns: Int64[np.ndarray, " sample"],
    value: Float64[np.ndarray, " sample"],
    quality: Int8[np.ndarray, " sample"],
) -> tuple[TagSeries, int]:
    """One tag's samples in file order as a series, and how many repetitions were dropped."""
    quality = np.where(np.isfinite(value), quality, np.int8(CODES[Quality.BAD]))
    back = np.flatnonzero(np.diff(time_ns) < 0)
    if len(back):
        at = int(back[0])
        raise table.error(
            int(rows[at + 1]),
            f"time goes backwards for {name}, from {iso_utc(int(time_ns[at]))} to "
            f"{iso_utc(int(time_ns[at + 1]))}; sort the file by time, and write UTC, not local time",
        )
    series, contradiction = without_repetitions(TagSeries(time_ns, value, quality))
    if contradiction is not None:
        raise table.error(int(rows[contradiction]), contradicted(name, time_ns, value, contradiction))
    return series, len(time_ns) - len(series)


def _check_unit(path: Path, plant: PlantSpec, name: str, stated: str | None) -> None:
    unit = plant.tag(name).unit
    if stated is not None and canonical_unit(stated) != canonical_unit(unit):
        raise LogError(
            f"{path}: {name} is in {stated or 'no unit'}, the plant file says {unit or 'no unit'}; "
            "convert the log or mend the plant file"
        )


def _missing(files: str, absent: Sequence[str], found: Sequence[str]) -> LogError:
    """What to say of tags without a sample, all of them at once."""
    name = absent[0]
    others = f"; nor of {_listed(absent[1:])}" if len(absent) > 1 else ""
    if name in found or name in {split_unit(column)[0] for column in found}:
        return LogError(f"{files}: {name} is blank in every row; mend the log or drop the tag{others}")
    alike = {text.strip().casefold(): text for text in found}
    folded = difflib.get_close_matches(name.casefold(), alike, n=3, cutoff=0.5)
    near = [alike[text] for text in folded]
    hint = f"nearest are {_listed(near)}" if near else f"it has {_listed(found)}"
    return LogError(f"{files}: no samples of the tag {name}; {hint}{others}")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown or "none"


def _column(header: Header, name: str) -> str:
    column = header.named(name)
    assert column is not None
    return column
