"""What the studies say of their rows."""

from typing import Any

import numpy as np
import pytest

from procwm.comparison.closed_loop import ClosedLoopRun
from procwm.plant.tags import PlantSpec, Role, Tag
from procwm_studies.control import control
from procwm_studies.model import model

PLANT = PlantSpec(
    name="one loop",
    interval_s=10.0,
    tags=(
        Tag(name="level", role=Role.CV, range=(0.0, 10.0), setpoint=5.0, limits=(1.0, 9.0)),
        Tag(name="valve", role=Role.MV, range=(0.0, 100.0), move_weight=0.1),
    ),
)


def run(levels: list[float], guard: list[float]) -> ClosedLoopRun:
    intervals = len(levels) - 1
    return ClosedLoopRun(
        plant=PLANT,
        seed=0,
        time_ns=tuple(range(len(levels))),
        cv=np.array(levels)[:, None],
        mv=np.full((len(levels), 1), 50.0),
        guard=np.array(guard)[:, None],
        guard_names=("overflow",),
        state=np.zeros((len(levels), 1)),
        disturbance=np.zeros((len(levels), 1)),
        target=np.full((intervals, 1), 5.0),
        step_s=np.linspace(0.01, 0.02, intervals),
        held=0,
    )


def test_a_comparison_counts_limits_and_guardrails_and_stands_between_its_yardsticks() -> None:
    safe = [-1.0, -1.0, -1.0]
    pi, oracle = run([0.0, 5.0, 10.0], safe), run([0.0, 6.0, 7.0], safe)
    found = control.comparison(run([0.0, 6.0, 9.5], [1.0, -1.0, 2.0]), pi=pi, oracle=oracle)
    expected = 0.1**2 + 0.45**2 + 100.0 * 0.05**2
    assert found["cost"] == pytest.approx(expected)
    assert found["gap"] == pytest.approx((expected - 0.05) / 0.05)
    assert found["recovered"] == pytest.approx((1.25 - expected) / 1.2)
    assert found["guard_deepest"] == 2.0
    # The first instant is where control began: nothing there is the controller's doing.
    assert (found["violations"], found["limit_violations"], found["guard_violations"]) == (2, 1, 1)
    assert found["plan_ms_median"] == pytest.approx(15.0)
    assert found["plan_ms_p99"] == pytest.approx(19.9)


def row(controller: str, seed: int, cost: float, **more: Any) -> dict[str, Any]:
    found = control.comparison(still := run([5.0, 5.0, 6.0], [-1.0] * 3), pi=still, oracle=still)
    found |= {"scenario": "plant_a", "seed": seed, "controller": controller, "cost": cost}
    return found | {"train_s": 3.0, "log_hours": 20.0} | more


def test_the_control_report_has_mean_and_spread_offset_and_coverage() -> None:
    offset = {
        "after_setpoint_step": 0.001,
        "after_load_step": -0.03,
        "noise_sd": 0.02,
        "free": False,
    }
    guardrail = {"labels": 32, "coverage_target": 0.9, "coverage": 0.95, "caught": None, "moments": 10}
    rows = [
        row("procwm", 0, 1.0, offset={"level": offset}, guardrails={"overflow": guardrail}),
        row("procwm", 1, 3.0),
        row("pi", 0, 4.0),
    ]
    text = control.report(rows, "procwm bench control --out DIR")
    assert "`procwm bench control --out DIR`" in text
    assert "Seeds 0, 1" in text
    assert "| procwm | 2.0000 ± 1.4142 |" in text
    assert "| level | 0 | 0.0010 | -0.0300 | 0.0200 | no |" in text
    assert "| overflow | 0 | 32 | 0.90 | 0.950 | – |" in text


def test_the_model_report_has_a_line_for_every_model_and_a_column_for_every_lead() -> None:
    rows = [
        {
            "plant": "a",
            "hours": 20.0,
            "seed": 0,
            "model": kind,
            "horizon": lead,
            "nrmse": lead * factor,
            "train_s": train_s,
        }
        for kind, factor, train_s in (
            ("procwm", 0.01, 60.0),
            ("linear", 0.02, 0.0),
            ("persistence", 0.03, 0.0),
        )
        for lead in (1, 5, 20)
    ]
    rows[0]["phases"] = {"trial": 40.0, "final run": 15.5}
    text = model.report(rows, "procwm bench model --out DIR")
    assert "## a, 20.00 h of log" in text
    assert "| procwm | 0.010 | 0.050 | 0.200 | 60 | – |" in text
    assert "| persistence | 0.030 | 0.150 | 0.600 | – | – |" in text
    assert "| final run | 15.5 |\n| all of it | 60.0 |" in text
