"""Logs to files: one at once, or sample by sample through a recording that survives a kill."""

import json
import shutil
from collections.abc import Iterable
from pathlib import Path
from types import TracebackType

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv as arrow_csv
import pyarrow.parquet as pq

from procwm.data.files import replacing
from procwm.data.segments import Segment, parts_of, segments
from procwm.data.series import QUALITIES, Log
from procwm.data.tabular.headers import UNITS_KEY
from procwm.data.tabular.spreadsheets import INERT, inert
from procwm.errors import LogError
from procwm.plant.samples import Quality, Sample, readable
from procwm.plant.tags import PlantSpec

SEGMENT_SCHEMA = pa.schema(
    [
        ("time", pa.timestamp("ns", tz="UTC")),
        ("tag", pa.string()),
        ("value", pa.float64()),
        ("quality", pa.string()),
    ]
)
"""Columns of a long log."""


def write_log(path: str | Path, log: Log | pd.DataFrame, plant: PlantSpec | None = None) -> None:
    """Write `log` to `path`, Parquet or CSV by its suffix; the file appears whole or not at all.

    Args:
        path: ends in `.parquet`, `.pq` or `.csv`.
        log: a `Log` is written in long form; a frame with a column or index `time` is written as it stands.
        plant: its units go into a Parquet file, where reading compares them; `None` leaves them out.
    """
    table = _table_of(log) if isinstance(log, Log) else _table_of_frame(log)
    units = None if plant is None else {tag.name: tag.unit for tag in plant.tags}
    suffix = Path(path).suffix.lower()
    with replacing(path) as temporary:
        if suffix in (".parquet", ".pq"):
            _write_parquet(temporary, table, units)
        elif suffix == ".csv":
            arrow_csv.write_csv(_with_written_times(table), temporary)
        else:
            raise LogError(f"{path}: a log's name ends in .parquet or .csv")


class LogWriter:
    """A recording: append-only, readable at any time by `read_log`, continued when opened again.

    Samples go to a segment beside the file, in the folder `NAME.parquet.parts`; what `append` has returned
    for survives the death of the process. `close` merges the segments, and the file if there is one, into
    the file.

    Attributes:
        rows: of the file, once it is closed: what was sent twice counts once, and what was there before, too.
    """

    def __init__(self, path: str | Path, plant: PlantSpec) -> None:
        """Open the recording `path`, ending in `.parquet`; `LogError` where it exists and is no recording."""
        self.path = Path(path)
        self._plant = plant
        self._units = {tag.name: tag.unit for tag in plant.tags}
        if self.path.suffix.lower() != ".parquet":
            raise LogError(f"{path}: a recording's name ends in .parquet")
        if self.path.exists():
            self._check_existing()
        self._segment = Segment(self.path, SEGMENT_SCHEMA)
        self.rows = 0

    def append(self, samples: Iterable[Sample]) -> None:
        """Record `samples`; when this returns they survive the death of the process."""
        rows = readable(tuple(samples))
        for sample in rows:
            self._plant.tag(sample.tag)
        if not rows:
            return
        columns = (
            [sample.source_ns for sample in rows],
            [sample.tag for sample in rows],
            [sample.value for sample in rows],
            [sample.quality.value for sample in rows],
        )
        arrays = [pa.array(column, field.type) for column, field in zip(columns, SEGMENT_SCHEMA, strict=True)]
        self._segment.append(pa.record_batch(arrays, schema=SEGMENT_SCHEMA))

    def abandon(self) -> None:
        """Leave the segment after a failed `append`: what it holds whole stays readable, the rest is lost."""
        self._segment.abandon()

    def close(self) -> None:
        """Merge everything recorded into the one Parquet file. Without a sample there is no file."""
        if self._segment.closed:
            return
        self._segment.close()
        table = recorded(self.path)
        if table is not None and table.num_rows:
            with replacing(self.path) as temporary:
                _write_parquet(temporary, table, self._units)
            self.rows = table.num_rows
        # Should the process die before this, the segments are merged once more, which changes nothing.
        shutil.rmtree(parts_of(self.path))

    def __enter__(self) -> "LogWriter":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def _check_existing(self) -> None:
        try:
            schema = pq.read_schema(self.path)
        except (pa.ArrowException, OSError):
            schema = pa.schema([])
        if schema.names != SEGMENT_SCHEMA.names or UNITS_KEY not in (schema.metadata or {}):
            raise LogError(f"{self.path}: exists and is not a recording; choose another name")
        before = json.loads(schema.metadata[UNITS_KEY])
        for name, unit in self._units.items():
            if before.get(name, unit) != unit:
                raise LogError(
                    f"{self.path}: {name} was recorded in {before[name]}, the plant file says {unit}; "
                    "choose another name"
                )


