"""What is known ahead: references by hand, and plans against the least-squares answer."""

from dataclasses import replace

import numpy as np
import pytest

from procwm.control.forecast import checked_forecast, reference
from procwm.errors import SpecError
from procwm.planning.objective import row_weights
from procwm.planning.planner import MpcPlanner
from procwm.planning.problem import PlanStatus
from procwm.plant.tags import PlantSpec, Role, Tag
from procwm.testing import control_problem, exact_model

LEVEL = Tag(name="Y", role=Role.CV, range=(0.0, 10.0), setpoint=5.0)
PLANT = PlantSpec(
    name="tank",
    interval_s=10.0,
    tags=(
        LEVEL,
        Tag(name="U", role=Role.MV, range=(-50.0, 50.0), move_weight=2.0),
        Tag(name="D", role=Role.DV, range=(0.0, 10.0)),
    ),
)
A, B, E = 0.8, 0.4, -0.3
HORIZON = 12


def least_squares(y: float, last: float, dv: np.ndarray, target: np.ndarray) -> np.ndarray:
    """MVs that minimise the weighted squares of errors and moves; every row may move."""
    rows = np.arange(HORIZON)
    power = A ** np.clip(rows[:, None] - rows, 0, None) * (rows[:, None] >= rows)
    free = A ** (rows + 1) * y + power @ (E * dv)
    error = np.sqrt(row_weights(HORIZON) * LEVEL.weight) / 10.0
    moves = np.eye(HORIZON) - np.eye(HORIZON, k=-1)
    price = np.sqrt(2.0) / 100.0
    matrix = np.vstack((error[:, None] * B * power, price * moves))
    wanted = np.concatenate((error * (target - free), price * last * moves[:, 0].clip(0.0)))
    return np.linalg.lstsq(matrix, wanted)[0]


def test_known_disturbances_and_setpoints_to_come_are_planned_for_as_least_squares_does() -> None:
    model = exact_model(
        PLANT,
        state_matrix=np.array([[A]]),
        input_matrix=np.array([[B]]),
        disturbance_matrix=np.array([[E]]),
        horizon=HORIZON,
    )
    dv = np.where(np.arange(HORIZON) < 4, 2.0, 6.0)
    target = np.linspace(4.0, 7.0, HORIZON)
    problem = control_problem(
        model,
        latent=model.scaler.scale(np.array([3.0]), ("Y",)),
        last_mv=np.array([1.0]),
        dv=dv[:, None],
        target=target[:, None],
    )
    plan = MpcPlanner(model, blocks=(1,) * HORIZON).plan(problem, warm_start=None, deadline_s=60.0)
    assert plan.status is PlanStatus.OPTIMAL
    assert plan.mv[:, 0] == pytest.approx(least_squares(3.0, 1.0, dv, target), abs=1e-3)
    held = MpcPlanner(model, blocks=(1,) * HORIZON).plan(
        replace(problem, dv=np.full((HORIZON, 1), 2.0)), warm_start=None, deadline_s=60.0
    )
    assert np.abs(held.mv - plan.mv).max() > 0.5


def test_a_first_order_reference_closes_the_same_share_of_what_is_left_in_every_interval() -> None:
    tag = replace(LEVEL, reference_s=20.0)
    rows = reference(np.full(5, 8.0), 2.0, tag, 10.0)
    assert rows == pytest.approx(8.0 - 6.0 * np.exp(-0.5 * np.arange(1, 6)))


def test_a_ramp_goes_its_largest_step_until_it_is_there() -> None:
    tag = replace(LEVEL, reference_move=2.5)
    assert reference(np.full(5, 8.0), 2.0, tag, 10.0).tolist() == [4.5, 7.0, 8.0, 8.0, 8.0]
    assert reference(np.full(3, 1.0), 2.0, tag, 10.0).tolist() == [1.0, 1.0, 1.0]


def test_a_reference_follows_setpoints_to_come() -> None:
    tag = replace(LEVEL, reference_s=10.0 / np.log(2.0), reference_move=3.0)
    rows = reference(np.array([2.0, 2.0, 10.0, 10.0, 10.0]), 2.0, tag, 10.0)
    assert rows == pytest.approx([2.0, 2.0, 5.0, 7.5, 8.75])


@pytest.mark.parametrize(
    ("forecast", "sentence"),
    [
        ({"U": [1.0]}, "U: a forecast is of CVs and DVs; U is a MV"),
        ({"Y": []}, r"Y: its forecast is \[\]; it must be a list of numbers, one or more"),
        ({"Y": 5.0}, "Y: its forecast is 5.0; it must be a list"),
        ({"D": [1.0, float("nan")]}, "D: its forecast is .* it must be a list of numbers"),
        ({"D": ["much"]}, "D: its forecast is .* it must be a list of numbers"),
        ({"Y": [5.0, 11.0]}, "Y: setpoint 11.0 is outside the instrument's range"),
        ({"Z": [1.0]}, "has no tag Z"),
    ],
)
def test_a_forecast_that_makes_no_sense_is_refused(forecast: dict, sentence: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(SpecError, match=sentence):
        checked_forecast(forecast, PLANT)


def test_only_a_cv_has_a_reference() -> None:
    with pytest.raises(SpecError, match="a MV takes no reference_s"):
        Tag(name="U", role=Role.MV, range=(0.0, 1.0), reference_s=5.0)
    with pytest.raises(SpecError, match="reference_move is 0"):
        replace(LEVEL, reference_move=0.0)
