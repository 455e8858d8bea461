"""Optima on random curved networks: verified by hand, against IPOPT, and out of bad starts."""

from dataclasses import replace

import numpy as np
import pytest
from planning_cases import latent

from procwm.planning.foresight import Foresight
from procwm.planning.local_model import LocalModel
from procwm.planning.moves import MoveSpace, move_blocks
from procwm.planning.network import Derivatives
from procwm.planning.nlp import Program
from procwm.planning.objective import objective
from procwm.planning.planner import MpcPlanner
from procwm.planning.prediction import Evaluator
from procwm.planning.problem import PlanStatus
from procwm.planning.sampling import SamplingConfig
from procwm.planning.solution import Solution, Stop
from procwm.planning.sqp import SequentialProgram
from procwm.planning.transcription import transcribe
from procwm.testing import control_problem
from procwm.world.parts.layers import Activation, Affine
from procwm_studies.planner.basins import two_basins
from procwm_studies.planner.problems import Case, Cycles


def posed(case: Case) -> tuple[Cycles, Foresight]:
    cycles = Cycles(case)
    space = MoveSpace(move_blocks(case.horizon), cycles.problem)
    return cycles, Foresight(transcribe(cycles.model), space, objective(cycles.problem))


def solved(foresight: Foresight) -> Solution:
    return SequentialProgram().solve(foresight, foresight.space.hold, deadline=np.inf)


CASES = [
    Case(mvs=2, cvs=3, horizon=8, hidden=(16, 16), curved=curved, seed=seed)
    for curved in (False, True)
    for seed in range(6)
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name} {case.seed}")
def test_no_small_change_within_limits_improves_a_plan_called_optimal(case: Case) -> None:
    """Differences of the model's own torch prediction decide, not the derivatives that the solver used."""
    cycles, foresight = posed(case)
    solution = solved(foresight)
    assert solution.stopped is Stop.OPTIMAL
    space, generator = foresight.space, np.random.default_rng(0)
    span = cycles.problem.mv_span
    changes = 1e-2 * span * generator.standard_normal((300, *solution.knots.shape))
    changes *= 10.0 ** generator.uniform(-2, 0, (300, 1, 1))
    nearby = space.clip(solution.knots + changes)
    prediction = Evaluator(cycles.model, cycles.problem).predict(
        space.expand(np.concatenate((solution.knots[None], nearby)))
    )
    assert prediction.violation[0] == 0.0
    safe = prediction.cost[1:][prediction.violation[1:] == 0.0]
    assert safe.min() >= prediction.cost[0] * (1.0 - 3e-4)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"{case.name} {case.seed}")
def test_where_ipopt_starts_from_an_optimum_it_finds_nothing_better(case: Case) -> None:
    cycles, foresight = posed(case)
    solution = solved(foresight)
    program = Program(foresight.transcript, foresight.space.blocks)
    other = program.solve(foresight.space, foresight.objective, solution.knots, deadline=np.inf)
    ours, reference = (
        Evaluator(cycles.model, cycles.problem).predict(foresight.space.expand(knots)[None])
        for knots in (solution.knots, other.knots)
    )
    assert ours.cost[0] <= reference.cost[0] * (1.0 + 1e-3)
    assert ours.violation[0] <= reference.violation[0]


@pytest.mark.parametrize("case", CASES[::3], ids=lambda case: f"{case.name} {case.seed}")
def test_reported_multipliers_point_outwards_from_limits_that_are_reached(case: Case) -> None:
    _, foresight = posed(case)
    solution, space = solved(foresight), foresight.space
    assert solution.optimality is not None
    multipliers = solution.optimality.multipliers
    moves, reach = space.moves(solution.knots), space.reach
    near = 1e-4 * space.problem.mv_span
    assert (solution.knots >= space.high - near)[multipliers.range > 1e-6].all()
    assert (solution.knots <= space.low + near)[multipliers.range < -1e-6].all()
    assert (moves >= reach - near)[multipliers.move > 1e-6].all()
    assert (moves <= -reach + near)[multipliers.move < -1e-6].all()
    guard = foresight.point(solution.knots).guard
    assert (multipliers.guard >= 0.0).all()
    assert (np.abs(guard[multipliers.guard > 1e-6]) < 1e-3).all()
    assert solution.optimality.residual < 0.1
    assert -1e-12 <= solution.optimality.gap <= 1e-4 * foresight.point(solution.knots).cost + 1e-9


def test_a_multiplier_is_what_a_little_more_of_its_limit_saves() -> None:
    cycles, foresight = posed(Case(mvs=1, cvs=1, horizon=8, hidden=(16, 16)))
    tight = replace(cycles.problem, max_move=np.array([1.0]), target=cycles.problem.target + 20.0)

    def cost(extra: float) -> tuple[float, Solution]:
        problem = replace(tight, max_move=tight.max_move + extra)
        space = MoveSpace(foresight.space.blocks, problem)
        found = Foresight(foresight.transcript, space, objective(problem))
        solution = solved(found)
        return found.point(solution.knots).cost, solution

    (before, solution), (after, _) = cost(0.0), cost(0.01)
    assert solution.optimality is not None
    lengths = np.array(foresight.space.blocks.lengths)[:, None]
    saved = (np.abs(solution.optimality.multipliers.move) * lengths).sum() * 0.01 / tight.mv_span[0]
    assert before - after == pytest.approx(saved, rel=0.02)
    assert before - after > 1e-5


