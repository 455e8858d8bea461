"""A scenario from outside, the one that `docs/extending.md` shows: found by name, simulated, learned, run."""

import re
from pathlib import Path

import pytest
from hand_clock import HandClock

import procwm
from procwm.cli import run
from procwm.comparison.closed_loop import closed_loop
from procwm.control.controller import Controller
from procwm.learning.config import TrainingConfig
from procwm.learning.train import train

PAGE = Path(__file__).parents[2] / "docs" / "extending.md"


@pytest.fixture
def installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Name of the scenario, as the package that brings it has registered it."""
    section = PAGE.read_text(encoding="utf-8").split("\n## A scenario\n")[1].split("\n## ")[0]
    code = re.findall(r"```python\n(.*?)```", section, flags=re.DOTALL)[0]
    about = tmp_path / "site" / "outside_plants-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: outside_plants\nVersion: 1.0\n", "utf-8")
    (about / "entry_points.txt").write_text(
        "[procwm.scenarios]\nheated_tank = outside_plants:scenario\n", encoding="utf-8"
    )
    (about.parent / "outside_plants.py").write_text(f"import procwm\n{code}", encoding="utf-8")
    monkeypatch.syspath_prepend(str(about.parent))
    return "heated_tank"


def test_a_scenario_from_outside_is_simulated_learned_from_and_controlled(
    installed: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["scenarios"]) == 0
    assert installed in capsys.readouterr().out
    log = tmp_path / "log.parquet"
    assert run(["simulate", installed, "--hours", "10", "--out", str(log)]) == 0
    scenario = procwm.scenario(installed)
    plant = scenario.plant
    quick = TrainingConfig(steps=4, check_every=2, members=0)
    model = train(plant, procwm.read_log(log, plant), config=quick)
    controller = Controller(plant, model, clock=HandClock())
    done = closed_loop(scenario, lambda _: controller, seed=0, intervals=10, warm_up=model.rule.history)
    assert done.held == 0
    assert len(done.step_s) == 10
