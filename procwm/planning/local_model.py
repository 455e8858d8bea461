"""The program near one trajectory: a convex objective of quadratic pieces, under linear limits."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from procwm.planning.foresight import Point
from procwm.planning.linearisation import Trajectory
from procwm.planning.moves import MoveSpace
from procwm.planning.objective import Objective
from procwm.planning.problem import Multipliers
from procwm.planning.quadratic_program import Interval, Minimiser, QuadraticProgram, minimiser

_PIECES = 8
"""Quadratic programs at most: outputs enter and leave zones and limits within the linear model."""
_REPAIRS = (1.0, 0.5, 0.1, 0.0)
"""Share of what guardrails are exceeded by that a step is to remove; the next where one cannot be had."""
BACK_OFF = 3e-5
"""Guardrails are kept by this much, so that what is left of their curvature does not break them."""
_FLATTEST = 1e-8
"""Least curvature relative to the mean one; without a price on moves it may vanish."""


@dataclass(frozen=True, eq=False)
class Step:
    """A change of the knots and what the local model promises of it.

    Attributes:
        change: engineering units.
        decrease: of the objective.
        repaired: share of what guardrails are exceeded by that the step removes.
        multipliers: cost per unit of each limit.
        hessian: of the piece that the change lies on.
    """

    change: Float[np.ndarray, "knot mv"]
    decrease: float
    repaired: float
    multipliers: Multipliers
    hessian: Float[np.ndarray, "knot_mv knot_mv"]


class LocalModel:
    """Objective and limits near `point`, as functions of a change relative to `mv_span`.

    Outputs and guardrails change linearly; `bend` is the rest of the Lagrangian's Hessian, and `damping`,
    relative to the mean curvature, is added to it for shorter steps.
    """

    def __init__(
        self,
        objective: Objective,
        point: Point,
        bend: Float[np.ndarray, "knot_mv knot_mv"],
        damping: float,
    ) -> None:
        self._objective, self._point = objective, point
        self._knots: Float[np.ndarray, "knot mv"] = point.knots
        self._at: Trajectory = point.at
        self._bend, self._damping = bend, damping
        self._space: MoveSpace = self._at.space
        self._span = self._at.space.problem.mv_span

    def step(self) -> Step | None:
        """The step that repairs guardrails as far as it can; `None` where the solver has no answer."""
        for repaired in _REPAIRS if (self._point.guard > -BACK_OFF).any() else _REPAIRS[:1]:
            step = self._minimiser(repaired)
            if step is not None:
                return step
        return None

    def _minimiser(self, repaired: float) -> Step | None:
        """By a semi-smooth Newton method on the pieces."""
        best, change, limits = None, np.zeros(self._knots.size), self.limits(repaired)
        weight = self._objective.cv_curvature(self._at.cv)
        for _ in range(_PIECES):
            straight = self._straight(weight)
            hessian = self._convex(straight)
            gradient = self._gradient(weight, change)
            answer = minimiser(QuadraticProgram(hessian, gradient, self.bounds, self.matrix, limits))
            if answer is None:
                return best
            change = answer.x
            decrease = self._decrease(change, hessian - straight)
            if best is None or decrease > best.decrease:
                best = Step(self._engineering(change), decrease, repaired, self._multipliers(answer), hessian)
            before, weight = weight, self._objective.cv_curvature(self._cv(change))
            if np.array_equal(before, weight):
                break
        return best

    def _decrease(
        self, change: Float[np.ndarray, " knot_mv"], bend: Float[np.ndarray, "knot_mv knot_mv"]
    ) -> float:
        """Of the objective, where the Hessian is that of outputs which change linearly plus `bend`."""
        mv = self._at.mv + self._space.blocks.matrix @ self._engineering(change)
        after = self._objective.cost(self._cv(change), mv) + 0.5 * change @ bend @ change
        return float(self._point.cost - after)

    def _cv(self, change: Float[np.ndarray, " knot_mv"]) -> Float[np.ndarray, "horizon cv"]:
        cv: np.ndarray = self._at.cv + self._at.cv_slope @ change
        return cv

    def _engineering(self, change: Float[np.ndarray, " knot_mv"]) -> Float[np.ndarray, "knot mv"]:
        scaled: np.ndarray = change.reshape(self._knots.shape) * self._span
        return scaled

    def _gradient(
        self, weight: Float[np.ndarray, "horizon cv"], change: Float[np.ndarray, " knot_mv"]
    ) -> Float[np.ndarray, " knot_mv"]:
        """At no change, of the piece that `change` lies on."""
        cv, slope = self._cv(change), self._at.cv_slope.reshape(-1, self._knots.size)
        by_cv = self._objective.cv_slope(cv) - weight * (cv - self._at.cv)
        return np.asarray(slope.T @ by_cv.ravel() + self._mv_slope)

    def _straight(self, weight: Float[np.ndarray, "horizon cv"]) -> Float[np.ndarray, "knot_mv knot_mv"]:
        """The Gauss-Newton Hessian of a piece."""
        slope = self._at.cv_slope.reshape(-1, self._knots.size)
        hessian: np.ndarray = slope.T @ (weight.reshape(-1, 1) * slope) + self._mv_curvature
        hessian += _FLATTEST * (1.0 + np.trace(hessian) / len(hessian)) * np.eye(len(hessian))
        return np.asarray(hessian)

    def _convex(self, straight: Float[np.ndarray, "knot_mv knot_mv"]) -> Float[np.ndarray, "knot_mv knot_mv"]:
        """`straight` plus the bend, or as much of it as leaves the whole positive definite.

        Directions of negative curvature get the same amount of positive curvature, which makes for steps
        of a length that the model can be believed over; Dauphin et al., NIPS 2014.
        """
        damping = self._damping * np.trace(straight) / len(straight)
        whole = straight + self._bend + damping * np.eye(len(straight))
        try:
            np.linalg.cholesky(whole)
        except np.linalg.LinAlgError:
            values, vectors = np.linalg.eigh(whole)
            least = _FLATTEST * np.abs(values).max()
            whole = (vectors * np.maximum(np.abs(values), least)) @ vectors.T
        return np.asarray(whole)

    @cached_property
    def _mv_curvature(self) -> Float[np.ndarray, "knot_mv knot_mv"]:
        by_knot = self._space.blocks.moves_matrix
        weight = 2.0 * self._objective.move_weight * self._span**2
        curvature = (by_knot.T @ by_knot)[:, None, :, None] * np.diag(weight)[None, :, None, :]
        share, drawn = self._space.blocks.matrix, 2.0 * self._objective.rest_weight * self._span**2
        for mv in range(len(weight)):
            curvature[:, mv, :, mv] += share.T @ (drawn[:, [mv]] * share)
        return np.asarray(curvature.reshape(self._knots.size, self._knots.size))

    @cached_property
    def _mv_slope(self) -> Float[np.ndarray, " knot_mv"]:
        return mv_slope(self._objective, self._space, self._at.mv)

    def _multipliers(self, answer: Minimiser) -> Multipliers:
        moves, guards = np.split(answer.by_row, [self._knots.size])
        shape = self._knots.shape
        return Multipliers(
            answer.by_bound.reshape(shape), moves.reshape(shape), guards.reshape(self._point.guard.shape)
        )

    @cached_property
    def bounds(self) -> Interval:
        """On the change, from the MVs' limits."""
        low, high = self._space.low - self._knots, self._space.high - self._knots
        return Interval((low / self._span).ravel(), (high / self._span).ravel())

    @cached_property
    def matrix(self) -> Float[np.ndarray, "row knot_mv"]:
        """From the change to moves over each block, then to guardrails at every row."""
        return np.vstack((self._space.knot_moves, self._at.guard_slope.reshape(-1, self._knots.size)))

    def limits(self, repaired: float) -> Interval:
        """On `matrix @ change`: largest moves, and guardrails of which a share of the excess is to go."""
        moves = self._space.moves(self._knots)
        low, high = (-self._space.reach - moves) / self._span, (self._space.reach - moves) / self._span
        excess = (self._point.guard + BACK_OFF).ravel()
        room = -np.where(excess > 0.0, repaired * excess, excess)
        return Interval(
            np.concatenate((low.ravel(), np.full(room.shape, -np.inf))), np.concatenate((high.ravel(), room))
        )


def mv_slope(
    objective: Objective, space: MoveSpace, mv: Float[np.ndarray, "horizon mv"]
) -> Float[np.ndarray, " knot_mv"]:
    """Gradient by the knots, relative to `mv_span`, of what moves cost, and distances from where MVs rest."""
    by_knot = space.blocks.moves_matrix.T @ space.moves(mv)
    span = space.problem.mv_span
    slope: np.ndarray = 2.0 * objective.move_weight * span * by_knot
    drawn = space.blocks.matrix.T @ (objective.rest_weight * (mv - objective.rest))
    return np.asarray((slope + 2.0 * span * drawn).ravel())
