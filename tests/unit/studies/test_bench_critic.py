"""The study of terminal costs: on a linear plant the Riccati tail makes any horizon do."""

import json
from pathlib import Path

import numpy as np
import pytest

from procwm_studies import study
from procwm_studies.planner import critic
from procwm_studies.planner.problems import Case

SMALL = Case(mvs=1, cvs=1, horizon=30)


def test_with_the_cost_to_go_a_short_horizon_controls_as_well_as_a_long_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(critic, "_EPISODES", 2)
    step = critic.SetpointStep(SMALL)
    costs = {(tail, horizon): step.run(tail, horizon)["cost"] for tail in critic.TAILS for horizon in (4, 30)}
    assert costs["nothing", 30] == pytest.approx(costs["Riccati", 30], rel=1e-2)
    assert costs["fitted", 30] == pytest.approx(costs["Riccati", 30], rel=1e-2)
    assert abs(costs["Riccati", 4] - costs["Riccati", 30]) <= abs(costs["nothing", 4] - costs["nothing", 30])


def test_a_run_writes_a_row_for_every_tail_and_horizon(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(critic, "_CASES", (SMALL,))
    monkeypatch.setattr(critic, "_HORIZONS", (4, 6))
    monkeypatch.setattr(critic, "_CYCLES", 3)
    monkeypatch.setattr(critic, "_EPISODES", 2)
    path = study("critic")(tmp_path, seeds=[1])
    rows = json.loads(path.read_text())
    assert {(row["tail"], row["horizon"]) for row in rows} == {(t, h) for t in critic.TAILS for h in (4, 6)}
    assert all(np.isfinite(row["cost"]) and row["cost"] > 0.0 for row in rows)
    assert "| 1x1 2x64 | last row | 6 | +0.00% | +0.00% |" in path.with_suffix(".md").read_text()
