"""One file of a log, long or wide: what it holds of a plant's tags, read a batch of rows at a time."""

import difflib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from procwm.data.gathering import Gathering
from procwm.data.joining import LogPart
from procwm.data.series import CODES
from procwm.data.tabular.headers import Header, split_unit
from procwm.data.tabular.tables import Table, read_batches, read_columns, read_header, texts_of
from procwm.data.writer import recorded
from procwm.errors import LogError
from procwm.plant.log_settings import UTC, LogSettings
from procwm.plant.samples import Quality
from procwm.plant.tags import PlantSpec
from procwm.plant.units import canonical_unit

_LONG = ("tag", "value", "quality", "unit")


def read_part(path: Path, plant: PlantSpec) -> LogPart:
    """What the file at `path` holds of the tags of `plant`; `LogError` where it cannot be understood."""
    unfinished = recorded(path) if path.name else None
    if unfinished is not None and unfinished.num_rows:
        header = Header(path, False, tuple(unfinished.column_names))
        note = f"{path}: the recording was not closed; it was read as far as it got"
        rows = Gathering(header, plant, "time", LogSettings(), at_once=True)
        _add_long(rows, Table(header, unfinished))
        return replace(rows.part(), notes=(note,))
    header = read_header(path)
    for name, stated in stated_units(header).items():
        if name in plant.names:
            _check_unit(header.path, plant, name, stated)
    time, how = _time_column(header, plant)
    # Which of the two hours of autumn a local time is of, rows around it tell, in whichever batch they are.
    if how.time_zone == UTC:
        try:
            return _read(Gathering(header, plant, time, how, at_once=False))
        except LogError:
            # What one batch of rows does not tell, all may; and of mistakes the first is to be named.
            pass
    return _read(Gathering(header, plant, time, how, at_once=True))


def _read(rows: Gathering) -> LogPart:
    header, time = rows.header, rows.time
    is_long = header.named("tag") is not None and header.named("value") is not None
    columns = {} if is_long else _tag_columns(header, rows.plant, time)
    wanted = [column for name in _LONG if (column := header.named(name))] if is_long else columns.values()
    names = [time, *wanted]
    for table in [read_columns(header, names)] if rows.at_once else read_batches(header, names):
        if is_long:
            _add_long(rows, table)
        else:
            _add_wide(rows, table, columns)
    if not is_long:
        rows.found = dict.fromkeys(column for column in header.columns if column != time)
        rows.used = frozenset(columns.values())
    return rows.part()


def _add_wide(rows: Gathering, table: Table, columns: Mapping[str, str]) -> None:
    """Take what `table` holds of the tags whose `columns` these are."""
    time_ns = rows.times(table)
    place = np.arange(len(time_ns))
    tags = [rows.plant.tag(name) for name in columns]
    values = rows.numbers(
        table,
        list(columns.values()),
        ranges=[
            (np.broadcast_to(tag.range[0], len(place)), np.broadcast_to(tag.range[1], len(place)))
            for tag in tags
        ],
        others=lambda: texts_of(
            table.header,
            [name for name in table.header.columns if name not in (rows.time, *columns.values())],
        ),
    )
    for name, value in zip(columns, values, strict=True):
        present = ~np.isnan(value)
        keep = slice(None) if bool(present.all()) else present
        quality = np.zeros(len(value[keep]), dtype=np.int8)
        rows.add(name, table, place[keep], time_ns[keep], value[keep], quality)


def _add_long(rows: Gathering, table: Table) -> None:
    """Take the rows of `table` that are of a tag of the plant."""
    header = table.header
    tag = table.codes(_column(header, "tag"))
    if tag.blank is not None:
        raise table.error(tag.blank, f"column {_column(header, 'tag')} is blank")
    rows.found |= dict.fromkeys(tag.names)
    ours = np.array([name in rows.plant.names for name in tag.names], dtype=np.bool_)[tag.code]
    # What stands in rows of other tags is nobody's business, be it right or wrong.
    whole, table, code = table, table.where(ours), tag.code[ours]
    if not len(table):
        return
    column = _column(header, "value")
    time_ns = rows.times(table)
    ranges = [rows.plant.tag(name).range if name in rows.plant.names else (0.0, 0.0) for name in tag.names]
    low, high = np.array(ranges, dtype=np.float64).T
    quality = rows.qualities(table)
    (value,) = rows.numbers(
        table,
        [column],
        ranges=[(low[code], high[code])],
        others=lambda: [texts for texts in [whole.where(~ours).texts(column)] if texts is not None],
        # What stands in a row that is Bad anyway is no number as often as not.
        unread=quality == CODES[Quality.BAD],
    )
    unit = header.named("unit")
    units = None if unit is None else table.codes(unit)
    # Small integers are sorted in linear time.
    order = np.argsort(code.astype(np.min_scalar_type(len(tag.names))), kind="stable")
    edges = np.searchsorted(code[order], np.arange(len(tag.names) + 1))
    for number, name in enumerate(tag.names):
        of = order[edges[number] : edges[number + 1]]
        if not len(of):
            continue
        if units is not None:
            for stated in np.unique(units.code[of]):
                _check_unit(header.path, rows.plant, name, units.names[stated] or None)
        rows.add(name, table, of, time_ns[of], value[of], quality[of])


def _time_column(header: Header, plant: PlantSpec) -> tuple[str, LogSettings]:
    """The column with the times, and how they are written: as the plant file says, or as procwm does."""
    named = header.named(plant.log.time_column)
    if named is not None:
        return named, plant.log
    time = header.named(LogSettings().time_column)
    if time is None:
        raise LogError(
            f"{header.path}: no column {plant.log.time_column}; its columns are {listed(header.columns)}: "
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


def _tag_columns(header: Header, plant: PlantSpec, time: str) -> dict[str, str]:
    """By tag, the column of a wide file that holds it; `LogError` where there are two, or another unit."""
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
    return columns


def _check_unit(path: Path, plant: PlantSpec, name: str, stated: str | None) -> None:
    unit = plant.tag(name).unit
    if stated is not None and canonical_unit(stated) != canonical_unit(unit):
        raise LogError(
            f"{path}: {name} is in {stated or 'no unit'}, the plant file says {unit or 'no unit'}; "
            "convert the log or mend the plant file"
        )


def missing(files: str, absent: Sequence[str], found: Sequence[str]) -> LogError:
    """What to say of tags without a sample, all of them at once."""
    name = absent[0]
    others = f"; nor of {listed(absent[1:])}" if len(absent) > 1 else ""
    if name in found or name in {split_unit(column)[0] for column in found}:
        return LogError(f"{files}: {name} is blank in every row; mend the log or drop the tag{others}")
    alike = {text.strip().casefold(): text for text in found}
    folded = difflib.get_close_matches(name.casefold(), alike, n=3, cutoff=0.5)
    near = [alike[text] for text in folded]
    hint = f"nearest are {listed(near)}" if near else f"it has {listed(found)}"
    return LogError(f"{files}: no samples of the tag {name}; {hint}{others}")


def listed(names: Sequence[str]) -> str:
    """The first eight of `names`, and how many there are more."""
    shown = ", ".join(names[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown or "none"


def _column(header: Header, name: str) -> str:
    column = header.named(name)
    assert column is not None
    return column
