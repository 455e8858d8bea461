"""The control study from a scenario to its files, on a short log and few intervals."""

import json
from functools import partial
from pathlib import Path

import pytest
from hand_clock import HandClock

from procwm.comparison import learned
from procwm.control.controller import Controller
from procwm.learning.config import TrainingConfig
from procwm.learning.train import train
from procwm_studies.control import control
from procwm_studies.control.offset import Offset

SHORT = TrainingConfig(history=16, horizon=20, latent=6, steps=20, check_every=10)


def test_every_controller_runs_the_same_plant_and_is_scored_in_both_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(learned, "train", partial(train, config=SHORT))
    monkeypatch.setattr(control, "INTERVALS", 12)
    monkeypatch.setattr(control, "Controller", partial(Controller, clock=HandClock()))
    monkeypatch.setattr(control, "HELD_OUT_HOURS", 1.0)
    monkeypatch.setattr(
        control, "offsets", lambda *_, **__: {"LT1.PV": Offset(setpoint=0.0, load=0.0, noise_sd=0.02)}
    )
    told: list[str] = []
    control.run_control(tmp_path, scenarios=["quadruple_tank"], seeds=[7], hours=3.0, progress=told.append)
    rows = json.loads((tmp_path / "control.json").read_text())
    by_name = {row["controller"]: row for row in rows}
    assert tuple(by_name) == control.ORDER
    oracle, pi = by_name["oracle_unguarded"], by_name["pi"]
    for row in rows:
        assert (row["scenario"], row["seed"]) == ("quadruple_tank", 7)
        assert (row["log_hours"], row["intervals"]) == (3.0, 12)
        assert row["gap"] == pytest.approx(row["cost"] / by_name["oracle_nmpc"]["cost"] - 1.0)
    assert oracle["cost"] < pi["cost"]
    assert by_name["procwm"]["cost"] < 2.0 * pi["cost"]
    assert set(by_name["procwm"]["guardrails"]) == {"upper_level_3", "upper_level_4"}
    assert set(by_name["procwm"]["offset"]) == {"LT1.PV"}
    text = (tmp_path / "control.md").read_text()
    assert "procwm bench control --out" in text
    assert all(f"| {name} |" in text for name in control.ORDER)
    assert any("learning" in line for line in told)
