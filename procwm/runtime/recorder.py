"""Every cycle of a run, append-only: samples as a log to train on, decisions with plans and timing.

    DIR/samples.parquet      a long log, read by `read_log`
    DIR/decisions.parquet    one row a cycle, read by `read_decisions`

While a run goes on, rows are in segments beside the files (`NAME.parquet.parts`), from which both readers
take them too: what `append` has returned for survives the death of the process. `close` merges them.
"""

import re
import shutil
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.ipc as ipc
import pyarrow.parquet as pq
from jaxtyping import Float

from procwm.data.files import replacing
from procwm.data.writer import LogWriter, parts_of
from procwm.errors import LogError
from procwm.planning.problem import Plan
from procwm.plant.tags import PlantSpec
from procwm.runtime.loop import Cycle

_BY_TAG = pa.map_(pa.string(), pa.float64())
_ROWS = pa.list_(pa.list_(pa.float64()))

DECISION_SCHEMA = pa.schema(
    [
        ("time", pa.timestamp("ns", tz="UTC")),
        ("tick", pa.int64()),
        ("mode", pa.string()),
        ("requested", pa.string()),
        ("rung", pa.string()),
        ("reason", pa.string()),
        ("notes", pa.list_(pa.string())),
        ("fault", pa.string()),
        ("setpoints", _BY_TAG),
        ("proposed", _BY_TAG),
        ("accepted", _BY_TAG),
        ("target", _BY_TAG),
        ("measured", _BY_TAG),
        ("step_s", pa.float64()),
        ("plan_status", pa.string()),
        ("plan_cost", pa.float64()),
        ("plan_solve_s", pa.float64()),
        ("plan_mv", _ROWS),
        ("plan_cv", _ROWS),
        ("plan_guard", _ROWS),
        ("bias", _ROWS),
    ]
)
"""Columns of `decisions.parquet`; maps go from tag to engineering units, lists over a horizon."""

_SEGMENT = re.compile(r"^(\d{6})\.arrows$")


class Recorder:
    """Keeps the cycles of a run in a directory; a `CycleSink`. Opened again, it goes on."""

    def __init__(self, directory: str | Path, plant: PlantSpec) -> None:
        """Args: directory: made where it is missing. plant: whose tags are recorded."""
        self.directory = Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self._samples = LogWriter(self.directory / "samples.parquet", plant)
        self._path = self.directory / "decisions.parquet"
        parts = parts_of(self._path)
        parts.mkdir(parents=True, exist_ok=True)
        taken = [int(match[1]) for part in parts.iterdir() if (match := _SEGMENT.match(part.name))]
        self._file: IO[bytes] = (parts / f"{max(taken, default=-1) + 1:06d}.arrows").open("xb")
        self._stream = ipc.new_stream(self._file, DECISION_SCHEMA)

    def append(self, cycle: Cycle) -> None:
        """Record one cycle; when this returns it survives the death of the process."""
        self._samples.append(cycle.samples)
        self._stream.write_batch(pa.RecordBatch.from_pylist([_row(cycle)], DECISION_SCHEMA))
        self._file.flush()

    def close(self) -> None:
        """Merge what was recorded into the two Parquet files."""
        if self._file.closed:
            return
        self._samples.close()
        self._stream.close()
        self._file.close()
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


def read_decisions(directory: str | Path) -> pd.DataFrame:
    """One row a cycle, in order of time, from a finished run or one that goes on.

    Maps become lists of `(tag, value)`; see `DECISION_SCHEMA`.

    Raises:
        LogError: there is no recording.
    """
    path = Path(directory) / "decisions.parquet"
    if not path.exists() and not parts_of(path).is_dir():
        raise LogError(f"{directory}: no recording of a run; it would hold decisions.parquet")
    frame: pd.DataFrame = _decisions(path).to_pandas()
    return frame


def _decisions(path: Path) -> pa.Table:
    tables = [DECISION_SCHEMA.empty_table()]
    if path.exists():
        tables.append(pq.read_table(path).cast(DECISION_SCHEMA))
    if parts_of(path).is_dir():
        tables += [_segment(part) for part in sorted(parts_of(path).iterdir()) if _SEGMENT.match(part.name)]
    table = pa.concat_tables(tables)
    _, first = np.unique(table["time"].cast(pa.int64()).to_numpy(), return_index=True)
    return table.take(first)


def _segment(path: Path) -> pa.Table:
    """The whole rows of a segment; a process that died while writing may have left part of one."""
    batches = []
    with path.open("rb") as file:
        try:
            for batch in ipc.open_stream(file):
                batches.append(batch)  # noqa: PERF402 - what came before a torn row is kept
        except (pa.ArrowInvalid, OSError):
            pass
    return pa.Table.from_batches(batches, DECISION_SCHEMA)


def _row(cycle: Cycle) -> dict[str, Any]:
    decision = cycle.decision
    return {
        "time": cycle.time_ns,
        "tick": cycle.tick,
        "mode": str(decision.mode),
        "requested": str(decision.requested),
        "rung": decision.rung,
        "reason": decision.reason,
        "notes": list(decision.notes),
        "fault": cycle.fault,
        "setpoints": _pairs(decision.setpoints),
        "proposed": _pairs(decision.proposed),
        "accepted": _pairs(cycle.accepted),
        "target": _pairs(decision.target),
        "measured": _pairs(decision.measured),
        "step_s": decision.step_s,
        "bias": _rows(decision.bias),
        **_plan(decision.plan),
    }


def _plan(plan: Plan | None) -> dict[str, Any]:
    if plan is None:
        return {}
    return {
        "plan_status": str(plan.status),
        "plan_cost": plan.cost,
        "plan_solve_s": plan.solve_s,
        "plan_mv": _rows(plan.mv),
        "plan_cv": _rows(plan.cv),
        "plan_guard": _rows(plan.guard),
    }


def _pairs(values: Mapping[str, float] | None) -> list[tuple[str, float]] | None:
    return None if values is None else list(values.items())


def _rows(array: Float[np.ndarray, "row column"] | None) -> list[list[float]] | None:
    return None if array is None else array.tolist()