@pytest.mark.parametrize("activation", list(Activation))
def test_second_derivatives_agree_with_differences_of_first_ones(activation: Activation) -> None:
    generator = np.random.default_rng(0)
    layers = (
        Affine(generator.standard_normal((8, 3)), generator.standard_normal(8)),
        activation,
        Affine(generator.standard_normal((8, 8)) / 3.0, generator.standard_normal(8)),
        activation,
        Affine(generator.standard_normal((2, 8)), np.zeros(2)),
    )
    x, by_output = generator.standard_normal((4, 3)), generator.standard_normal((4, 2))
    curvature = Derivatives(layers, x).curvature(by_output)
    step = 1e-6
    for column in range(3):
        apart = [
            np.einsum(
                "bo,boi->bi", by_output, Derivatives(layers, x + sign * step * np.eye(3)[column]).jacobian
            )
            for sign in (1.0, -1.0)
        ]
        assert (apart[0] - apart[1]) / (2.0 * step) == pytest.approx(curvature[:, :, column], abs=1e-6)
    derivatives = Derivatives(layers, x)
    assert derivatives.pullback(by_output)[1] == pytest.approx(by_output[1] @ derivatives.jacobian[1])


def test_costates_and_curvature_agree_with_differences_of_the_lagrangian() -> None:
    cycles, foresight = posed(Case(mvs=2, cvs=3, horizon=6, hidden=(12, 12), curved=True))
    generator, space = np.random.default_rng(1), foresight.space
    knots = space.clip(space.hold + generator.normal(0.0, 3.0, space.hold.shape))
    by_cv, by_guard = generator.standard_normal((6, 3)), generator.uniform(0.5, 2.0, (6, 1))
    by_cv /= cycles.problem.span

    def slope(at_knots: np.ndarray, *, sweep: bool) -> np.ndarray:
        at = foresight.points(at_knots[None])[0].at
        return at.knot_slope(at.pulled_back(by_cv, by_guard, sweep=sweep))

    def lagrangian(at_knots: np.ndarray) -> float:
        point = foresight.points(at_knots[None])[0]
        return float((by_cv * point.at.cv).sum() + (by_guard * point.guard).sum())

    at = foresight.point(knots).at
    bend = at.curvature(at.pulled_back(by_cv, by_guard, sweep=True), by_guard)
    exact = slope(knots, sweep=False)
    assert exact == pytest.approx(slope(knots, sweep=True))
    step = 1e-5
    for index in range(knots.size):
        change = np.zeros(knots.shape)
        change.ravel()[index] = step * cycles.problem.mv_span[index % 2]
        rise = lagrangian(knots + change) - lagrangian(knots - change)
        assert rise / (2.0 * step) == pytest.approx(exact[index], rel=1e-5, abs=1e-7)
        bent = slope(knots + change, sweep=False) - slope(knots - change, sweep=False)
        assert bent / (2.0 * step) == pytest.approx(bend[:, index], rel=1e-4, abs=1e-6)


def test_a_local_model_s_hessian_is_positive_definite_whatever_the_curvature() -> None:
    _, foresight = posed(CASES[7])
    point = foresight.point(foresight.space.hold)
    size = point.knots.size
    for bend in (-50.0 * np.eye(size), np.zeros((size, size)), 5.0 * np.eye(size)):
        step = LocalModel(foresight.objective, point, bend, 0.0).step()
        assert step is not None
        assert np.linalg.eigvalsh(step.hessian)[0] > 0.0


def test_from_a_hundred_starts_the_better_basin_is_found_and_by_the_gradient_alone_it_is_not() -> None:
    model = two_basins(horizon=8)
    combined, alone = MpcPlanner(model), MpcPlanner(model, sampling=SamplingConfig(rounds=0))
    generator, found, gradient = np.random.default_rng(0), 0, 0
    for _ in range(100):
        start = generator.uniform(-3.5, -1.0, 1)
        problem = control_problem(model, latent=latent(model, 3.0), last_mv=start)
        problem = replace(problem, target=np.full((8, 1), 8.0))
        plans = [planner.plan(problem, warm_start=None, deadline_s=60.0) for planner in (combined, alone)]
        better = [plan.mv[-1, 0] > 2.0 and plan.cv[-1, 0] > 7.0 for plan in plans]
        found, gradient = found + better[0], gradient + better[1]
    assert found >= 99
    assert gradient <= 10


def test_a_plan_says_what_it_rests_on_and_what_stopped_it() -> None:
    cycles = Cycles(Case(mvs=2, cvs=3, horizon=8, hidden=(16, 16)))
    problem = replace(cycles.problem, target=cycles.problem.target + 30.0)
    plan = MpcPlanner(cycles.model).plan(problem, warm_start=None, deadline_s=60.0)
    assert plan.status is PlanStatus.OPTIMAL
    assert plan.stopped == "the optimality conditions hold"
    assert plan.optimality is not None
    assert plan.optimality.gap <= 1e-4 * plan.cost + 1e-9
    moves = np.abs(np.diff(plan.mv, axis=0, prepend=problem.last_mv[None]))
    for column in range(2):
        assert (f"MV{column} largest move" in plan.active) == bool((moves[:, column] > 8.0 - 1e-6).any())
    assert ("guard guardrail" in plan.active) == (plan.worst_guard > -1e-3)


@pytest.mark.parametrize("case", CASES[6:], ids=lambda case: f"{case.name} {case.seed}")
def test_near_an_optimum_of_a_curved_network_one_step_nearly_reaches_it(case: Case) -> None:
    """So it does where the curvature is exact; Gauss-Newton or a wrong sign takes many more."""
    _, foresight = posed(case)
    solution, space = solved(foresight), foresight.space
    change = 0.01 * space.problem.mv_span * np.random.default_rng(0).standard_normal(solution.knots.shape)
    again = SequentialProgram().solve(foresight, space.clip(solution.knots + change), deadline=np.inf)
    assert again.stopped is Stop.OPTIMAL
    assert again.iterations <= 2
