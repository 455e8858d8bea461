"""The condensed program: exact on linear plants, checked, and globalised."""

from dataclasses import replace

import numpy as np
import pytest
from planning_cases import lag, latent, saturating

from procwm.planning import quadratic_program
from procwm.planning.foresight import Foresight
from procwm.planning.moves import MoveSpace, move_blocks
from procwm.planning.nlp import Program
from procwm.planning.objective import objective, row_weights
from procwm.planning.prediction import Evaluator
from procwm.planning.problem import ControlProblem
from procwm.planning.quadratic_program import Interval, QuadraticProgram, minimiser
from procwm.planning.solution import Solution, Stop
from procwm.planning.sqp import SequentialProgram
from procwm.planning.transcription import transcribe
from procwm.testing import control_problem
from procwm.world.model import WorldModel


def solve(
    model: WorldModel,
    problem: ControlProblem,
    lengths: tuple[int, ...] | None = None,
    deadline: float = np.inf,
) -> tuple[Solution, np.ndarray]:
    blocks = move_blocks(problem.horizon, lengths)
    space = MoveSpace(blocks, problem)
    foresight = Foresight(transcribe(model), space, objective(problem))
    solution = SequentialProgram().solve(foresight, space.hold, deadline=deadline)
    return solution, space.expand(solution.knots)


def riccati(horizon: int, y: float, last: float, setpoint: float, move_weight: float) -> list[float]:
    """Optimal MVs of the tank `lag` without limits, by dynamic programming over the state (y, u, 1)."""
    dynamics = np.array([[0.8, 0.4, 1.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]])
    moved = np.array([[0.4], [1.0], [0.0]])
    error = np.array([[1.0, 0.0, -setpoint]]) / 10.0
    stage, move = error.T @ error, np.array([[move_weight / 100.0]])
    weights = row_weights(horizon)
    value, gains = weights[-1] * stage, []
    for row in reversed(range(horizon)):
        gain = np.linalg.solve(move + moved.T @ value @ moved, moved.T @ value @ dynamics)
        closed = dynamics - moved @ gain
        value = closed.T @ value @ closed + gain.T @ move @ gain + (weights[row - 1] * stage if row else 0.0)
        gains.append(gain)
    state, answer = np.array([y, last, 1.0]), []
    for gain in reversed(gains):
        state = dynamics @ state - (moved @ gain @ state[:, None]).ravel()
        answer.append(float(state[1]))
    return answer


def test_without_limits_the_plan_is_the_riccati_solution() -> None:
    model = lag(horizon=12)
    wide = np.array([1e3])
    problem = control_problem(model, latent=latent(model, 4.0), last_mv=np.array([0.0]))
    problem = replace(problem, mv_low=-wide, mv_high=wide)
    solution, mv = solve(model, problem, lengths=(1,) * 12)
    assert solution.stopped is Stop.OPTIMAL
    assert mv[:, 0] == pytest.approx(riccati(12, 4.0, 0.0, 5.0, 0.1), abs=1e-5)


def test_a_linear_plant_takes_one_iteration() -> None:
    model = lag(max_move=0.5)
    solution, _ = solve(model, control_problem(model, latent=latent(model, 2.0), last_mv=np.array([0.0])))
    assert solution.stopped is Stop.OPTIMAL
    assert solution.iterations == 1


def test_a_guardrail_is_an_active_limit_at_every_row() -> None:
    model = lag(guard_above=4.5)
    problem = control_problem(model, latent=latent(model, 2.0), last_mv=np.array([0.0]))
    solution, mv = solve(model, problem)
    guard = Evaluator(model, problem).predict(mv[None]).guard[0, :, 0]
    assert solution.stopped is Stop.OPTIMAL
    assert guard.max() == pytest.approx(0.0, abs=1.1e-4)


def test_a_start_nearer_to_a_guardrail_than_plans_may_end_is_no_dead_end() -> None:
    """The only way from there to a proven optimum costs a little more."""
    model = lag(guard_above=4.5)
    problem = control_problem(model, latent=latent(model, 4.5), last_mv=np.array([-0.25]))
    problem = replace(problem, target=np.full((20, 1), 4.52))
    space = MoveSpace(move_blocks(20), problem)
    foresight = Foresight(transcribe(model), space, objective(problem))
    optimum = SequentialProgram().solve(foresight, space.hold, deadline=np.inf)
    assert optimum.stopped is Stop.OPTIMAL
    at, raised = (foresight.point(optimum.knots + up) for up in (0.0, 1e-3))
    slope = (raised.guard.max() - at.guard.max()) / 1e-3
    start = foresight.point(optimum.knots + (-1e-6 - at.guard.max()) / slope)
    assert start.broken == 0.0
    assert start.cost < at.cost
    again = SequentialProgram().solve(foresight, start.knots, deadline=np.inf)
    assert again.stopped is Stop.OPTIMAL
    assert again.knots == pytest.approx(optimum.knots, abs=1e-5)


def test_soft_limits_give_way_at_their_price() -> None:
    model = lag(limits=True, move_weight=0.0)
    problem = control_problem(model, latent=latent(model, 6.0), last_mv=np.array([0.0]))
    problem = replace(problem, target=np.full((20, 1), 9.0))
    solution, mv = solve(model, problem)
    cv = Evaluator(model, problem).predict(mv[None]).cv[0, 5:, 0]
    assert solution.stopped is Stop.OPTIMAL
    assert cv == pytest.approx((1.0 * 9.0 + 100.0 * 7.0) / 101.0, abs=1e-3)


