"""The reference program: hand-computed answers, recovery, deadline, reuse."""

from dataclasses import replace

import numpy as np
import pytest
from planning_cases import lag, latent

from procwm.planning.moves import MoveSpace, move_blocks
from procwm.planning.nlp import Program
from procwm.planning.objective import objective
from procwm.planning.prediction import Evaluator, Prediction
from procwm.planning.problem import ControlProblem
from procwm.planning.solution import Solution, Stop
from procwm.planning.transcription import transcribe
from procwm.testing import control_problem
from procwm.world.model import WorldModel


def solve(
    model: WorldModel,
    problem: ControlProblem,
    *,
    program: Program | None = None,
    deadline: float = np.inf,
    recover: bool = False,
) -> tuple[Solution, Prediction]:
    blocks = move_blocks(problem.horizon)
    space = MoveSpace(blocks, problem)
    program = program or Program(transcribe(model), blocks)
    solution = program.solve(space, objective(problem), space.hold, deadline=deadline, recover=recover)
    return solution, Evaluator(model, problem).predict(space.expand(solution.knots)[None])


def test_one_interval_by_hand() -> None:
    """`y = 0.8 * 4 + 0.4 u + 1`; the optimum of `(9/8) (y - 5)^2 + 0.1 (u - 0)^2` is where its slope is 0."""
    model = lag(horizon=1)
    problem = control_problem(model, latent=latent(model, 4.0), last_mv=np.array([0.0]))
    solution, prediction = solve(model, problem)
    tail = 1.0 + 1.0 / 8.0
    u = tail * 0.4 * 0.8 / (tail * 0.4**2 + 0.1)
    assert solution.stopped is Stop.OPTIMAL
    assert prediction.mv[0, 0, 0] == pytest.approx(u, abs=1e-4)


def test_largest_move_is_counted_from_the_last_mv() -> None:
    model = lag(max_move=0.5)
    problem = control_problem(model, latent=latent(model, 1.0), last_mv=np.array([-2.0]))
    _, prediction = solve(model, problem)
    assert prediction.mv[0, 0, 0] == pytest.approx(-1.5, abs=1e-5)


def test_bias_moves_the_plan_as_it_moves_the_output() -> None:
    model = lag(move_weight=0.0)
    problem = control_problem(model, latent=latent(model, 5.0), last_mv=np.array([0.0]))
    _, prediction = solve(model, replace(problem, bias=np.full((20, 1), 1.5)))
    assert prediction.cv[0, -1, 0] == pytest.approx(5.0, abs=1e-3)
    assert prediction.mv[0, -1, 0] == pytest.approx((0.2 * 3.5 - 1.0) / 0.4, abs=0.02)


def test_a_built_program_takes_new_targets_limits_and_weights() -> None:
    model = lag(max_move=0.5, limits=True)
    program = Program(transcribe(model), move_blocks(20))
    problem = control_problem(model, latent=latent(model, 4.0), last_mv=np.array([0.0]))
    changes = [
        {"target": np.full((20, 1), 3.0)},
        {"target": np.full((20, 1), np.nan), "zone_low": np.array([4.5]), "zone_high": np.array([5.0])},
        {"low": np.array([5.5]), "high": np.array([np.inf])},
        {"max_move": np.array([np.inf]), "mv_high": np.array([0.2])},
        {"weight": np.array([0.0])},
    ]
    for change in changes:
        changed = replace(problem, **change)
        _, again = solve(model, changed, program=program)
        _, fresh = solve(model, changed)
        assert again.mv == pytest.approx(fresh.mv, abs=1e-6)


def test_recovery_gets_safe_at_the_first_row_that_can_be() -> None:
    model = lag(guard_above=4.5, max_move=1.0)
    problem = control_problem(model, latent=latent(model, 6.0), last_mv=np.array([1.0]))
    _, prediction = solve(model, problem, recover=True)
    guard = prediction.guard[0, :, 0]
    y, u, soonest = 6.0, 1.0, 0
    while y > 4.5:
        y, u, soonest = 0.8 * y + 0.4 * (u - 1.0) + 1.0, u - 1.0, soonest + 1
    assert (guard[: soonest - 1] > 0).all()
    assert (guard[soonest - 1 :] <= 1e-6).all()


def test_the_deadline_stops_it_within_limits() -> None:
    model = lag(max_move=0.5)
    problem = control_problem(model, latent=latent(model, 1.0), last_mv=np.array([0.0]))
    solution, prediction = solve(model, problem, deadline=-np.inf)
    assert solution.stopped is not Stop.OPTIMAL
    assert solution.iterations == 0
    assert MoveSpace(move_blocks(20), problem).admits(prediction.mv[0])


def test_a_model_of_nan_is_no_answer_and_no_exception() -> None:
    model = lag()
    model.readout.weight.fill_(np.nan)
    problem = control_problem(model, latent=latent(model, 1.0), last_mv=np.array([0.0]))
    solution, _ = solve(model, problem)
    assert solution.stopped is not Stop.OPTIMAL
