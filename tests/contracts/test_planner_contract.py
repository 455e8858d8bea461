"""Planners keep the contract that `procwm.testing` states."""

import numpy as np
import pytest

from procwm.planning.planner import MpcPlanner
from procwm.planning.problem import ControlProblem, Plan, PlanStatus
from procwm.plant.tags import PlantSpec, Role, Tag
from procwm.testing import check_planner, control_problem, exact_model
from procwm.world.model import WorldModel

PLANT = PlantSpec(
    name="tank",
    interval_s=1.0,
    tags=(
        Tag(name="Y", role=Role.CV, range=(0.0, 10.0), setpoint=5.0),
        Tag(name="U", role=Role.MV, range=(0.0, 10.0), max_move=0.5, move_weight=0.1),
    ),
)


def tank() -> tuple[WorldModel, ControlProblem]:
    model = exact_model(
        PLANT,
        state_matrix=np.array([[0.8]]),
        input_matrix=np.array([[0.4]]),
        guards={"high level": (np.ones(1), -4.0)},
        horizon=10,
    )
    return model, control_problem(model, latent=np.array([-1.0]), last_mv=np.array([2.0]))


def test_the_planner_keeps_its_contract() -> None:
    check_planner(MpcPlanner, *tank())


class Careless:
    """A planner that jumps to a limit and finds everything optimal."""

    def __init__(self, model: WorldModel) -> None:
        self.guard_names = model.guard_names

    def plan(self, problem: ControlProblem, *, warm_start: Plan | None, deadline_s: float) -> Plan:
        rows = problem.horizon
        return Plan(
            status=PlanStatus.OPTIMAL,
            mv=np.repeat(problem.mv_high[None], rows, axis=0),
            cv=np.zeros(problem.target.shape),
            guard=np.zeros((rows, 1)),
            cost=0.0,
            solve_s=0.0,
            rung="careless",
        )


def test_the_contract_fails_a_planner_that_breaks_a_limit() -> None:
    with pytest.raises(AssertionError, match="no move is larger than max_move"):
        check_planner(Careless, *tank())
