"""Sequential quadratic programming over the knots alone: states are eliminated, curvature is exact.

Every iteration differentiates all intervals in one batch and minimises a convex model of the Lagrangian
under linear limits and linearised guardrails. A line search on the objective plus an exact penalty on
guardrails, and damping where that fails, make sure that it gets somewhere. It stops where the optimality
conditions hold at the new point, which one sweep of costates shows without another linearisation. Nocedal
and Wright, Numerical Optimization (2006), chapter 18; the condensed form is that of Bock and Plitt (IFAC
1984); a single iteration from the last plan is the real-time iteration of Diehl et al. (2005).
"""

import time
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from procwm.planning.linearisation import Trajectory, guard_values, imagine, outputs
from procwm.planning.local_model import BACK_OFF, LocalModel, Step, moves_slope
from procwm.planning.moves import MoveSpace
from procwm.planning.objective import Objective
from procwm.planning.problem import Optimality
from procwm.planning.quadratic_program import Interval, room_for
from procwm.planning.solution import Solution, Stop
from procwm.planning.transcription import Transcript

_ITERATIONS = 30
_SHORTER = 0.5 ** np.arange(1, 7)
"""Step lengths tried where the full step is not good."""
_DAMPING = (0.01, 100.0)
"""The first that is tried, and the last; each is ten times the one before."""
_SUFFICIENT = 1e-4
"""Share of the promised decrease that a step must achieve."""
_RELATIVE, _ABSOLUTE = 3e-5, 1e-9
"""An optimum is where no more than this can be gained, relative to the cost and in all."""


@dataclass(frozen=True, eq=False)
class _Point:
    """Knots and what they lead to."""

    knots: Float[np.ndarray, "knot mv"]
    at: Trajectory
    cost: float
    broken: float


class SequentialProgram:
    """The program of `nlp.Program`, recovery excepted, with the knots as its only variables."""

    def __init__(self, transcript: Transcript) -> None:
        self._transcript = transcript
        self._longest_s = 0.0

    def solve(
        self,
        space: MoveSpace,
        objective: Objective,
        start: Float[np.ndarray, "knot mv"],
        *,
        deadline: float,
    ) -> Solution:
        """The best plan near `start`.

        Args:
            space: limits of the MVs, and the problem.
            objective: what to minimise.
            start: knots to begin from, engineering units.
            deadline: of `time.perf_counter()`; no iteration is begun that would pass it.
        """
        search = _Search(self._transcript, space, objective)
        (point,) = search.points(start[None])
        optimality, guards, damping = None, np.zeros_like(point.at.guard), 0.0
        for iteration in range(_ITERATIONS):
            began = time.perf_counter()
            if began + self._longest_s > deadline:
                # One slow iteration must not keep later cycles from trying.
                self._longest_s *= 0.8
                return Solution(point.knots, Stop.DEADLINE, iteration, optimality)
            bend = search.bend(point, guards)
            while True:
                step = LocalModel(objective, point.knots, point.at, bend, damping).step()
                if step is None:
                    return Solution(point.knots, Stop.NO_STEP, iteration, optimality)
                guards = step.multipliers.guard
                following = search.along(point, step)
                if following is not None or damping >= _DAMPING[1]:
                    break
                damping = max(_DAMPING[0], 10.0 * damping)
            if following is None:
                optimality = search.optimality(point, step)
                stop = Stop.OPTIMAL if search.finished(point, optimality) else Stop.STALLED
                return Solution(point.knots, stop, iteration, optimality)
            point, optimality = following, search.optimality(following, step)
            if search.finished(point, optimality):
                return Solution(point.knots, Stop.OPTIMAL, iteration + 1, optimality)
            damping = damping / 10.0 if damping > _DAMPING[0] else 0.0
            self._longest_s = max(0.8 * self._longest_s, time.perf_counter() - began)
        return Solution(point.knots, Stop.ITERATIONS, _ITERATIONS, optimality)


