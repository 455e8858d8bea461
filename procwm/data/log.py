"""Logs from files: long or wide, Parquet or CSV, UTC.

Long files have the columns `time, tag, value, quality` (and may have `unit`); wide ones have `time` and one
column for every tag, where a blank cell is no sample. A time without a zone is taken as UTC. Fields of a CSV
are separated by commas, semicolons or tabs; beside the latter two numbers may have a decimal comma.
"""

import difflib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pyarrow as pa
from jaxtyping import Float64, Int8, Int64

from procwm.data.series import CODES, QUALITIES, Log, TagSeries, iso_utc
from procwm.data.tables import Header, Table, read_columns, read_header, split_unit
from procwm.data.writer import LogWriter, recorded, write_log
from procwm.errors import LogError
from procwm.plant.samples import Quality
from procwm.plant.tags import PlantSpec, names_of
from procwm.plant.units import canonical_unit

__all__ = ["Log", "LogWriter", "TagSeries", "read_log", "write_log"]

_QUALITY_CODES = {quality.value.casefold(): code for quality, code in CODES.items()}


@dataclass(frozen=True, kw_only=True, eq=False)
class _Part:
    """What one file holds of a plant's tags.

    Attributes:
        series: of every tag that the file has samples of.
        found: what the file offers as tags: columns, or the names in its column `tag`.
        used: which of those belong to the plant.
        duplicates: how many exact repetitions of a sample were dropped.
        notes: sentences about the file that are no errors.
    """

    path: Path
    series: Mapping[str, TagSeries]
    found: tuple[str, ...]
    used: frozenset[str]
    duplicates: int
    notes: tuple[str, ...] = ()

    @property
    def start_ns(self) -> int:
        return min((int(series.time_ns[0]) for series in self.series.values() if len(series)), default=0)


def read_log(path: str | Path | Sequence[str | Path], plant: PlantSpec) -> Log:
    """The samples of `plant`'s tags in one file, or in several that hold stretches of time.

    Uncertain samples of a tag with `use_uncertain` are Good in it, as they are to the controller.

    A recording that is still being written, or whose writer was killed, is read as far as it got. Exact
    repetitions of a sample are dropped and counted.

    Raises:
        LogError: where a file is missing, damaged or empty, lacks a tag, states another unit, goes back in
            time, has two values for one time or text for a number, or has no Good sample of a tag.
    """
    paths = [Path(path)] if isinstance(path, str | Path) else [Path(item) for item in path]
    if not paths:
        raise LogError("no log file was named")
    parts = sorted((_read_part(item, plant) for item in paths), key=lambda part: part.start_ns)
    files = ", ".join(str(part.path) for part in parts)
    found = tuple(dict.fromkeys(name for part in parts for name in part.found))
    joined = {name: _joined(name, parts) for name in plant.names}
    for tag in plant.tags:
        if tag.use_uncertain:
            series, dropped = joined[tag.name]
            joined[tag.name] = (series.uncertain_believed, dropped)
    for name, (series, _) in joined.items():
        if not len(series):
            raise _missing(files, name, found)
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
        series={name: series for name, (series, _) in joined.items()},
        mv_names=names_of(plant.mvs),
        ignored=tuple(name for name in found if name not in used),
        duplicates=sum(part.duplicates for part in parts) + sum(dropped for _, dropped in joined.values()),
        notes=tuple(note for part in parts for note in part.notes),
    )


