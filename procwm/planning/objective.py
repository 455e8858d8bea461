"""What a plan costs, in engineering units: tracking, zones, softened limits and moves."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

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

    goal_low: Float[np.ndarray, "horizon cv"]
    goal_high: Float[np.ndarray, "horizon cv"]
    goal_weight: Float[np.ndarray, "horizon cv"]
    low: Float[np.ndarray, "*rows cv"]
    high: Float[np.ndarray, "*rows cv"]
    limit_weight: Float[np.ndarray, "horizon cv"]
    last_mv: Float[np.ndarray, " mv"]
    move_weight: Float[np.ndarray, " mv"]
    rest: Float[np.ndarray, " mv"]
    rest_weight: Float[np.ndarray, "horizon mv"]

    def cost(
        self, cv: Float[np.ndarray, "*batch horizon cv"], mv: Float[np.ndarray, "*batch horizon mv"]
    ) -> Float[np.ndarray, "*batch"]:
        """Cost of each trajectory; non-finite where its outputs are."""
        goal = self.goal_weight * excess(cv, self.goal_low, self.goal_high) ** 2
        limits = self.limit_weight * excess(cv, self.low, self.high) ** 2
        first = self.move_weight * (mv[..., 0, :] - self.last_mv) ** 2
        later = self.move_weight * np.diff(mv, axis=-2) ** 2
        total: np.ndarray = (goal + limits).sum(axis=(-1, -2)) + first.sum(axis=-1) + later.sum(axis=(-1, -2))
        total += (self.rest_weight * (mv - self.rest) ** 2).sum(axis=(-1, -2))
        return np.asarray(total)

    def cv_slope(self, cv: Float[np.ndarray, "*batch horizon cv"]) -> Float[np.ndarray, "*batch horizon cv"]:
        """Derivative of the cost by every output."""
        goal = self.goal_weight * excess(cv, self.goal_low, self.goal_high)
        return np.asarray(2.0 * (goal + self.limit_weight * excess(cv, self.low, self.high)))

    def cv_curvature(
        self, cv: Float[np.ndarray, "*batch horizon cv"]
    ) -> Float[np.ndarray, "*batch horizon cv"]:
        """Second derivative of the cost by every output; it jumps where an output leaves an interval."""
        point = self.goal_low == self.goal_high
        goal = point | (cv < self.goal_low) | (cv > self.goal_high)
        limits = (cv < self.low) | (cv > self.high)
        return np.asarray(
            2.0 * (np.where(goal, self.goal_weight, 0.0) + np.where(limits, self.limit_weight, 0.0))
        )


def excess(
    value: Float[np.ndarray, "*rows cv"],
    low: Float[np.ndarray, "..."],
    high: Float[np.ndarray, "..."],
) -> Float[np.ndarray, "*rows cv"]:
    """Signed distance of `value` to the interval `[low, high]`, which is broadcast; 0 inside."""
    distance: np.ndarray = value - np.minimum(np.maximum(value, low), high)
    return distance


def row_weights(horizon: int) -> Float[np.ndarray, " horizon"]:
    """1 for every row, more for the last: it also stands for what comes after the horizon.

    An error that decays with a time constant of a quarter of the horizon has squares that sum to an eighth
    of the horizon times its last square. Without this a short horizon may leave the CV short of its setpoint.
    """
    weights = np.ones(horizon)
    weights[-1] += horizon / 8.0
    return weights


def objective(problem: ControlProblem) -> Objective:
    """The objective of `problem`."""
    tracked = np.isfinite(problem.target)
    goal_low = np.where(tracked, problem.target, problem.zone_low)
    goal_high = np.where(tracked, problem.target, problem.zone_high)
    has_goal = np.isfinite(goal_low) | np.isfinite(goal_high)
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