class _Search:
    """One call of the program: evaluation, line search and the check for an optimum."""

    def __init__(self, transcript: Transcript, space: MoveSpace, objective: Objective) -> None:
        self._transcript, self._space, self._objective = transcript, space, objective
        self._price = 0.0

    def points(self, knots: Float[np.ndarray, "batch knot mv"]) -> list[_Point]:
        """What each of `knots` leads to; cost is +inf where that is not finite."""
        mv = self._space.expand(knots)
        latent = imagine(self._transcript, self._space.problem, mv)
        cost = self._objective.cost(outputs(self._transcript, self._space.problem, latent), mv)
        guard = guard_values(self._transcript, latent)
        broken = np.where(guard > 0.0, guard, 0.0).sum(axis=(-1, -2))
        cost = np.where(np.isfinite(cost) & np.isfinite(broken), cost, np.inf)
        return [
            _Point(one, Trajectory(self._transcript, self._space, moved, states), float(price), float(much))
            for one, moved, states, price, much in zip(knots, mv, latent, cost, broken, strict=True)
        ]

    def bend(
        self, point: _Point, guards: Float[np.ndarray, "horizon guard"]
    ) -> Float[np.ndarray, "knot_mv knot_mv"]:
        """What the model's bends add to the Hessian of the Lagrangian."""
        costate = point.at.pulled_back(self._objective.cv_slope(point.at.cv), guards)
        return point.at.curvature(costate, guards)

    def along(self, point: _Point, step: Step) -> _Point | None:
        """A point along `step` that is good enough; `None` where there is none."""
        self._price = max(self._price, 2.0 * float(step.multipliers.guard.max(initial=0.0)))
        promised = step.decrease + self._price * step.repaired * point.broken
        if promised <= 0.0:
            return None
        before = self._merit(point)
        (full,) = self.points((point.knots + step.change)[None])
        if self._merit(full) <= before - _SUFFICIENT * promised:
            return full
        tried = self.points(point.knots + _SHORTER[:, None, None] * step.change)
        good = [
            other
            for length, other in zip(_SHORTER, tried, strict=True)
            if self._merit(other) <= before - _SUFFICIENT * length * promised
        ]
        return min(good, key=self._merit, default=None)

    def _merit(self, point: _Point) -> float:
        return point.cost + (self._price * point.broken if point.cost < np.inf else 0.0)

    def finished(self, point: _Point, optimality: Optimality) -> bool:
        """Whether `point` keeps every limit and nothing worth having can be gained."""
        return point.broken == 0.0 and optimality.gap <= _RELATIVE * point.cost + _ABSOLUTE

    def optimality(self, point: _Point, step: Step) -> Optimality:
        """The conditions at `point`, with the multipliers and the Hessian of `step`."""
        space, objective, multipliers = self._space, self._objective, step.multipliers
        span, last_mv = space.problem.mv_span, space.problem.last_mv
        costate = point.at.pulled_back(objective.cv_slope(point.at.cv), multipliers.guard)
        pushed = multipliers.range + multipliers.move
        pushed[:-1] -= multipliers.move[1:]
        slope = point.at.knot_slope(costate) + moves_slope(objective, space, point.at.mv) + pushed.ravel()
        moves = np.diff(point.knots, axis=0, prepend=last_mv[None])
        gap = 0.5 * float(slope @ np.linalg.solve(step.hessian, slope)) + sum(
            float((np.abs(multiplier) * np.abs(room_for(values, limits, multiplier))).sum())
            for multiplier, values, limits in (
                (multipliers.range, point.knots / span, Interval(space.low / span, space.high / span)),
                (multipliers.move, moves / span, Interval(-space.reach / span, space.reach / span)),
                (multipliers.guard, point.at.guard, _below(point.at.guard)),
            )
        )
        return Optimality(float(np.abs(slope).max()), gap, multipliers)


def _below(guard: Float[np.ndarray, "horizon guard"]) -> Interval:
    return Interval(np.full(guard.shape, -np.inf), np.full(guard.shape, -BACK_OFF))