def _read_part(path: Path, plant: PlantSpec) -> _Part:
    unfinished = recorded(path)
    if unfinished is not None and unfinished.num_rows:
        header = Header(path, False, tuple(unfinished.column_names))
        note = f"{path}: the recording was not closed; it was read as far as it got"
        return replace(_long(Table(header, unfinished), plant, "time"), notes=(note,))
    header = read_header(path)
    for name, stated in json.loads(header.tag_units or b"{}").items():
        if name in plant.names:
            _check_unit(header.path, plant, name, stated)
    time = header.named("time")
    if time is None:
        raise LogError(
            f"{path}: no column time; its columns are {_listed(header.columns)}: "
            "give the one with the times the heading time"
        )
    if header.named("tag") and header.named("value"):
        wanted = [column for name in _LONG if (column := header.named(name))]
        texts = [column for column in wanted if column != header.named("value")]
        return _long(read_columns(header, wanted, texts), plant, time)
    return _wide(header, plant, time)


_LONG = ("time", "tag", "value", "quality", "unit")


def _wide(header: Header, plant: PlantSpec, time: str) -> _Part:
    offered = tuple(column for column in header.columns if column != time)
    columns: dict[str, str] = {}
    for column in offered:
        name, unit = (column.strip(), None) if column.strip() in plant.names else split_unit(column)
        if name in columns:
            raise LogError(f"{header.path}: {columns[name]!r} and {column!r} are both the tag {name}")
        if name in plant.names:
            columns[name] = column
            _check_unit(header.path, plant, name, header.units.get(column, unit))
    for name in plant.names:
        if name not in columns:
            raise _missing(str(header.path), name, offered)
    table = read_columns(header, [time, *columns.values()], [time])
    time_ns = table.times(time)
    rows = np.arange(len(time_ns))
    series: dict[str, TagSeries] = {}
    duplicates = 0
    for name, column in columns.items():
        value = table.numbers(column)
        present = ~np.isnan(value)
        keep = slice(None) if bool(present.all()) else present
        quality = np.zeros(len(value[keep]), dtype=np.int8)
        series[name], dropped = _checked(table, name, rows[keep], time_ns[keep], value[keep], quality)
        duplicates += dropped
    return _Part(
        path=header.path,
        series=series,
        found=offered,
        used=frozenset(columns.values()),
        duplicates=duplicates,
    )


def _long(table: Table, plant: PlantSpec, time: str) -> _Part:
    header = table.header
    time_ns = table.times(time)
    value = table.numbers(_column(header, "value"))
    tag = _codes(table, _column(header, "tag"))
    quality = _qualities(table, value)
    unit = header.named("unit")
    units = None if unit is None else table.texts(unit)
    order = np.argsort(tag.code, kind="stable")
    edges = np.searchsorted(tag.code[order], np.arange(len(tag.names) + 1))
    series: dict[str, TagSeries] = {}
    duplicates = 0
    for number, name in enumerate(tag.names):
        if name in plant.names:
            rows = order[edges[number] : edges[number + 1]]
            if units is not None:
                for stated in units.take(pa.array(rows)).unique().to_pylist():
                    _check_unit(header.path, plant, name, stated)
            series[name], dropped = _checked(table, name, rows, time_ns[rows], value[rows], quality[rows])
            duplicates += dropped
    return _Part(
        path=header.path,
        series=series,
        found=tag.names,
        used=frozenset(series),
        duplicates=duplicates,
    )


@dataclass(frozen=True, eq=False)
class _Codes:
    """A column of texts: the distinct ones, and which of them each row has."""

    names: tuple[str, ...]
    code: Int64[np.ndarray, " row"]


def _codes(table: Table, column: str) -> _Codes:
    texts = table.texts(column)
    if texts.null_count:
        blank = int(np.flatnonzero(texts.is_null().to_numpy(zero_copy_only=False))[0])
        raise table.error(blank, f"column {column} is blank")
    return _Codes(tuple(texts.dictionary.to_pylist()), texts.indices.to_numpy().astype(np.int64))


