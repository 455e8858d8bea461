"""What the verdict on a model lets the commands do."""

import json
from pathlib import Path

import numpy as np
import pytest

from procwm.cli import run
from procwm.plant.plantfile.specfile import dump_plant
from procwm.plant.registry import scenario
from procwm.testing import exact_model
from procwm.world.fitness import VERDICT
from procwm.world.storage.model_files import load_model


@pytest.fixture
def made(tmp_path: Path) -> Path:
    """A folder with a plant file, and a model of that plant that learned from nothing."""
    plant = scenario("quadruple_tank").plant
    (tmp_path / "plant.toml").write_text(dump_plant(plant), encoding="utf-8")
    exact_model(plant, state_matrix=0.9 * np.eye(2), input_matrix=0.4 * np.eye(2)).save(tmp_path / "model")
    return tmp_path


def with_metrics(folder: Path, **metrics: object) -> str:
    model = load_model(folder / "model")
    model.metrics |= metrics
    model.save(folder / "model")
    return str(folder / "model")


def verdict(called: str) -> dict[str, str]:
    return {"verdict": called, "reason": "steam has the wrong sign", "next": "see which tag it is"}


def started(folder: Path, model: str, *options: str) -> int:
    """The exit code of a run that has no server to reach: 1 where it got as far as that."""
    return run(["run", str(folder / "plant.toml"), model, "--mode", "auto", *options])


@pytest.mark.parametrize(
    ("metrics", "said"),
    [
        (
            {VERDICT: verdict("not fit")},
            "model is not fit: steam has the wrong sign; see which tag it is",
        ),
        ({"steps": 100}, "nobody has judged the model: `procwm evaluate`"),
    ],
    ids=["not fit", "never judged"],
)
def test_auto_is_refused_to_a_model_that_is_not_fit_and_one_flag_allows_it(
    made: Path, capsys: pytest.CaptureFixture[str], metrics: dict[str, object], said: str
) -> None:
    model = with_metrics(made, **metrics)
    assert started(made, model) == 2
    told = capsys.readouterr().err
    assert said in told
    assert "--mode auto is refused" in told
    assert "--despite-verdict" in told
    assert started(made, model, "--despite-verdict") == 1
    assert "auto, despite its verdict: " in capsys.readouterr().err


def test_what_is_fit_for_advice_starts_in_advisory(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = with_metrics(made, **{VERDICT: verdict("fit for advice")})
    assert started(made, model) == 1
    assert "advisory; the model is fit for advice: steam has the wrong sign" in capsys.readouterr().err


def test_what_is_fit_for_control_starts_in_auto(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = with_metrics(made, **{VERDICT: verdict("fit for control")})
    assert started(made, model) == 1
    told = capsys.readouterr().err
    assert "verdict" not in told
    assert "advisory" not in told


def test_evaluate_keeps_its_verdict_and_fails_where_the_model_is_not_fit(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    log, plant = str(made / "log.parquet"), scenario("quadruple_tank").plant
    exact_model(plant, state_matrix=0.9 * np.eye(2), input_matrix=-0.4 * np.eye(2)).save(made / "model")
    assert run(["simulate", "quadruple_tank", "--hours", "3", "--out", log]) == 0
    capsys.readouterr()
    assert run(["evaluate", str(made / "model"), log, "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "not fit"
    assert found["next"]
    kept = load_model(made / "model").metrics[VERDICT]
    assert kept == {key: found[key] for key in ("verdict", "reason", "next")}
    assert started(made, str(made / "model")) == 2
