"""A cycle as a row of `decisions.parquet`."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pyarrow as pa
from jaxtyping import Float

from procwm.control.codec import decode, encode
from procwm.control.health import Permits
from procwm.planning.problem import Plan
from procwm.plant.request import Request
from procwm.runtime.audit import AuditHead
from procwm.runtime.cycle import Cycle, Inputs

_BY_TAG = pa.map_(pa.string(), pa.float64())
_ROWS = pa.list_(pa.list_(pa.float64()))

DECISION_SCHEMA = pa.schema(
    [
        ("time", pa.timestamp("ns", tz="UTC")),
        ("tick", pa.int64()),
        ("mode", pa.string()),
        ("requested", pa.string()),
        ("mode_reason", pa.string()),
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
        ("surprise", pa.float64()),
        ("sensed", _BY_TAG),
        ("held", pa.map_(pa.string(), pa.string())),
        ("events", pa.list_(pa.string())),
        ("audit_lines", pa.int64()),
        ("audit_head", pa.string()),
        ("inputs", pa.binary()),
        ("state", pa.binary()),
    ]
)
"""Columns of `decisions.parquet`; maps go from tag to engineering units, lists over a horizon.

`audit_lines` and `audit_head` are the count of lines and the hash of the last one that the audit log had on
disk before the cycle. `inputs` and `state` are what `procwm.runtime.verify` takes a cycle again from.
"""


def decision_row(cycle: Cycle, audited: AuditHead | None) -> dict[str, Any]:
    """One row of `DECISION_SCHEMA`.

    Args:
        audited: what the audit log held before the cycle.
    """
    decision = cycle.decision
    return {
        "time": cycle.time_ns,
        "tick": cycle.tick,
        "mode": str(decision.mode),
        "requested": str(decision.requested),
        "mode_reason": decision.mode_reason,
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
        "surprise": decision.surprise,
        "sensed": _pairs(decision.sensed),
        "held": list(decision.held.items()),
        "events": list(cycle.events),
        "audit_lines": None if audited is None else audited.lines,
        "audit_head": None if audited is None else audited.digest,
        "inputs": None if cycle.inputs is None else inputs_to_bytes(cycle.inputs),
        "state": None if cycle.inputs is None else cycle.inputs.state,
        **_plan(decision.plan),
    }


def inputs_to_bytes(inputs: Inputs) -> bytes:
    """`inputs` without their state, to be read by `inputs_from_bytes`."""
    return encode(
        {
            "samples": inputs.samples,
            "setpoints": inputs.setpoints,
            "requests": tuple(vars(request) for request in inputs.requests),
            "permits": vars(inputs.permits),
            "forecast": inputs.forecast,
            "in_force": inputs.in_force,
        }
    )


def inputs_from_bytes(data: bytes) -> Inputs:
    """The inputs that `inputs_to_bytes` wrote."""
    plain = decode(data)
    return Inputs(
        samples=plain["samples"],
        setpoints=plain["setpoints"],
        requests=tuple(Request(**request) for request in plain["requests"]),
        permits=Permits(**plain["permits"]),
        forecast=plain.get("forecast", {}),
        in_force=plain.get("in_force"),
    )


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
