"""What one cycle inherits from the last."""

from dataclasses import replace

import numpy as np
import pytest
from planning_cases import lag, latent

from procwm.planning.moves import MoveSpace, move_blocks
from procwm.planning.problem import Plan, PlanStatus
from procwm.planning.warm_start import shifted, unexpected
from procwm.testing import control_problem


def plan(mv: np.ndarray, cost: float = 1.0) -> Plan:
    rows = len(mv)
    return Plan(
        status=PlanStatus.OPTIMAL,
        mv=mv,
        cv=np.zeros((rows, 1)),
        guard=np.zeros((rows, 0)),
        cost=cost,
        solve_s=0.0,
        rung="sqp",
    )


def space(last_mv: float, horizon: int = 6) -> MoveSpace:
    model = lag(horizon=horizon, max_move=0.5)
    problem = control_problem(model, latent=latent(model, 4.0), last_mv=np.array([last_mv]))
    return MoveSpace(move_blocks(horizon, (1,) * horizon), problem)


def test_the_rest_of_the_plan_comes_one_interval_earlier() -> None:
    mv = np.array([[0.5], [1.0], [1.4], [1.2], [1.1], [1.0]])
    knots = shifted(plan(mv), space(0.5))
    assert knots is not None
    assert knots[:, 0] == pytest.approx([1.0, 1.4, 1.2, 1.1, 1.0, 1.0])


def test_a_plan_that_was_not_carried_out_is_brought_within_this_cycle_s_limits() -> None:
    mv = np.full((6, 1), 2.0)
    start = space(0.0)
    knots = shifted(plan(mv), start)
    assert knots is not None
    assert start.admits(start.expand(knots))
    assert knots[:, 0] == pytest.approx([0.5, 1.0, 1.5, 2.0, 2.0, 2.0])


def test_a_shorter_plan_rests_at_its_end() -> None:
    knots = shifted(plan(np.array([[0.2], [0.4]])), space(0.2))
    assert knots is not None
    assert knots[:, 0] == pytest.approx([0.4] * 6)


@pytest.mark.parametrize("mv", [np.zeros((6, 2)), np.zeros((0, 1)), np.full((6, 1), np.nan)])
def test_a_plan_that_does_not_fit_is_no_start(mv: np.ndarray) -> None:
    assert shifted(plan(mv), space(0.0)) is None


def test_a_search_is_worth_it_where_the_plan_costs_far_more_than_it_promised() -> None:
    promised = plan(np.zeros((6, 1)), cost=0.1)
    assert not unexpected(promised, 0.15)
    assert unexpected(promised, 0.25)
    assert unexpected(promised, np.inf)
    assert unexpected(promised, np.nan)
    assert not unexpected(replace(promised, cost=0.0), 0.005), "noise is not worth a search"
