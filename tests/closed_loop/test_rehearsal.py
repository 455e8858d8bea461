"""A controller on its own learned model: setpoints reached, weights compared, a warning off the data."""

import json
import os
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from linear_loop import model_of, plant_spec

import procwm
from procwm.cli import run
from procwm.cli.rehearsing import read_program
from procwm.comparison.learned_plant import LearnedPlant, error_growth
from procwm.comparison.rehearsal import Rehearsal, rehearse, reweighted
from procwm.errors import LogError, SpecError
from procwm.plant.scenario import TargetChange
from procwm.world.cloud import cloud_of
from procwm.world.model import WorldModel

INTERVALS = 30
PROGRAM = [TargetChange(tick=5, tag="L1", value=56.0)]


def noisy_model() -> WorldModel:
    """The exact model, which was as wrong on its log as its band says."""
    model = model_of(plant_spec(), guard_above=54.0)
    growth = np.sqrt(0.2**2 + 0.05**2 * np.arange(1, model.horizon + 1))
    latents = 0.2 * torch.randn((500, 2), generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    centre = torch.as_tensor(LearnedPlant(model, model.plant, seed=0).latent)
    return model.with_band(1.645 * np.stack([growth, growth], axis=1)).with_calibration(
        cloud=cloud_of(centre + latents)
    )


@pytest.fixture(scope="module")
def rehearsal() -> Rehearsal:
    return rehearse(
        noisy_model(), intervals=INTERVALS, program=PROGRAM, weights=[{"V1": 40.0, "V2": 40.0}], seed=1
    )


def test_the_controller_reaches_the_setpoints_of_its_own_model() -> None:
    found = rehearse(model_of(plant_spec()), intervals=INTERVALS, program=PROGRAM)
    (own,) = found.runs
    np.testing.assert_allclose(own.outputs[-1], [56.0, 50.0], atol=0.3)
    assert own.target[4:6, 0].tolist() == [50.0, 56.0]
    assert own.held == 0


def test_a_variant_that_weighs_moves_more_moves_less_on_the_same_noise(rehearsal: Rehearsal) -> None:
    own, slower = rehearsal.runs
    assert slower.name == "V1 40, V2 40"
    assert slower.costs[1] < own.costs[1]
    assert slower.costs[0] > own.costs[0]
    np.testing.assert_array_equal(own.outputs[0], slower.outputs[0])


def test_a_broken_guardrail_is_counted_and_its_page_does_not_say_kept() -> None:
    model = noisy_model()
    found = rehearse(model, intervals=12, program=[])
    (own,) = found.runs
    high = replace(own, guard=own.guard + 1.0)
    broken = replace(found, runs=(high,))
    assert high.violations[1] == 12
    assert "broke a limit or a guardrail 12 times" in procwm.rehearsal_page(broken)
    assert "kept every limit and guardrail" in procwm.rehearsal_page(found)


def test_a_rehearsal_that_leaves_the_data_is_warned_of(rehearsal: Rehearsal) -> None:
    near = replace(rehearsal.runs[0], outside=np.zeros(INTERVALS + 1, dtype=np.bool_))
    far = replace(rehearsal.runs[0], outside=np.ones(INTERVALS + 1, dtype=np.bool_))
    said = "where the log never was: what"
    assert said in procwm.rehearsal_page(replace(rehearsal, runs=(far,)))
    assert said not in procwm.rehearsal_page(replace(rehearsal, runs=(near,)))


def test_a_plant_is_outside_where_its_latent_state_is() -> None:
    model = noisy_model()
    plant = LearnedPlant(model, model.plant, seed=0)
    assert not plant.outside
    for _ in range(40):
        plant.advance({"V1": 90.0, "V2": 90.0})
    assert plant.outside


def test_the_errors_of_a_model_become_noise_and_a_wandering_load() -> None:
    noise, step = error_growth(noisy_model())
    np.testing.assert_allclose(noise, 0.2, rtol=1e-6)
    np.testing.assert_allclose(step, 0.05, rtol=1e-6)
    assert not np.any(error_growth(model_of(plant_spec())))


def test_gains_without_an_ensemble_are_tried_at_both_ends_of_their_bands() -> None:
    model = model_of(plant_spec())
    error = torch.zeros((model.horizon, 2, 2), dtype=torch.float64) + 0.02
    runs = rehearse(model.with_calibration(response_standard_error=error), intervals=10, program=[]).runs
    names = [run.name for run in runs]
    assert len(names) == 3
    assert names[1].startswith("with gains -")
    assert names[2].startswith("with gains +")


def test_only_what_has_a_weight_is_weighed() -> None:
    spec = reweighted(plant_spec(), {"L1": 3.0, "V1": 0.2})
    assert (spec.tag("L1").weight, spec.tag("V1").move_weight) == (3.0, 0.2)
    with pytest.raises(SpecError, match="F1: a DV has no weight"):
        reweighted(plant_spec(), {"F1": 1.0})


def test_a_programme_is_read_from_a_file_and_a_wrong_line_is_named(tmp_path: Path) -> None:
    path = tmp_path / "steps.csv"
    path.write_text("seconds,tag,value\n0,L1,50\n300,L1,56\n", encoding="utf-8")
    assert read_program(path, 10.0) == [
        TargetChange(tick=0, tag="L1", value=50.0),
        TargetChange(tick=30, tag="L1", value=56.0),
    ]
    path.write_text("seconds;tag;value\n300;L1;56,5\n", encoding="utf-8")
    assert read_program(path, 10.0) == [TargetChange(tick=30, tag="L1", value=56.5)], "written as logs are"
    path.write_text("time,tag,value\n", encoding="utf-8")
    with pytest.raises(LogError, match="setpoints need the columns seconds, tag, value; it has time, tag"):
        read_program(path, 10.0)


@pytest.mark.parametrize("line", ["soon,L1,50", "-10,L1,50", "inf,L1,50", "0,,50", "0,L1,", "0,L1,nan"])
def test_a_line_of_a_programme_that_is_no_change_is_named(tmp_path: Path, line: str) -> None:
    path = tmp_path / "steps.csv"
    path.write_text(f"seconds,tag,value\n0,L1,50\n{line}\n", encoding="utf-8")
    with pytest.raises(LogError, match="line 3"):
        read_program(path, 10.0)


def test_a_programme_that_is_no_text_or_no_file_is_refused_in_a_sentence(tmp_path: Path) -> None:
    path = tmp_path / "steps.csv"
    path.write_bytes(b"seconds,tag,value\n0,L1,\xff\n")
    with pytest.raises(LogError, match="UTF-8"):
        read_program(path, 10.0)
    os.mkfifo(tmp_path / "pipe.csv")
    with pytest.raises(LogError, match="a pipe"):
        read_program(tmp_path / "pipe.csv", 10.0)


def test_a_setpoint_beyond_the_instrument_is_refused_before_anything_runs() -> None:
    with pytest.raises(SpecError, match="outside the instrument's range"):
        rehearse(model_of(plant_spec()), program=[TargetChange(tick=0, tag="L1", value=500.0)])


def test_the_command_leaves_a_page_and_figures(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model_of(plant_spec()).save(tmp_path / "model")
    asked = ["rehearse", str(tmp_path / "model"), "--out", str(tmp_path / "out"), "--intervals", "10"]
    assert run([*asked, "--weights", "V1=2"]) == 0
    told = json.loads((tmp_path / "out" / "rehearsal.json").read_text(encoding="utf-8"))
    assert [row["run"] for row in told["runs"]] == ["as the model has it", "V1 2"]
    assert "The model was never judged." in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
    assert run([*asked, "--weights", "V1"]) == 2
    assert "write it as TAG=VALUE" in capsys.readouterr().err