def recorded_between(path: Path, plant: PlantSpec, start_ns: int, end_ns: int) -> list[Sample]:
    """Samples of `plant` in the recording `path`, closed or not, with `start_ns <= time < end_ns`.

    `LogError` where the file is no recording.
    """
    bounds = [pa.scalar(time_ns, SEGMENT_SCHEMA.field("time").type) for time_ns in (start_ns, end_ns)]
    within = (pc.field("time") >= bounds[0]) & (pc.field("time") < bounds[1])
    try:
        tables = [pq.read_table(path, filters=within).cast(SEGMENT_SCHEMA)] if path.exists() else []
    except (pa.ArrowException, ValueError, OSError):
        raise LogError(f"{path}: not a recording, or damaged") from None
    if parts_of(path).is_dir():
        tables += [table.filter(within) for table in segments(path)]
    table = pa.concat_tables([SEGMENT_SCHEMA.empty_table(), *tables])
    columns = (
        table["tag"].to_pylist(),
        table["value"].to_pylist(),
        table["quality"].to_pylist(),
        table["time"].cast(pa.int64()).to_pylist(),
    )
    rows = zip(*columns, strict=True)
    known = (Sample(tag, value, Quality(told), time_ns) for tag, value, told, time_ns in rows)
    return [sample for sample in known if sample.tag in plant.names]


def recorded(path: Path) -> pa.Table | None:
    """Everything in the recording `path` that is not closed, by time and tag; `None` where there is none.

    Of several samples of one tag at one time the last Good one counts, or the last one where none is Good.
    """
    parts = parts_of(path)
    if not parts.is_dir():
        return None
    try:
        tables = [pq.read_table(path).cast(SEGMENT_SCHEMA)] if path.exists() else []
    except (pa.ArrowException, ValueError, OSError):
        raise LogError(f"{path}: not a recording, although segments of one lie in {parts}") from None
    table = pa.concat_tables([SEGMENT_SCHEMA.empty_table(), *tables, *segments(path)])
    time_ns = table["time"].cast(pa.int64()).to_numpy()
    tag = table["tag"].combine_chunks().dictionary_encode().indices.to_numpy()
    good = pc.equal(table["quality"], Quality.GOOD.value).to_numpy()
    order = np.lexsort((good, tag, time_ns))
    time_ns, tag = time_ns[order], tag[order]
    last = np.append((time_ns[1:] != time_ns[:-1]) | (tag[1:] != tag[:-1]), True)[: len(order)]
    return table.take(order[last])


def _table_of(log: Log) -> pa.Table:
    lengths = [len(series) for series in log.series.values()]
    tag = np.repeat(np.arange(len(lengths), dtype=np.int32), lengths)
    time_ns = np.concatenate([series.time_ns for series in log.series.values()])
    order = np.lexsort((tag, time_ns))
    value = np.concatenate([series.value for series in log.series.values()])[order]
    quality = np.concatenate([series.quality for series in log.series.values()])[order]
    return pa.table(
        {
            "time": pa.array(time_ns[order], pa.timestamp("ns", tz="UTC")),
            "tag": pa.DictionaryArray.from_arrays(pa.array(tag[order]), list(log.series)),
            "value": pa.array(value),
            "quality": pa.DictionaryArray.from_arrays(pa.array(quality), [q.value for q in QUALITIES]),
        }
    )


def _table_of_frame(frame: pd.DataFrame) -> pa.Table:
    named = frame.reset_index() if frame.index.name == "time" else frame
    if "time" not in named.columns:
        raise LogError(f"the frame has no column or index time; its columns are {', '.join(map(str, named))}")
    return pa.Table.from_pandas(named, preserve_index=False)


def _write_parquet(path: Path, table: pa.Table, units: dict[str, str] | None) -> None:
    if units is not None:
        table = table.replace_schema_metadata({UNITS_KEY: json.dumps(units).encode()})
    pq.write_table(table, path, compression="zstd")


def _with_written_times(table: pa.Table) -> pa.Table:
    place = table.schema.get_field_index("time")
    time = table["time"]
    if pa.types.is_timestamp(time.type):
        time = pc.strftime(time.cast(pa.timestamp("ns", tz="UTC")), format="%Y-%m-%dT%H:%M:%SZ")
    plain = table.set_column(place, "time", time)
    for number, field in enumerate(plain.schema):
        kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
        if field.name != "time" and kind in (pa.string(), pa.large_string()):
            texts = pc.replace_substring_regex(plain[field.name].cast(pa.string()), *INERT)
            plain = plain.set_column(number, field.name, texts)
    return plain.rename_columns([inert(name) for name in plain.column_names])
