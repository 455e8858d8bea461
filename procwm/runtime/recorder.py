"""Every cycle of a run, append-only: samples as a log to train on, decisions with plans and timing.

    DIR/samples.parquet      a long log, read by `read_log`
    DIR/decisions.parquet    one row a cycle, read by `read_decisions`

While a run goes on, rows are in segments beside the files (`NAME.parquet.parts`), from which both readers
take them too: what `append` has returned for survives the death of the process. `close` merges them.

While the disk is full, cycles wait in memory, and `append` returns at once; they are written when there is
room again. Only what waits for longer than `WAITING` cycles is lost, and counted.
"""

import logging
import shutil
from collections import deque
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from procwm.data.files import replacing
from procwm.data.segments import Segment, parts_of, segments
from procwm.data.writer import LogWriter
from procwm.errors import LogError
from procwm.plant.samples import Sample
from procwm.plant.tags import PlantSpec
from procwm.plant.texts import shown
from procwm.runtime.audit import AuditHead
from procwm.runtime.cycle import Cycle
from procwm.runtime.decision_rows import DECISION_SCHEMA, decision_row

_log = logging.getLogger(__name__)

WAITING = 10_000
"""Cycles, and as many lots of samples, that wait in memory at most."""


class Recorder:
    """Keeps the cycles of a run in a directory; a `CycleSink`. Opened again, it goes on.

    Attributes:
        lost: cycles, and lots of samples, that are in no file: the disk was full for too long, or took none.
    """

    def __init__(self, directory: str | Path, plant: PlantSpec) -> None:
        """Args: directory: made where it is missing. plant: whose tags are recorded."""
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self._plant = plant
        self._path = self.directory / "decisions.parquet"
        self._waiting: deque[_Kept | tuple[Sample, ...]] = deque()
        self._received: tuple[Sample, ...] | None = None
        self._segments: _Segments | None = _Segments(self._path, plant)
        self._closed = False
        self.lost = 0

    def receive(self, samples: tuple[Sample, ...]) -> None:
        """Record samples before anything is decided on them; the cycle that has them comes later."""
        self._received = samples
        self._put(samples)

    def append(self, cycle: Cycle, audited: AuditHead | None = None) -> None:
        """Record one cycle; when this returns it survives the death of the process, if the disk has room.

        Args:
            audited: what the audit log holds already.
        """
        if cycle.samples is not self._received:
            self._put(cycle.samples)
        self._put(_Kept(cycle, audited))

    def _put(self, item: "_Kept | tuple[Sample, ...]") -> None:
        self._waiting.append(item)
        if len(self._waiting) > 2 * WAITING:
            self._waiting.popleft()
            self.lost += 1
        try:
            self._write()
        except OSError as error:
            waiting, why = len(self._waiting), error.strerror or error
            _log.warning("%s: %d records wait to be written: %s", self.directory, waiting, why)
            if self._segments is not None:
                self._segments.abandon()
                self._segments = None
        except (ArithmeticError, TypeError, ValueError) as error:
            # It never will be: what waits behind it must not be lost with it.
            self._waiting.popleft()
            self.lost += 1
            _log.warning(
                "%s: a record is lost, as it cannot be written: %s", self.directory, shown(str(error))
            )

    def _write(self) -> None:
        if self._segments is None:
            # What a failed write left in a segment ends it for its readers.
            self._segments = _Segments(self._path, self._plant)
        while self._waiting:
            self._segments.append(self._waiting[0])
            self._waiting.popleft()

    def close(self) -> None:
        """Merge what was recorded into the two Parquet files."""
        if self._closed:
            return
        self._write()
        assert self._segments is not None, "writing opens segments"
        self._segments.close()
        self._closed = True
        table = _decisions(self._path)
        if table.num_rows:
            with replacing(self._path) as temporary:
                pq.write_table(table, temporary, compression="zstd")
        # Should the process die before this, the segments are merged once more, which changes nothing.
        shutil.rmtree(parts_of(self._path))

    def __enter__(self) -> "Recorder":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()


class _Kept(NamedTuple):
    """A cycle to be kept, and the audit log before it."""

    cycle: Cycle
    audited: AuditHead | None


class _Segments:
    """One segment of samples and one of decisions, open for writing."""

    def __init__(self, path: Path, plant: PlantSpec) -> None:
        self._samples = LogWriter(path.with_name("samples.parquet"), plant)
        self._decisions = Segment(path, DECISION_SCHEMA)

    def append(self, item: _Kept | tuple[Sample, ...]) -> None:
        if not isinstance(item, _Kept):
            self._samples.append(item)
            return
        self._decisions.append(pa.RecordBatch.from_pylist([decision_row(*item)], DECISION_SCHEMA))

    def abandon(self) -> None:
        self._samples.abandon()
        self._decisions.abandon()

    def close(self) -> None:
        self._samples.close()
        self._decisions.close()


def read_decisions(directory: str | Path) -> pd.DataFrame:
    """One row a cycle, in order of time, from a finished run or one that goes on.

    Maps become lists of `(tag, value)`; see `DECISION_SCHEMA`. `LogError` where there is no recording.
    """
    path = Path(directory) / "decisions.parquet"
    if not path.exists() and not parts_of(path).is_dir():
        raise LogError(f"{directory}: no recording of a run; it would hold decisions.parquet")
    frame: pd.DataFrame = _decisions(path).to_pandas()
    return frame


def recorded_heads(directory: str | Path) -> list[AuditHead]:
    """What the audit log was, as the cycles of a recording tell; none where there is no recording."""
    path = Path(directory) / "decisions.parquet"
    if not path.exists() and not parts_of(path).is_dir():
        return []
    table = _decisions(path).select(["audit_lines", "audit_head"]).drop_null()
    pairs = zip(table["audit_lines"].to_pylist(), table["audit_head"].to_pylist(), strict=True)
    return sorted({AuditHead(lines, digest) for lines, digest in pairs})


def _decisions(path: Path) -> pa.Table:
    tables = [DECISION_SCHEMA.empty_table()]
    if path.exists():
        tables.append(_with_all_columns(pq.read_table(path)))
    if parts_of(path).is_dir():
        tables += [_with_all_columns(table) for table in segments(path)]
    table = pa.concat_tables(tables)
    # A clock that was set back gives two cycles one time; a merge that was repeated gives one cycle twice.
    keys = np.stack([table[name].cast(pa.int64()).to_numpy() for name in ("time", "tick")])
    _, first = np.unique(keys, axis=1, return_index=True)
    return table.take(first)


def _with_all_columns(table: pa.Table) -> pa.Table:
    """`table` with the columns of `DECISION_SCHEMA`; a recording of an earlier version has not got all."""
    for field in DECISION_SCHEMA:
        if field.name not in table.column_names:
            table = table.append_column(field, pa.nulls(len(table), field.type))
    return table.select(DECISION_SCHEMA.names).cast(DECISION_SCHEMA)
