"""The sampling benchmark: its rows, and the two basins that it is about."""

import json
from pathlib import Path

import numpy as np
import pytest

from procwm.planning.planner import MpcPlanner
from procwm.planning.sampling import SamplingConfig
from procwm_studies import study
from procwm_studies.planner import search
from procwm_studies.planner.basins import bad_starts, in_the_better_basin, two_basins
from procwm_studies.planner.problems import Case

SMALL = Case(mvs=1, cvs=2, horizon=4, hidden=(8, 8))


def test_a_run_writes_rates_shares_and_costs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (
        ("_CASES", (SMALL,)),
        ("_WIDE", SMALL),
        ("_STARTS", 2),
        ("_COLD", 2),
        ("_REPEATS", 1),
    ):
        monkeypatch.setattr(search, name, value)
    monkeypatch.setattr(search, "_CANDIDATES", 32)
    path = study("search")(tmp_path, seeds=[3])
    rows = json.loads(path.read_text())
    assert {row["part"] for row in rows} == {"rollouts", "basins", "searches"}
    assert all(row["rate"] > 0.0 for row in rows if row["part"] == "rollouts")
    assert all(row["alone"] >= 0.0 for row in rows if row["part"] == "searches")
    text = path.with_suffix(".md").read_text()
    assert "procwm bench search --out DIR --seed 3" in text
    assert "| gradient alone | 0.00 |" in text


def test_from_bad_starts_the_gradient_fails_and_the_planner_does_not() -> None:
    model = two_basins()
    alone, whole = MpcPlanner(model, sampling=SamplingConfig(rounds=0)), MpcPlanner(model)
    for problem in bad_starts(model, 5, np.random.default_rng(0)):
        stuck = alone.plan(problem, warm_start=None, deadline_s=60.0)
        free = whole.plan(problem, warm_start=None, deadline_s=60.0)
        assert not in_the_better_basin(stuck.mv)
        assert in_the_better_basin(free.mv)
        assert free.cost < 0.7 * stuck.cost
