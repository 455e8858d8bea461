"""Real-time plans: a few iterations a cycle, the rest in the cycles after it."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

import numpy as np
import pytest
from planning_cases import lag, latent

from procwm.errors import SpecError
from procwm.planning import ladder
from procwm.planning.planner import MpcPlanner
from procwm.planning.problem import ControlProblem, Plan, PlanStatus
from procwm.planning.solution import Stop
from procwm.testing import control_problem
from procwm.world.model import WorldModel
from procwm_studies.planner.problems import Case, Cycles

AMPLE_S = 60.0


def a_bent_problem() -> tuple[WorldModel, ControlProblem, Plan]:
    """A cycle after setpoints have moved, in which an optimum is iterations away; the plan before it."""
    cycles = Cycles(Case(mvs=2, cvs=2, horizon=12, hidden=(16, 16), curved=True))
    problem = cycles.problem
    plan = MpcPlanner(cycles.model).plan(problem, warm_start=None, deadline_s=AMPLE_S)
    # A promise that keeps the next cycle from being a surprise.
    return cycles.model, replace(problem, target=problem.target + 3.0), replace(plan, cost=1e3)


def asked_again(planner: MpcPlanner, problem: ControlProblem, plan: Plan) -> Iterator[Plan]:
    """Plans of one problem, each from the last; what a shift takes off is put before it."""
    while True:
        plan = planner.plan(
            problem, warm_start=replace(plan, mv=plan.mv[[0, *range(11)]]), deadline_s=AMPLE_S
        )
        yield plan


def test_a_real_time_plan_takes_the_iterations_it_is_given_and_says_what_is_missing() -> None:
    model, problem, last = a_bent_problem()
    finished = next(asked_again(MpcPlanner(model), problem, last))
    plan = next(asked_again(MpcPlanner(model, iterations=1), problem, last))
    assert (finished.status, finished.stopped) == (PlanStatus.OPTIMAL, Stop.OPTIMAL)
    assert (plan.status, plan.stopped, plan.rung) == (PlanStatus.FEASIBLE, Stop.ITERATIONS, "sqp")
    assert plan.cost > finished.cost
    assert plan.worst_guard <= 0.0


def test_cycles_that_follow_finish_what_one_has_left() -> None:
    model, problem, last = a_bent_problem()
    plans = list(islice(asked_again(MpcPlanner(model, iterations=1), problem, last), 5))
    assert plans[-1].status is PlanStatus.OPTIMAL
    assert plans[-1].cost < plans[0].cost < 1.1 * plans[-1].cost


def test_where_nothing_changes_a_plan_stays_the_optimum_that_it_is() -> None:
    model, problem, last = a_bent_problem()
    plans = list(islice(asked_again(MpcPlanner(model), problem, last), 8))
    assert {plan.rung for plan in plans} == {"sqp"}
    assert {plan.status for plan in plans} == {PlanStatus.OPTIMAL}


def test_a_surprise_and_a_first_plan_are_finished_all_the_same() -> None:
    model, problem, last = a_bent_problem()
    planner = MpcPlanner(model, iterations=1)
    assert next(asked_again(planner, problem, replace(last, cost=0.0))).status is PlanStatus.OPTIMAL
    assert planner.plan(problem, warm_start=None, deadline_s=AMPLE_S).status is PlanStatus.OPTIMAL


def test_a_plan_that_would_break_a_guardrail_is_not_left_to_the_next_cycle(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = lag(max_move=0.7, guard_above=4.0)
    problem = control_problem(model, latent=latent(model, 6.0), last_mv=np.array([0.0]))
    last = MpcPlanner(model).plan(problem, warm_start=None, deadline_s=AMPLE_S)
    asked = []
    ipopt = ladder.PlanningCall._ipopt
    monkeypatch.setattr(
        ladder.PlanningCall, "_ipopt", lambda call, best: asked.append(1) or ipopt(call, best)
    )
    plan = MpcPlanner(model, iterations=1).plan(
        problem, warm_start=replace(last, cost=1e6), deadline_s=AMPLE_S
    )
    assert asked
    assert plan.status is PlanStatus.INFEASIBLE


def test_a_plan_takes_at_least_one_iteration() -> None:
    with pytest.raises(SpecError, match="iterations is 0; a plan takes at least 1"):
        MpcPlanner(lag(), iterations=0)


@pytest.mark.parametrize(("promised", "rung"), [(1e3, "previous"), (0.0, "hold")])
def test_resting_is_looked_at_where_the_last_plan_is_a_surprise(
    promised: float, rung: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = lag()
    problem = control_problem(model, latent=latent(model, 5.0), last_mv=np.array([0.0]))
    last = MpcPlanner(model).plan(problem, warm_start=None, deadline_s=AMPLE_S)
    # At its setpoint the plant may rest; the last plan wants to leave it.
    last = replace(last, mv=np.full((20, 1), 2.0), cost=promised)
    begun = []
    sqp = ladder.PlanningCall._sqp
    monkeypatch.setattr(
        ladder.PlanningCall,
        "_sqp",
        lambda call, start, *rest: begun.append(start.rung) or sqp(call, start, *rest),
    )
    MpcPlanner(model).plan(problem, warm_start=last, deadline_s=AMPLE_S)
    assert begun[0] == rung
