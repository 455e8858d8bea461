"""What to do in a cycle without a usable plan: the last good plan's tail, hold, recover, or shed.

Every rung is rolled out from the present latent and goes through the gate like a fresh plan. Holding is not
safe by itself. The tail is used for a quarter of the horizon at most: it was made for a plant that has since
moved on.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from procwm.control.gate import Gate
from procwm.planning.prediction import GUARD_TOLERANCE, Prediction
from procwm.planning.problem import ControlProblem, Plan, PlanStatus

RUNGS = {
    "tail": "following the last good plan",
    "hold": "holding, which is predicted safe",
    "recovery": "a guardrail is broken already; following the plan that breaks it least",
}
"""What an operator reads, by name of the rung."""

_TAIL_SHARE = 0.25

Predict = Callable[[Float[np.ndarray, "batch horizon mv"]], Prediction]


@dataclass(frozen=True, eq=False)
class Rung:
    """A trajectory to fall back on.

    Attributes:
        name: a key of `RUNGS`.
        plan: the trajectory, with what it is predicted to do.
    """

    name: str
    plan: Plan


def fallback(
    problem: ControlProblem,
    predict: Predict,
    gate: Gate,
    *,
    last_good: Plan | None,
    age: int,
    offered: Plan | None,
) -> Rung | None:
    """The first rung that holds, or `None`: shed.

    Args:
        problem: of this cycle.
        predict: rolls trajectories out.
        gate: what every rung must pass.
        last_good: the last plan written, made `age` cycles ago.
        age: cycles since `last_good` was made.
        offered: what the planner came up with, usable or not.
    """
    for name, mv in _safe_candidates(problem, last_good, age):
        if gate.limits_refusal(mv, problem) is None:
            prediction = predict(mv[None])
            if gate.prediction_refusal(prediction) is None:
                return Rung(name, _plan(name, prediction))
    return _recovery(problem, predict, gate, offered)


def hold(problem: ControlProblem) -> Float[np.ndarray, "horizon mv"]:
    """MVs where they are, or at the nearest level where they have some."""
    return np.repeat(problem.on_levels(problem.last_mv)[None], problem.horizon, axis=0)


def _safe_candidates(
    problem: ControlProblem, last_good: Plan | None, age: int
) -> Iterator[tuple[str, Float[np.ndarray, "horizon mv"]]]:
    if last_good is not None and 0 < age <= max(1, round(_TAIL_SHARE * problem.horizon)):
        rest = last_good.mv[age:]
        if len(rest):
            yield "tail", np.concatenate((rest, np.repeat(rest[-1:], problem.horizon - len(rest), axis=0)))
    yield "hold", hold(problem)


def _recovery(problem: ControlProblem, predict: Predict, gate: Gate, offered: Plan | None) -> Rung | None:
    """The planner's least unsafe plan, where holding breaks a guardrail and the plan breaks it less.

    When a guardrail is broken already, no plan is safe, and doing nothing is one of the worst. The plan may
    be used if it keeps every hard limit, is nowhere worse than the worst of holding, and breaks guardrails by
    strictly less over the horizon. (The worst moment itself is often the present, which no plan can change.)
    """
    if offered is None or offered.status is not PlanStatus.INFEASIBLE:
        return None
    if gate.limits_refusal(offered.mv, problem) is not None:
        return None
    prediction = predict(np.stack((hold(problem), offered.mv)))
    if not prediction.finite.all() or not prediction.guard.size:
        return None
    worst_holding, worst = prediction.guard.max(axis=(1, 2))
    holding, broken = prediction.violation
    if worst > worst_holding + GUARD_TOLERANCE or not broken < holding - GUARD_TOLERANCE:
        return None
    chosen = Prediction(prediction.mv[1:], prediction.cv[1:], prediction.guard[1:], prediction.cost[1:])
    return Rung("recovery", _plan("recovery", chosen))


def _plan(rung: str, prediction: Prediction) -> Plan:
    status = PlanStatus.INFEASIBLE if rung == "recovery" else PlanStatus.FEASIBLE
    return Plan(
        status=status,
        mv=prediction.mv[0],
        cv=prediction.cv[0],
        guard=prediction.guard[0],
        cost=float(prediction.cost[0]),
        solve_s=0.0,
        rung=rung,
    )
