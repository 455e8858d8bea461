"""Moves that cost more where the log left their effect in doubt."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from linear_loop import HISTORY, Loop, loop, model_of, plant_spec

from procwm.control.caution import caution
from procwm.errors import SpecError
from procwm.plant.contract import ControlSettings
from procwm.plant.tags import PlantSpec


def spec(multiple: float) -> PlantSpec:
    return replace(plant_spec(), control=ControlSettings(caution=multiple))


def stepped(error: float, multiple: float = 1.0) -> Loop:
    """The loop after a setpoint step, its model's scaled responses known to `error`."""
    model = model_of(plant_spec())
    known_to = torch.full((model.horizon, 2, 2), error, dtype=torch.float64)
    model = model.with_calibration(response_standard_error=known_to)
    return loop(spec(multiple), model=model).run(HISTORY + 30, setpoints={"L1": 55.0})


def largest_move(run: Loop) -> float:
    return float(np.abs(np.diff(run.moves[:, 0])).max())


def test_the_price_is_the_variance_of_the_responses_each_in_the_units_of_its_cost() -> None:
    error = np.zeros((8, 1, 2))
    error[0, 0, 0], error[0, 0, 1] = 0.5, 3.0
    # One row of eight, and feedback makes good for an error within two intervals.
    price = caution(error, np.array([2.0, 0.0]), np.array([10.0, 1.0]), np.array([4.0]))
    assert price == pytest.approx([np.exp(-2.0 / 2.0) * 0.25 * 2.0 / 100.0 * 16.0])


def test_what_is_wrong_far_ahead_costs_less_than_what_is_wrong_soon_as_feedback_sees_it_come() -> None:
    def price(*rows: int) -> float:
        error = np.zeros((40, 1, 1))
        error[list(rows)] = 1.0
        return float(caution(error, np.ones(1), np.ones(1), np.ones(1))[0])

    assert price(0) / price(30) == pytest.approx(np.exp(2.0 * 30 / 10))
    left = np.exp(-2.0 * np.arange(1, 41) / 10)
    assert price(*range(40)) == pytest.approx(left.sum() + 5.0 * left[-1]), (
        "the last row stands for five more"
    )


def test_doubt_makes_moves_smaller_and_the_setpoint_is_reached_all_the_same() -> None:
    sure, doubtful = stepped(0.0), stepped(1.0)
    assert largest_move(doubtful) < 0.5 * largest_move(sure)
    assert doubtful.levels[-1, 0] == pytest.approx(55.0, abs=0.5)


def test_without_caution_a_move_costs_what_the_plant_file_says() -> None:
    np.testing.assert_array_equal(stepped(0.5, multiple=0.0).moves, stepped(0.0).moves)


@pytest.mark.parametrize("multiple", [-1.0, float("nan"), float("inf")])
def test_a_caution_that_is_no_multiple_is_refused(multiple: float) -> None:
    with pytest.raises(SpecError, match="caution"):
        ControlSettings(caution=multiple)