def _qualities(table: Table, value: Float64[np.ndarray, " row"]) -> Int8[np.ndarray, " row"]:
    """Quality codes; without a column `quality` every sample with a value is Good."""
    column = table.header.named("quality")
    quality = np.zeros(len(value), dtype=np.int8)
    if column is not None:
        texts = _codes(table, column)
        for number, text in enumerate(texts.names):
            if text.strip().casefold() not in _QUALITY_CODES:
                row = int(np.flatnonzero(texts.code == number)[0])
                raise table.error(row, f"quality is {text!r}; it must be Good, Uncertain or Bad")
        codes = [_QUALITY_CODES[text.strip().casefold()] for text in texts.names]
        quality = np.array(codes, dtype=np.int8)[texts.code]
    return quality


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
    series, contradiction = _without_repetitions(TagSeries(time_ns, value, quality))
    if contradiction is not None:
        raise table.error(int(rows[contradiction]), _contradicted(name, time_ns, value, contradiction))
    return series, len(time_ns) - len(series)


def _joined(name: str, parts: Iterable[_Part]) -> tuple[TagSeries, int]:
    """One tag's samples of all files, and how many repetitions were dropped where files overlap."""
    pieces = [part.series[name] for part in parts if name in part.series]
    if len(pieces) == 1:
        return pieces[0], 0
    empty = np.zeros(0)
    time_ns = np.concatenate([empty.astype(np.int64), *(piece.time_ns for piece in pieces)])
    value = np.concatenate([empty, *(piece.value for piece in pieces)])
    quality = np.concatenate([empty.astype(np.int8), *(piece.quality for piece in pieces)])
    order = np.argsort(time_ns, kind="stable")
    whole = TagSeries(time_ns[order], value[order], quality[order])
    series, contradiction = _without_repetitions(whole)
    if contradiction is not None:
        sentence = _contradicted(name, whole.time_ns, whole.value, contradiction)
        raise LogError(f"{', '.join(str(part.path) for part in parts)}: the files overlap, and {sentence}")
    return series, len(whole) - len(series)


def _without_repetitions(series: TagSeries) -> tuple[TagSeries, int | None]:
    """`series` with repetitions dropped, and the first sample that contradicts the one before."""
    again = np.append(False, np.diff(series.time_ns) == 0)[: len(series)]
    if not again.any():
        return series, None
    before = np.flatnonzero(again) - 1
    alike = (series.quality[before] == series.quality[before + 1]) & (
        (series.value[before] == series.value[before + 1])
        | (np.isnan(series.value[before]) & np.isnan(series.value[before + 1]))
    )
    contradiction = None if bool(alike.all()) else int(before[~alike][0]) + 1
    return series.where(~again), contradiction


def _contradicted(
    name: str, time_ns: Int64[np.ndarray, " sample"], value: Float64[np.ndarray, " sample"], at: int
) -> str:
    return f"{name} has two samples at {iso_utc(int(time_ns[at]))}: {value[at - 1]:g} and {value[at]:g}"


def _check_unit(path: Path, plant: PlantSpec, name: str, stated: str | None) -> None:
    unit = plant.tag(name).unit
    if stated is not None and canonical_unit(stated) != canonical_unit(unit):
        raise LogError(
            f"{path}: {name} is in {stated or 'no unit'}, the plant file says {unit or 'no unit'}; "
            "convert the log or mend the plant file"
        )


def _missing(files: str, name: str, found: Sequence[str]) -> LogError:
    if name in found or name in {split_unit(column)[0] for column in found}:
        return LogError(f"{files}: {name} is blank in every row; mend the log or drop the tag")
    alike = {text.strip().casefold(): text for text in found}
    folded = difflib.get_close_matches(name.casefold(), alike, n=3, cutoff=0.5)
    near = [alike[text] for text in folded]
    hint = f"nearest are {_listed(near)}" if near else f"it has {_listed(found)}"
    return LogError(f"{files}: no samples of the tag {name}; {hint}")


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names[:8])
    return f"{shown} and {len(names) - 8} more" if len(names) > 8 else shown or "none"


def _column(header: Header, name: str) -> str:
    column = header.named(name)
    assert column is not None
    return column
