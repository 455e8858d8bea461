"""Sequential quadratic programming over the knots alone: states are eliminated, curvature is exact.

Every iteration differentiates all intervals in one batch and minimises a convex model of the Lagrangian
under linear limits and linearised guardrails. A line search on the objective plus an exact penalty on
guardrails, and damping where that fails, make sure that it gets somewhere. It stops where the optimality
conditions hold at the new point, which one sweep of costates shows without another linearisation. Nocedal
and Wright, Numerical Optimization (2006), chapter 18; the condensed form is that of Bock and Plitt (IFAC
1984); a single iteration from the last plan is the real-time iteration of Diehl et al. (2005).
"""

import time
from collections.abc import Callable

import numpy as np
from jaxtyping import Float
from scipy.linalg.lapack import dposv

from procwm.planning.foresight import BACK_OFF, Foresight, Point
from procwm.planning.local_model import LocalModel, Step, mv_slope
from procwm.planning.problem import Multipliers, Optimality
from procwm.planning.quadratic_program import Interval, room_for
from procwm.planning.solution import Solution, Stop

ITERATIONS = 30
"""At most."""
_SHORTER = 0.5 ** np.arange(1, 7)
"""Step lengths tried where the full step is not good."""
_DAMPING = (0.01, 100.0)
"""The first that is tried, and the last; each is ten times the one before."""
_SUFFICIENT = 1e-4
"""Share of the promised decrease that a step must achieve."""
_RELATIVE, _ABSOLUTE = 1e-4, 1e-9
"""An optimum is where no more than this can be gained, relative to the cost and in all."""


def negligible(cost: float) -> float:
    """What need not be gained from a plan of `cost` before it is called optimal."""
    return _RELATIVE * cost + _ABSOLUTE


class SequentialProgram:
    """The program of `nlp.Program`, recovery excepted, with the knots as its only variables."""

    def __init__(self, *, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock, self._longest_s = clock, 0.0

    def solve(
        self,
        foresight: Foresight,
        start: Float[np.ndarray, "knot mv"],
        *,
        deadline: float,
        iterations: int = ITERATIONS,
    ) -> Solution:
        """The best plan near `start`.

        Args:
            foresight: the problem.
            start: knots to begin from, engineering units.
            deadline: of the clock; no iteration is begun that would pass it.
            iterations: after which a plan that keeps guardrails is good enough.
        """
        search = _Search(foresight)
        point, damping = foresight.point(start), 0.0
        optimality, guards, costate = None, np.zeros_like(point.guard), None
        for iteration in range(ITERATIONS):
            began = self._clock()
            if began + self._longest_s > deadline:
                # One slow iteration must not keep later cycles from trying.
                self._longest_s *= 0.8
                return Solution(point.knots, Stop.DEADLINE, iteration, optimality)
            costate = costate if costate is not None else search.costate(point, guards, sweep=False)
            bend = point.at.curvature(costate, guards)
            while True:
                step = LocalModel(foresight.objective, point, bend, damping).step()
                if step is None:
                    return Solution(point.knots, Stop.NO_STEP, iteration, optimality)
                following = search.along(point, step)
                if following is not None or damping >= _DAMPING[1]:
                    break
                damping = max(_DAMPING[0], 10.0 * damping)
            guards = step.multipliers[2 * start.size :].reshape(guards.shape)
            if following is None:
                optimality = search.optimality(point, step, search.costate(point, guards, sweep=False))
                stop = Stop.OPTIMAL if search.finished(point, optimality) else Stop.STALLED
                return Solution(point.knots, stop, iteration, optimality)
            point, costate = following, search.costate(following, guards, sweep=True)
            optimality = search.optimality(point, step, costate)
            if search.finished(point, optimality):
                return Solution(point.knots, Stop.OPTIMAL, iteration + 1, optimality)
            if iteration + 1 >= iterations and point.violation == 0.0:
                return Solution(point.knots, Stop.ITERATIONS, iteration + 1, optimality)
            damping = damping / 10.0 if damping > _DAMPING[0] else 0.0
            self._longest_s = max(0.8 * self._longest_s, self._clock() - began)
        return Solution(point.knots, Stop.ITERATIONS, ITERATIONS, optimality)


class _Search:
    """One call of the program: line search and the check for an optimum."""

    def __init__(self, foresight: Foresight) -> None:
        self._foresight = foresight
        self._price = 0.0

    def costate(
        self, point: Point, guards: Float[np.ndarray, "horizon guard"], *, sweep: bool
    ) -> Float[np.ndarray, "horizon latent"]:
        """Gradient of the Lagrangian by each latent state."""
        return point.at.pulled_back(self._foresight.objective.cv_slope(point.at.cv), guards, sweep=sweep)

    def along(self, point: Point, step: Step) -> Point | None:
        """A point along `step` that is good enough; `None` where there is none."""
        self._price = max(self._price, 2.0 * float(step.multipliers[2 * point.knots.size :].max(initial=0.0)))
        promised = step.decrease + self._price * step.repaired * point.excess
        if promised <= 0.0:
            return None
        before = self._merit(point)
        full = self._foresight.point(point.knots + step.change)
        if self._merit(full) <= before - _SUFFICIENT * promised:
            return full
        tried = self._foresight.points(point.knots + _SHORTER[:, None, None] * step.change)
        good = [
            other
            for length, other in zip(_SHORTER, tried, strict=True)
            if self._merit(other) <= before - _SUFFICIENT * length * promised
        ]
        return min(good, key=self._merit, default=None)

    def _merit(self, point: Point) -> float:
        return point.cost + self._price * point.excess if point.finite else np.inf

    def finished(self, point: Point, optimality: Optimality) -> bool:
        """Whether `point` keeps every limit and nothing worth having can be gained."""
        return point.broken == 0.0 and optimality.gap <= negligible(point.cost)

    def optimality(
        self, point: Point, step: Step, costate: Float[np.ndarray, "horizon latent"]
    ) -> Optimality:
        """The conditions at `point`, with the multipliers and the Hessian of `step`."""
        space, multipliers, size = self._foresight.space, step.multipliers, point.knots.size
        by_bound, by_move, by_guard = (
            multipliers[:size],
            multipliers[size : 2 * size],
            multipliers[2 * size :],
        )
        slope = point.at.knot_slope(costate) + mv_slope(self._foresight.objective, space, point.at.mv)
        pushed = multipliers.nonzero()[0]
        if len(pushed):
            slope += by_bound + by_move.dot(space.blocks.of(point.knots.shape[1]).moves)
        _, solved, indefinite = dposv(step.hessian, slope)
        gap = np.inf if indefinite else 0.5 * float(slope.dot(solved))
        if len(pushed):
            value = np.concatenate((point.hard_values, point.guard.ravel()))
            room = room_for(value, self._limits(point), multipliers, pushed)
            gap += float(np.abs(multipliers[pushed]).dot(np.abs(room)))
        return Optimality(
            float(np.abs(slope).max()),
            gap,
            Multipliers(
                by_bound.reshape(point.knots.shape),
                by_move.reshape(point.knots.shape),
                by_guard.reshape(point.guard.shape),
            ),
        )

    def _limits(self, point: Point) -> Interval:
        """Hard limits, and then those of guardrails at every row."""
        hard, guards = self._foresight.space.hard, point.guard.size
        return Interval(
            np.concatenate((hard.low, np.full(guards, -np.inf))),
            np.concatenate((hard.high, np.full(guards, -BACK_OFF))),
        )
