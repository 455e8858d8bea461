"""Control horizons shorter than the prediction horizon, and outputs that integrate: least squares by hand."""

import numpy as np
import pytest

from procwm.planning.objective import row_weights
from procwm.planning.planner import MpcPlanner
from procwm.planning.problem import PlanStatus
from procwm.plant.tags import PlantSpec, Role, Tag
from procwm.testing import control_problem, exact_model

HORIZON = 10
PLANT = PlantSpec(
    name="tank",
    interval_s=1.0,
    tags=(
        Tag(name="Y", role=Role.CV, range=(0.0, 10.0), setpoint=6.0),
        Tag(name="U", role=Role.MV, range=(-20.0, 20.0), move_weight=0.3),
    ),
)
LINES = {
    # MVs move over the first intervals only, and rest for the remaining ones.
    (1,): np.ones((HORIZON, 1)),
    (1, 1): np.array([[1.0, 0.0], *[[0.0, 1.0]] * 9]),
    (1, 2): np.array([[1.0, 0.0], [0.5, 0.5], *[[0.0, 1.0]] * 8]),
    (1,) * HORIZON: np.eye(HORIZON),
}


@pytest.mark.parametrize("pole", [0.7, 1.0], ids=["lag", "integrating"])
@pytest.mark.parametrize("blocks", LINES)
def test_the_plan_over_any_control_horizon_is_the_least_squares_answer(
    blocks: tuple[int, ...], pole: float
) -> None:
    """The last MVs are 0, so moves and effects are linear in the knots alone."""
    model = exact_model(
        PLANT, state_matrix=np.array([[pole]]), input_matrix=np.array([[0.2]]), horizon=HORIZON
    )
    problem = control_problem(model, latent=model.scaler.scale(np.array([2.0]), ("Y",)), last_mv=np.zeros(1))
    plan = MpcPlanner(model, blocks=blocks).plan(problem, warm_start=None, deadline_s=60.0)
    rows = np.arange(HORIZON)
    response = 0.2 * np.where(rows[:, None] >= rows, pole ** np.abs(rows[:, None] - rows), 0.0)
    moves = np.eye(HORIZON) - np.eye(HORIZON, k=-1)
    error, price = np.sqrt(row_weights(HORIZON)) / 10.0, np.sqrt(0.3) / 40.0
    matrix = np.vstack((error[:, None] * response, price * moves)) @ LINES[blocks]
    wanted = np.concatenate((error * (6.0 - 2.0 * pole ** (rows + 1)), np.zeros(HORIZON)))
    knots = np.linalg.lstsq(matrix, wanted)[0]
    assert plan.status is PlanStatus.OPTIMAL
    assert plan.mv[:, 0] == pytest.approx(LINES[blocks] @ knots, abs=2e-3)
    assert len(plan.mv) == HORIZON


def test_an_integrating_level_is_brought_to_its_setpoint_and_rests_there() -> None:
    model = exact_model(
        PLANT,
        state_matrix=np.array([[1.0]]),
        input_matrix=np.array([[0.2]]),
        offset=np.array([-0.6]),
        horizon=HORIZON,
    )
    planner, level, last, plan = MpcPlanner(model), 2.0, np.zeros(1), None
    for _ in range(30):
        latent = model.scaler.scale(np.array([level]), ("Y",))
        problem = control_problem(model, latent=latent, last_mv=last)
        plan = planner.plan(problem, warm_start=plan, deadline_s=60.0)
        last, level = plan.mv[0], level + 0.2 * float(plan.mv[0, 0]) - 0.6
    assert level == pytest.approx(6.0, abs=1e-2)
    assert last[0] == pytest.approx(3.0, abs=1e-2)
