"""The whole planner: statuses, rungs, limits, and what happens when things go wrong."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from hand_clock import HandClock
from planning_cases import lag, latent

from procwm.errors import SpecError
from procwm.planning import ladder
from procwm.planning.local_model import LocalModel
from procwm.planning.moves import MoveSpace
from procwm.planning.planner import MpcPlanner
from procwm.planning.prediction import Evaluator
from procwm.planning.problem import ControlProblem, Plan, PlanStatus
from procwm.planning.sampling import SamplingConfig, Search
from procwm.planning.solution import Solution, Stop
from procwm.planning.sqp import SequentialProgram
from procwm.testing import control_problem
from procwm.world.model import WorldModel
from procwm_studies.planner.basins import two_basins

AMPLE_S = 60.0


def tank(y: float = 2.0, **options: float | bool) -> tuple[WorldModel, ControlProblem]:
    model = lag(**options)  # type: ignore[arg-type]
    return model, control_problem(model, latent=latent(model, y), last_mv=np.array([0.0]))


def planned(model: WorldModel, problem: ControlProblem, **options: object) -> Plan:
    return MpcPlanner(model, **options).plan(problem, warm_start=None, deadline_s=AMPLE_S)  # type: ignore[arg-type]


def step(model: WorldModel, problem: ControlProblem, plan: Plan) -> ControlProblem:
    """The problem one interval later, if the plant does what the model says."""
    scaled = model.tensor(plan.mv[None, :1], ("U",))
    nowhere = scaled.new_zeros((1, 1, 0))
    after = model.imagine(torch.as_tensor(problem.latent)[None], scaled, nowhere)
    return replace(problem, latent=after[0, 0].numpy(), last_mv=plan.mv[0])


def test_an_easy_problem_is_solved_to_a_verified_optimum() -> None:
    model, problem = tank(max_move=0.5)
    plan = planned(model, problem)
    assert (plan.status, plan.rung) == (PlanStatus.OPTIMAL, "sqp")
    prediction = Evaluator(model, problem).predict(plan.mv[None])
    assert plan.cv == pytest.approx(prediction.cv[0])
    assert plan.cost == pytest.approx(prediction.cost[0])
    assert plan.worst_guard == -np.inf


def test_followed_plans_reach_the_setpoint_and_rest_there() -> None:
    model, problem = tank(max_move=0.5, guard_above=5.5)
    planner, plan = MpcPlanner(model), None
    for _ in range(40):
        plan = planner.plan(problem, warm_start=plan, deadline_s=AMPLE_S)
        assert plan.status is PlanStatus.OPTIMAL
        problem = step(model, problem, plan)
    assert model.scaler.unscale(problem.latent, ("Y",))[0] == pytest.approx(5.0, abs=1e-3)


def test_a_good_last_plan_needs_no_search(monkeypatch: pytest.MonkeyPatch) -> None:
    model, problem = tank(max_move=0.5)
    planner = MpcPlanner(model)
    plan = planner.plan(problem, warm_start=None, deadline_s=AMPLE_S)
    searches = []
    monkeypatch.setattr(ladder, "search", lambda *_, **__: searches.append(1) or found)
    found = Search(np.zeros((1, 1)), False, 0, 0)
    following = step(model, problem, plan)
    assert planner.plan(following, warm_start=plan, deadline_s=AMPLE_S).status is PlanStatus.OPTIMAL
    assert searches == []
    moved = replace(following, target=np.full((20, 1), 1.0))
    planner.plan(moved, warm_start=plan, deadline_s=AMPLE_S)
    assert searches == [1]


def test_the_search_finds_the_basin_that_the_program_alone_does_not() -> None:
    model = two_basins()
    problem = control_problem(model, latent=latent(model, 3.0), last_mv=np.array([-2.0]))
    problem = replace(problem, target=np.full((10, 1), 8.0))
    alone = planned(model, problem, sampling=SamplingConfig(rounds=0))
    plan = planned(model, problem)
    assert alone.mv[-1, 0] == pytest.approx(-2.0, abs=0.5)
    assert plan.mv[-1, 0] == pytest.approx(3.0, abs=1.0)
    assert plan.cost < 0.7 * alone.cost


def test_every_row_of_a_plan_keeps_the_guardrail() -> None:
    model, problem = tank(guard_above=4.0, max_move=0.7)
    plan = planned(model, problem)
    assert plan.status is PlanStatus.OPTIMAL
    assert plan.guard.shape == (20, 1)
    assert plan.guard.max() == pytest.approx(0.0, abs=1.1e-4)


def test_where_no_plan_is_safe_the_way_back_is_offered_and_not_called_usable() -> None:
    model, problem = tank(y=6.0, guard_above=4.0, max_move=0.7)
    plan = planned(model, problem)
    assert (plan.status, plan.rung) == (PlanStatus.INFEASIBLE, "recovery")
    assert plan.cost == np.inf
    assert "in intervals 1 to" in plan.note
    resting = Evaluator(model, problem).predict(np.zeros((1, 20, 1)))
    assert plan.mv[0, 0] == pytest.approx(-0.7)
    assert (plan.guard > 0).sum() < (resting.guard[0] > 0).sum()


def test_an_unsafe_start_that_can_be_made_safe_gives_a_usable_plan() -> None:
    model, problem = tank(y=3.0, guard_above=4.0, max_move=2.0)
    plan = planned(model, problem, sampling=SamplingConfig(rounds=0))
    assert plan.status is PlanStatus.OPTIMAL
    assert plan.worst_guard <= 1e-5


def test_soft_limits_give_way_rather_than_fail() -> None:
    model, problem = tank(y=9.5, limits=True, max_move=0.2)
    plan = planned(model, problem)
    assert plan.status is PlanStatus.OPTIMAL
    assert plan.cv[0, 0] > 7.0


def test_an_unreachable_setpoint_is_approached_to_the_mv_limit() -> None:
    model, problem = tank()
    plan = planned(model, replace(problem, mv_high=np.array([0.5]), target=np.full((20, 1), 9.0)))
    assert plan.status is PlanStatus.OPTIMAL
    assert plan.mv[-1, 0] == pytest.approx(0.5, abs=1e-9)


def test_the_same_seed_gives_the_same_plan() -> None:
    model, problem = tank(max_move=0.5)
    assert np.array_equal(planned(model, problem, seed=1).mv, planned(model, problem, seed=1).mv)


@pytest.mark.parametrize("part", ["latent", "bias", "dynamics", "readout", "guard"])
def test_a_prediction_that_is_not_finite_is_diverged(part: str) -> None:
    model, problem = tank(guard_above=9.0)
    if part == "latent":
        problem = replace(problem, latent=np.array([np.nan]))
    elif part == "bias":
        problem = replace(problem, bias=np.full((20, 1), np.inf))
    elif part == "dynamics":
        model.predictor.linear.weight.fill_(1e200)
    elif part == "readout":
        model.readout.weight.fill_(np.nan)
    else:
        model.guard_heads[0].margin = np.nan
    plan = planned(model, problem)
    assert plan.status is PlanStatus.DIVERGED
    assert plan.cost == np.inf
    assert np.all(plan.mv == problem.last_mv)


def test_without_time_the_plan_is_late() -> None:
    model, problem = tank()
    plan = MpcPlanner(model).plan(problem, warm_start=None, deadline_s=0.0)
    assert plan.status is PlanStatus.LATE
    assert not plan.status.usable


@pytest.mark.parametrize("deadline_s", [0.35, 0.6, 1.0, 3.0])
def test_before_the_deadline_the_best_plan_so_far_is_returned(
    deadline_s: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, problem = tank(max_move=0.5)
    clock, predict = HandClock(), Evaluator.predict
    planner = MpcPlanner(model, clock=clock)

    def slow(self: Evaluator, mv: np.ndarray) -> object:
        clock.now_s += 0.1
        return predict(self, mv)

    monkeypatch.setattr(Evaluator, "predict", slow)
    plan = planner.plan(problem, warm_start=None, deadline_s=deadline_s)
    assert plan.status.usable
    assert plan.solve_s <= deadline_s
    assert MoveSpace(planner._built(20).blocks, problem).admits(plan.mv)


def test_where_sqp_fails_ipopt_finishes_the_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    model, problem = tank(max_move=0.5)
    expected = planned(model, problem)
    monkeypatch.setattr(LocalModel, "step", lambda self: None)
    plan = planned(model, problem)
    assert (plan.status, plan.rung) == (PlanStatus.FEASIBLE, "ipopt")
    assert plan.mv == pytest.approx(expected.mv, abs=1e-2)


def test_a_solver_that_breaks_a_limit_is_not_believed(monkeypatch: pytest.MonkeyPatch) -> None:
    model, problem = tank(max_move=0.5)
    problem = replace(problem, target=np.full((20, 1), 9.0))
    monkeypatch.setattr(MoveSpace, "clip", lambda self, knots: knots)
    monkeypatch.setattr(
        SequentialProgram,
        "solve",
        lambda self, foresight, start, **_: Solution(np.full_like(start, 2.0), Stop.OPTIMAL, 1),
    )
    plan = planned(model, problem, sampling=SamplingConfig(rounds=0))
    assert np.abs(np.diff(plan.mv[:, 0], prepend=0.0)).max() <= 0.5 + 1e-6


def test_a_plant_outside_its_limits_is_brought_back() -> None:
    model, problem = tank(max_move=0.5)
    problem = replace(problem, mv_high=np.array([-1.0]), last_mv=np.array([0.0]))
    plan = planned(model, problem)
    assert plan.status.usable
    assert plan.mv[:2, 0] == pytest.approx([-0.5, -1.0])


def test_a_horizon_other_than_the_model_s_is_planned_too() -> None:
    model, _ = tank(max_move=0.5)
    problem = control_problem(model, latent=latent(model, 2.0), last_mv=np.array([0.0]), horizon=7)
    assert planned(model, problem).mv.shape == (7, 1)


def test_a_problem_for_another_model_is_refused() -> None:
    model, problem = tank()
    with pytest.raises(SpecError, match="2 latent; its model has 1"):
        planned(model, replace(problem, latent=np.zeros(2)))
