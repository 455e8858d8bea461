"""What a plan costs, in engineering units: tracking, zones, softened limits and moves."""

from dataclasses import dataclass
from functools import cached_property, lru_cache

import numpy as np
from jaxtyping import Bool, Float

from procwm.planning.problem import ControlProblem

REST_WEIGHT = 0.01
"""Weight of an MV's squared distance from where it is to rest, relative to its span."""
LIMIT_PENALTY = 100.0
"""Weight of the squared violation of an output's limit, relative to its span."""


@dataclass(frozen=True, eq=False)
class Objective:
    """Squared distances of outputs to goals and limits, and of MVs to where they were and are to rest:

        sum goal_weight e(cv, goal)^2 + limit_weight e(cv, limits)^2
            + move_weight move^2 + rest_weight (mv - rest)^2

    `e(x, [low, high]) = x - clip(x, low, high)` is the distance to an interval; a setpoint is an interval
    of no width. The sum runs over the rows of the horizon. Engineering units; weights are per squared unit.

    Attributes:
        goal_low, goal_high: setpoint, or zone where there is no setpoint, or -inf and +inf.
        goal_weight: 0 where there is neither.
        low, high: operating limits, -inf and +inf where there are none.
        limit_weight: 0 where there are none.
        last_mv: what the first move is counted from.
        move_weight: of every MV's squared move.
        rest: where MVs are drawn to.
        rest_weight: 0 where an MV is drawn nowhere.
    """

    goal_low: Float[np.ndarray, "horizon output"]
    goal_high: Float[np.ndarray, "horizon output"]
    goal_weight: Float[np.ndarray, "horizon output"]
    low: Float[np.ndarray, "*rows output"]
    high: Float[np.ndarray, "*rows output"]
    limit_weight: Float[np.ndarray, "horizon output"]
    last_mv: Float[np.ndarray, " mv"]
    move_weight: Float[np.ndarray, " mv"]
    rest: Float[np.ndarray, " mv"]
    rest_weight: Float[np.ndarray, "horizon mv"]

    @cached_property
    def _intervals(self) -> tuple[Float[np.ndarray, "2 horizon output"], ...]:
        """Low ends, high ends and weights of goals, and then of limits."""
        low, high, weight = np.empty((3, 2, *self.goal_weight.shape))
        low[0], high[0], weight[0] = self.goal_low, self.goal_high, self.goal_weight
        low[1], high[1], weight[1] = self.low, self.high, self.limit_weight
        return low, high, weight

    @cached_property
    def draws(self) -> bool:
        """Whether an MV is drawn anywhere."""
        return bool(self.rest_weight.any())

    def cost(
        self, cv: Float[np.ndarray, "*batch horizon output"], mv: Float[np.ndarray, "*batch horizon mv"]
    ) -> Float[np.ndarray, "*batch"]:
        """Cost of each trajectory; non-finite where its outputs are."""
        low, high, weight = self._intervals
        away = excess(cv[..., None, :, :], low, high)
        away *= away
        away *= weight
        moved = mv.copy()
        moved[..., 1:, :] -= mv[..., :-1, :]
        moved[..., 0, :] -= self.last_mv
        moved *= moved
        moved *= self.move_weight
        if self.draws:
            moved += self.rest_weight * (mv - self.rest) ** 2
        return np.asarray(away.sum(axis=(-3, -2, -1)) + moved.sum(axis=(-2, -1)))

    def cv_slope(
        self, cv: Float[np.ndarray, "*batch horizon output"]
    ) -> Float[np.ndarray, "*batch horizon output"]:
        """Derivative of the cost by every output."""
        low, high, weight = self._intervals
        slope = excess(cv[..., None, :, :], low, high)
        slope *= weight
        return np.asarray(2.0 * slope.sum(axis=-3))

    def cv_curvature(
        self, cv: Float[np.ndarray, "*batch horizon output"]
    ) -> Float[np.ndarray, "*batch horizon output"]:
        """Second derivative of the cost by every output; it jumps where an output leaves an interval."""
        low, high, weight = self._intervals
        at = cv[..., None, :, :]
        outside = (at < low) | (at > high)
        outside[..., 0, :, :] |= self._point
        return np.asarray(2.0 * (outside * weight).sum(axis=-3))

    @cached_property
    def _point(self) -> Bool[np.ndarray, "horizon output"]:
        """Goals that are intervals of no width."""
        return np.asarray(self.goal_low == self.goal_high)


def excess(
    value: Float[np.ndarray, "*rows output"],
    low: Float[np.ndarray, "..."],
    high: Float[np.ndarray, "..."],
) -> Float[np.ndarray, "..."]:
    """Signed distance of `value` to the interval `[low, high]`; 0 inside. All three are broadcast."""
    distance: np.ndarray = value - np.minimum(np.maximum(value, low), high)
    return distance


@lru_cache
def row_weights(horizon: int) -> Float[np.ndarray, " horizon"]:
    """1 for every row, more for the last: it also stands for what comes after the horizon.

    An error that decays with a time constant of a quarter of the horizon has squares that sum to an eighth
    of the horizon times its last square. Without this a short horizon may leave the CV short of its setpoint.
    """
    weights = np.ones(horizon)
    weights[-1] += horizon / 8.0
    weights.setflags(write=False)
    return weights


def objective(problem: ControlProblem) -> Objective:
    """The objective of `problem`."""
    tracked = np.isfinite(problem.target)
    goal_low = np.where(tracked, problem.target, problem.zone_low)
    goal_high = np.where(tracked, problem.target, problem.zone_high)
    has_goal = tracked | np.isfinite(problem.zone_low) | np.isfinite(problem.zone_high)
    has_limits = np.isfinite(problem.low) | np.isfinite(problem.high)
    rows = row_weights(problem.horizon)[:, None]
    rest = np.full(problem.last_mv.shape, np.nan) if problem.rest is None else problem.rest
    drawn = np.isfinite(rest)
    back_off = 0.0 if problem.back_off is None else problem.back_off
    return Objective(
        goal_low=goal_low,
        goal_high=goal_high,
        goal_weight=rows * np.where(has_goal, problem.weight / problem.span**2, 0.0),
        low=problem.low + back_off,
        high=problem.high - back_off,
        limit_weight=rows * np.where(has_limits, LIMIT_PENALTY / problem.span**2, 0.0),
        last_mv=problem.last_mv,
        move_weight=problem.move_weight / problem.mv_span**2,
        rest=np.where(drawn, rest, 0.0),
        rest_weight=rows * np.where(drawn, REST_WEIGHT / problem.mv_span**2, 0.0),
    )
