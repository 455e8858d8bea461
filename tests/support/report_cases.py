"""A made-up closed-loop run, small enough to reason about."""

from typing import Any

import numpy as np

from procwm.plant.tags import PlantSpec, Role, Tag
from procwm.report import ControlReport, Event, PlanTrace, Trajectory

START_NS = 1_767_571_200_000_000_000
INTERVAL_NS = 10_000_000_000
ROWS, HORIZON = 61, 8

PLANT = PlantSpec(
    name="two </script> levels",
    interval_s=10.0,
    tags=(
        Tag(name="LT1.PV", role=Role.CV, unit="cm", range=(0.0, 20.0), setpoint=12.0, limits=(1.0, 19.0)),
        Tag(name="LT2.PV", role=Role.CV, unit="mm", range=(0.0, 200.0), zone=(90.0, 130.0)),
        Tag(name="P1.SP", role=Role.MV, unit="V", range=(0.0, 10.0), limits=(1.0, 6.0), max_move=0.5),
    ),
)


def _row(cost: float, gap: float, recovered: float, violations: int) -> dict[str, float]:
    speed = {"plan_ms_median": 31.2, "plan_ms_p99": 63.0}
    return {"cost": cost, "gap": gap, "recovered": recovered, "violations": violations, **speed}


SUMMARY: dict[str, Any] = {
    "scenario": "two_levels",
    "seed": 3,
    "interval_s": 10.0,
    "intervals": ROWS - 1,
    "log_hours": 20.0,
    "train_s": 74.0,
    "controllers": {
        "procwm": _row(1.05, 0.043, 0.97, 0),
        "pi": _row(4.05, 3.0, 0.0, 12),
        "oracle_nmpc": _row(1.01, 0.0, 1.0, 0),
    },
    "model": {
        "nrmse": {"1": 0.01, "5": 0.02, "20": 0.04},
        "persistence": {"1": 0.05, "5": 0.2, "20": 0.7},
        "linear": {"1": 0.012, "5": 0.03, "20": 0.09},
    },
    "guardrails": {"overflow": {"labels": 32, "coverage_target": 0.9, "coverage": 0.94, "violations": 0}},
}


def control_report() -> ControlReport:
    """One run of procwm beside PI and the oracle."""
    rng = np.random.default_rng(0)
    time_ns = START_NS + INTERVAL_NS * np.arange(ROWS)

    def trajectory(name: str, offset: float) -> Trajectory:
        outputs = np.stack([12.0 + offset + 0.1 * np.sin(np.arange(ROWS)), np.full(ROWS, 110.0)], axis=1)
        return Trajectory(
            name=name,
            time_ns=time_ns,
            outputs=outputs,
            mv=np.full((ROWS, 1), 3.0 + offset),
            guard=outputs[:, :1] - 13.0,
        )

    own = trajectory("procwm", 0.0)
    measured = own.outputs + rng.normal(0, 0.05, own.outputs.shape) * [1.0, 0.0]
    measured[7, 0] = np.nan
    plans = [
        PlanTrace(
            time_ns=int(now),
            mv=np.full((HORIZON, 1), 3.0),
            cv=np.tile(own.outputs[row] + 0.25, (HORIZON, 1)),
            guard=np.full((HORIZON, 1), -0.5),
            status="optimal",
        )
        for row, now in enumerate(time_ns[:-1])
    ]
    return ControlReport(
        plant=PLANT,
        summary=SUMMARY,
        trajectories=[own, trajectory("pi", 0.5), trajectory("oracle_nmpc", -0.1)],
        measured=measured,
        target=np.column_stack([np.full(ROWS, 12.0), np.full(ROWS, np.nan)]),
        guard_names=("overflow",),
        plan_guard_names=("overflow",),
        plans=plans,
        events=[Event(time_ns=int(time_ns[30]), text="load step")],
        how=["The log was made up."],
    )
