"""Effects that a model's log does not show: their MV is held, or used hardly at all."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from linear_loop import HISTORY, Loop, loop, model_of, plant_spec

from procwm.learning.evaluation.effect_objections import effect_objections
from procwm.plant.request import Request
from procwm.plant.tags import PlantSpec
from procwm.world.contradictions import contradictions
from procwm.world.effects import planning_error, shown_effects, unknown_mvs
from procwm.world.fitness import Fitness
from procwm.world.linear import LinearDynamics
from procwm.world.model import WorldModel
from procwm.world.step_responses import step_responses


def model(error: list[list[float]]) -> WorldModel:
    """The exact model, whose step responses of 1 have these standard errors, by MV and output."""
    found = model_of(plant_spec())
    reference = LinearDynamics(features=1, latent=2, mv=2, dv=1, outputs=2)
    reference.requires_grad_(False)
    for part in (reference.step.weight, reference.readout.weight):
        part.zero_()
    reference.readout.weight += torch.eye(2)
    # Each state follows both MVs, at once and for good.
    reference.step.weight[:, :2] = -torch.eye(2)
    reference.step.weight[:, 2:4] = 1.0
    found.reference = reference.double()
    found.response_standard_error = torch.tensor(error, dtype=torch.float64).expand(found.horizon, 2, 2)
    return found


def test_an_effect_is_shown_where_its_interval_leaves_out_zero() -> None:
    np.testing.assert_array_equal(shown_effects(model([[0.1, 0.4], [0.6, 1.0]])), [[1, 1], [0, 0]])
    assert shown_effects(model_of(plant_spec())).all(), "nothing is known of the errors"


def test_an_mv_without_a_known_effect_is_held_whatever_the_model_makes_of_it() -> None:
    unsure = model([[0.1, 0.1], [1.0, 1.0]])
    assert unknown_mvs(unsure, unsure.plant) == ("V2",)
    run: Loop = loop(model=unsure).run(HISTORY + 10, setpoints={"L1": 55.0, "L2": 55.0})
    assert run.decisions is not None
    assert np.ptp(run.moves[:, 1]) == 0.0
    assert np.ptp(run.moves[:, 0]) > 1.0
    assert run.decisions[-1].held == {"V2": "its effect on the CVs is not known"}


def test_without_any_known_effect_every_mv_is_held_and_the_model_is_not_fit() -> None:
    blind = model([[1.0, 1.0], [1.0, 1.0]])
    run = loop(model=blind).run(HISTORY + 10, setpoints={"L1": 55.0})
    assert np.ptp(run.moves) == 0.0
    (against,) = effect_objections(blind)
    assert against.fitness is Fitness.NOTHING
    assert "no MV moves any CV within the horizon of 10 intervals of 10 s" in against.reason
    (one,) = effect_objections(model([[0.1, 0.1], [1.0, 1.0]]))
    assert one.fitness is Fitness.ADVICE
    assert one.reason.startswith("V2 moves no CV within the horizon")


def test_planning_reckons_with_a_larger_error_where_an_effect_is_not_shown() -> None:
    unsure = model([[0.1, 0.6], [0.1, 0.1]])
    ratio = planning_error(unsure, unsure.plant) / unsure.response_error
    assert ratio[:, 0, 1] == pytest.approx(2.0)
    assert ratio[:, 0, 0] == pytest.approx(1.0)
    assert ratio[:, 1] == pytest.approx(1.0)


def without_effect(*outputs: str) -> PlantSpec:
    """The plant, of which it is known that its second MV does not move `outputs`."""
    plant = plant_spec()
    tags = (replace(tag, no_effect=outputs) if tag.name == "V2" else tag for tag in plant.tags)
    return replace(plant, tags=tuple(tags))


def test_an_mv_is_held_where_the_only_effect_that_its_log_shows_is_none_by_the_plant_file() -> None:
    unsure, told = model([[0.1, 0.1], [0.1, 1.0]]), without_effect("L1")
    assert unknown_mvs(unsure, plant_spec()) == ()
    assert unknown_mvs(unsure, told) == ("V2",)
    run = loop(told, model=unsure).run(HISTORY + 10, setpoints={"L1": 55.0, "L2": 55.0})
    assert np.ptp(run.moves[:, 1]) == 0.0
    assert np.ptp(run.moves[:, 0]) > 1.0


def test_planning_reckons_with_an_error_of_several_times_an_effect_that_is_none_by_the_plant_file() -> None:
    sure, told = model([[0.1, 0.1], [0.1, 0.1]]), without_effect("L1")
    error, claimed = planning_error(sure, told), sure.per_unit(step_responses(sure))
    np.testing.assert_allclose(error[:, 1, 0], 20.0 * np.abs(claimed[:, 1, 0]))
    assert claimed[0, 1, 0] == pytest.approx(0.02), "of V2 on L1 in the first interval"
    error[:, 1, 0] = sure.response_error[:, 1, 0]
    np.testing.assert_allclose(error, sure.response_error)


def largest_move_of_v2(told: PlantSpec) -> float:
    """The first level is to rise a little, and the second valve alone may move it."""
    run = loop(told, model=model([[0.01, 0.01], [0.01, 0.01]]))
    started = run.controller.start({"V1": 50.0, "V2": 50.0})
    run.state = run.controller.checked(started, Request(on={"V1": False, "L2": False}))
    run.run(HISTORY + 10, setpoints={"L1": 51.0})
    return float(np.abs(np.diff(run.moves[:, 1])).max())


def test_moves_on_account_of_an_effect_that_is_none_by_the_plant_file_are_small() -> None:
    assert largest_move_of_v2(plant_spec()) > 3.0
    assert largest_move_of_v2(without_effect("L1")) < 0.3 * largest_move_of_v2(plant_spec())


def test_an_effect_that_is_none_by_the_plant_file_speaks_against_a_model_where_its_log_shows_it() -> None:
    told = without_effect("L1")
    assert contradictions(model([[0.1, 0.1], [1.0, 0.1]]), told) == ()
    (found,) = contradictions(model([[0.1, 0.1], [0.1, 0.1]]), told)
    assert found.sentence.startswith(
        "by the plant file's no_effect V2 does not move L1; in the model it does"
    )
