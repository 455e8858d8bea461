"""A recorded run taken again, cycle by cycle: the same inputs give the same decisions to the last bit."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from procwm.control.decision import Decision
from procwm.control.state import ControllerState
from procwm.control.steerable import SteerableController
from procwm.errors import LogError
from procwm.runtime.decision_rows import inputs_from_bytes
from procwm.runtime.steering import stepped_once

_COMPARED = ("setpoints", "proposed", "mode", "requested", "rung", "plan_mv", "plan_cv", "plan_guard")


@dataclass(frozen=True, kw_only=True)
class Retaken:
    """One cycle taken again.

    Attributes:
        time_ns: of the tick.
        differs: what came out otherwise, by name; empty where the decision is the same to the last bit.
        note: of the recorded cycle, where wall time had a part in it and the planner may now do better.
    """

    time_ns: int
    differs: tuple[str, ...]
    note: str = ""


def verify(directory: str | Path, controller: SteerableController) -> Iterator[Retaken]:
    """Every recorded step of a finished run, taken again by `controller`.

    A decision depends on wall time where the planner's deadline ended its search; such a cycle can differ,
    and so can those after it until the next kept state. Its note says so.

    Args:
        directory: that a `Recorder` wrote and closed.
        controller: of the same model and plant file, hashes compared; its mode does not matter. After a run
            that was in auto despite the verdict it is one that may be, too.

    Raises:
        LogError: there is no finished recording, or it holds no inputs.
        ArtifactError: the run was made with another model or plant file.
    """
    path = Path(directory) / "decisions.parquet"
    if not path.exists():
        raise LogError(f"{directory}: no finished recording of a run; it would hold decisions.parquet")
    state: ControllerState | None = None
    for row in pq.read_table(path).to_pylist(maps_as_pydicts="strict"):
        if row["inputs"] is None:
            continue
        if row["state"] is not None:
            state = controller.restore(row["state"])
        if state is None:
            raise LogError(f"{directory}: the recording does not begin with a state")
        time_ns = int(row["time"].value)
        decision, state = stepped_once(controller, state, inputs_from_bytes(row["inputs"]), time_ns)
        yield Retaken(time_ns=time_ns, differs=tuple(_differences(row, decision)), note=_note(row))


def _differences(row: Mapping[str, Any], decision: Decision) -> Iterator[str]:
    plan = decision.plan
    found = {
        "setpoints": decision.setpoints,
        "proposed": decision.proposed,
        "mode": str(decision.mode),
        "requested": str(decision.requested),
        "rung": decision.rung,
        "plan_mv": None if plan is None else plan.mv,
        "plan_cv": None if plan is None else plan.cv,
        "plan_guard": None if plan is None else plan.guard,
    }
    for name in _COMPARED:
        if not _same(row[name], found[name]):
            yield f"{name} was {row[name]}, is {found[name]}"


def _same(recorded: Any, found: Any) -> bool:
    if recorded is None or found is None or isinstance(recorded, str):
        return bool(recorded == found) if not (recorded is None and found is None) else True
    if isinstance(found, np.ndarray):
        return np.array_equal(np.array(recorded, dtype=float).reshape(found.shape), found, equal_nan=True)
    return dict(recorded) == dict(found)


def _note(row: Mapping[str, Any]) -> str:
    late = "deadline" in row["reason"]
    return "the planner's deadline had a part in it" if late else ""