def test_both_solvers_agree_with_zones_limits_and_guardrails() -> None:
    model = lag(limits=True, guard_above=7.05, max_move=0.4)
    blocks = move_blocks(20)
    transcript = transcribe(model)
    ipopt, sqp = Program(transcript, blocks), SequentialProgram()
    generator = np.random.default_rng(0)
    for _ in range(10):
        y, last, target = generator.uniform(2, 6.5), generator.uniform(-1, 1), generator.uniform(1, 9)
        problem = control_problem(model, latent=latent(model, y), last_mv=np.array([last]))
        if generator.random() < 0.5:
            problem = replace(problem, target=np.full((20, 1), target))
        else:
            zone = np.sort(generator.uniform(1, 9, 2))
            problem = replace(problem, target=np.full((20, 1), np.nan), zone_low=zone[:1], zone_high=zone[1:])
        space = MoveSpace(blocks, problem)
        evaluator = Evaluator(model, problem)
        foresight = Foresight(transcript, space, evaluator.objective)
        found = [
            ipopt.solve(space, evaluator.objective, space.hold, deadline=np.inf).knots,
            sqp.solve(foresight, space.hold, deadline=np.inf).knots,
        ]
        prediction = evaluator.predict(space.expand(np.stack(found)))
        assert prediction.violation.max() == 0.0
        assert prediction.cost[1] == pytest.approx(prediction.cost[0], rel=1e-3, abs=1e-6)


def test_where_full_steps_run_away_shorter_ones_are_taken() -> None:
    model = saturating()
    problem = control_problem(model, latent=latent(model, 9.0), last_mv=np.array([1.2]))
    solution, mv = solve(model, replace(problem, max_move=np.array([10.0])))
    assert solution.stopped is Stop.OPTIMAL
    assert mv[:, 0] == pytest.approx(0.0, abs=1e-3)


def test_after_its_deadline_it_returns_its_start() -> None:
    model = lag()
    problem = control_problem(model, latent=latent(model, 2.0), last_mv=np.array([0.0]))
    solution, mv = solve(model, problem, deadline=-np.inf)
    assert solution.stopped is not Stop.OPTIMAL
    assert solution.iterations == 0
    assert np.all(mv == 0.0)


def test_guardrails_that_cannot_be_kept_are_not_called_an_optimum() -> None:
    model = lag(guard_above=4.5, max_move=0.1)
    problem = control_problem(model, latent=latent(model, 6.0), last_mv=np.array([1.0]))
    solution, _ = solve(model, problem)
    assert solution.stopped is not Stop.OPTIMAL


def test_a_quadratic_program_by_hand() -> None:
    """min (x - 2)^2 + (y - 1)^2 with x + y <= 2 and 0 <= x, y <= 1.6 has (1.5, 0.5), multiplier 1."""
    answer = minimiser(
        QuadraticProgram(
            2.0 * np.eye(2),
            np.array([-4.0, -2.0]),
            np.ones((1, 2)),
            Interval(np.array([0.0, 0.0, -np.inf]), np.array([1.6, 1.6, 2.0])),
        )
    )
    assert answer is not None
    assert answer.x == pytest.approx([1.5, 0.5])
    assert answer.multipliers == pytest.approx([0.0, 0.0, 1.0])


class Liar:
    """A solver that answers with a point that is not optimal, or not allowed, and calls it success."""

    def __init__(self, x: float, by_bound: float = 0.0, by_row: float = 0.0) -> None:
        self._answer = np.array([x]), 0.0, 1, {"lam": np.array([by_bound, by_row])}

    def solve(self, *_: object, **__: object) -> tuple[np.ndarray, float, int, dict[str, np.ndarray]]:
        return self._answer


@pytest.mark.parametrize(
    "answer",
    [
        Liar(0.0),
        Liar(2.0),
        Liar(np.nan),
        Liar(0.5, by_bound=1.5),
        Liar(0.0, by_bound=2.0),
        Liar(0.5, by_row=1.5),
    ],
    ids=["not stationary", "outside", "not finite", "inactive bound", "pushes outwards", "inactive row"],
)
def test_a_wrong_answer_is_refused_whatever_the_solver_says(
    answer: Liar, monkeypatch: pytest.MonkeyPatch
) -> None:
    """min (x - 2)^2 / 2 with 0 <= x <= 1: the answer is 1 with a multiplier of 1 on the upper bound."""
    program = QuadraticProgram(
        np.eye(1),
        np.array([-2.0]),
        np.ones((1, 1)),
        Interval(np.array([0.0, -9.0]), np.array([1.0, 9.0])),
    )
    monkeypatch.setattr(quadratic_program, "daqp", Liar(1.0, by_bound=1.0))
    assert minimiser(program) is not None
    monkeypatch.setattr(quadratic_program, "daqp", answer)
    assert minimiser(program) is None


def test_limits_that_contradict_each_other_have_no_answer() -> None:
    apart = Interval(np.array([0.0, 2.0]), np.array([1.0, 3.0]))
    assert minimiser(QuadraticProgram(np.eye(1), np.zeros(1), np.ones((1, 1)), apart)) is None


def test_numbers_that_are_not_finite_have_no_answer() -> None:
    limits = Interval(np.zeros(2), np.ones(2))
    nothing = np.array([np.nan])
    assert minimiser(QuadraticProgram(np.eye(1), nothing, np.ones((1, 1)), limits)) is None
