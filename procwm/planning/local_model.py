"""The program near one trajectory: a convex objective of quadratic pieces, under linear limits."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float
from scipy.linalg.lapack import dpotrf

from procwm.planning.foresight import BACK_OFF, Point
from procwm.planning.linearisation import LatentTrajectory
from procwm.planning.moves import MoveSpace
from procwm.planning.objective import Objective
from procwm.planning.quadratic_program import Interval, QuadraticProgram, minimiser

_PIECES = 8
"""Quadratic programs at most: outputs enter and leave zones and limits within the linear model."""
_REPAIRS = (1.0, 0.5, 0.1, 0.0)
"""Share of what guardrails are exceeded by that a step is to remove; the next where one cannot be had."""
_FLATTEST = 1e-8
"""Least curvature relative to the mean one; without a price on moves it may vanish."""


@dataclass(frozen=True, eq=False)
class Step:
    """A change of the knots and what the local model promises of it.

    Attributes:
        change: engineering units.
        decrease: of the objective.
        repaired: share of what guardrails are exceeded by that the step removes.
        multipliers: cost per unit of each limit: MV limits, largest moves, guardrails.
        hessian: of the piece that the change lies on.
    """

    change: Float[np.ndarray, "knot mv"]
    decrease: float
    repaired: float
    multipliers: Float[np.ndarray, " limit"]
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
        self._at: LatentTrajectory = point.at
        self._bend, self._damping = bend, damping
        self._space: MoveSpace = self._at.space
        self._span = self._at.space.problem.mv_span
        self._size = point.knots.size
        self._slope = self._at.cv_slope.reshape(-1, self._size)

    def step(self) -> Step | None:
        """The step that repairs guardrails as far as it can; `None` where the solver has no answer."""
        for repaired in _REPAIRS if (self._point.guard > -BACK_OFF).any() else _REPAIRS[:1]:
            step = self._minimiser(repaired)
            if step is not None:
                return step
        return None

    def _minimiser(self, repaired: float) -> Step | None:
        """By a semi-smooth Newton method on the pieces."""
        best, limits, objective = None, self.limits(repaired), self._objective
        here = cv = self._at.cv
        weight = objective.cv_curvature(here)
        for piece in range(_PIECES):
            straight = self._straight(weight)
            flattest = _FLATTEST * (1.0 + straight.trace() / self._size)
            straight.flat[:: self._size + 1] += flattest
            hessian = self._convex(straight)
            # At no change, of the piece that the last change lies on.
            by_cv = objective.cv_slope(cv) if cv is here else objective.cv_slope(cv) - weight * (cv - here)
            gradient = by_cv.ravel().dot(self._slope) + self._mv_slope
            answer = minimiser(QuadraticProgram(hessian, gradient, self.matrix, limits))
            if answer is None:
                return best
            change = answer.x
            cv = here + self._slope.dot(change).reshape(here.shape)
            before, weight = weight, objective.cv_curvature(cv)
            same = bool((before == weight).all())
            if same and piece == 0:
                # One piece from end to end: the program's own value, but for what makes it definite.
                decrease = float(
                    0.5 * flattest * change.dot(change) - change.dot(gradient + 0.5 * hessian.dot(change))
                )
            else:
                decrease = self._decrease(change, cv, hessian - straight)
            if best is None or decrease > best.decrease:
                best = Step(
                    change.reshape(self._point.knots.shape) * self._span,
                    decrease,
                    repaired,
                    answer.multipliers,
                    hessian,
                )
            if same:
                break
        return best

    def _decrease(
        self,
        change: Float[np.ndarray, " knot_mv"],
        cv: Float[np.ndarray, "horizon output"],
        bend: Float[np.ndarray, "knot_mv knot_mv"],
    ) -> float:
        """Of the objective, where the Hessian is that of outputs which change linearly plus `bend`."""
        moved = self._space.blocks.matrix @ (change.reshape(self._point.knots.shape) * self._span)
        after = self._objective.cost(cv, self._at.mv + moved) + 0.5 * change @ bend @ change
        return float(self._point.cost - after)

    def _straight(self, weight: Float[np.ndarray, "horizon output"]) -> Float[np.ndarray, "knot_mv knot_mv"]:
        """The Gauss-Newton Hessian of a piece."""
        hessian: np.ndarray = self._slope.T.dot(weight.reshape(-1, 1) * self._slope)
        hessian += self._mv_curvature
        return hessian

    def _convex(self, straight: Float[np.ndarray, "knot_mv knot_mv"]) -> Float[np.ndarray, "knot_mv knot_mv"]:
        """`straight` plus the bend, or as much of it as leaves the whole positive definite.

        Directions of negative curvature get the same amount of positive curvature, which makes for steps
        of a length that the model can be believed over; Dauphin et al., NIPS 2014.
        """
        whole: np.ndarray = straight + self._bend
        if self._damping:
            whole.flat[:: self._size + 1] += self._damping * straight.trace() / self._size
        _, indefinite = dpotrf(whole)
        if indefinite:
            values, vectors = np.linalg.eigh(whole)
            least = _FLATTEST * np.abs(values).max()
            whole = (vectors * np.maximum(np.abs(values), least)) @ vectors.T
        return whole

    @cached_property
    def _mv_curvature(self) -> Float[np.ndarray, "knot_mv knot_mv"]:
        objective, blocks, mvs = self._objective, self._space.blocks, len(self._span)
        price = 2.0 * objective.move_weight * self._span**2
        curvature = blocks.of(mvs).gram.reshape(self._size, -1, mvs) * price
        if objective.draws:
            share, drawn = blocks.matrix, 2.0 * objective.rest_weight * self._span**2
            each = curvature.reshape(-1, mvs, len(blocks.lengths), mvs)
            for mv in range(mvs):
                each[:, mv, :, mv] += share.T @ (drawn[:, [mv]] * share)
        return np.asarray(curvature.reshape(self._size, self._size))

    @cached_property
    def _mv_slope(self) -> Float[np.ndarray, " knot_mv"]:
        return mv_slope(self._objective, self._space, self._at.mv)

    @cached_property
    def matrix(self) -> Float[np.ndarray, "row knot_mv"]:
        """From the change to moves over each block, then to guardrails at every row."""
        moves = self._space.blocks.of(len(self._span)).moves
        return np.concatenate((moves, self._at.guard_slope.reshape(-1, self._size)))

    def limits(self, repaired: float) -> Interval:
        """On the change and on `matrix @ change`: MV limits, largest moves, and guardrails of which a share
        of the excess is to go."""
        hard, now = self._space.hard, self._point.hard_values
        excess = (self._point.guard + BACK_OFF).ravel()
        room = -excess if repaired == 1.0 else -np.where(excess > 0.0, repaired * excess, excess)
        return Interval(
            np.concatenate((hard.low - now, np.full(room.shape, -np.inf))),
            np.concatenate((hard.high - now, room)),
        )


def mv_slope(
    objective: Objective, space: MoveSpace, mv: Float[np.ndarray, "horizon mv"]
) -> Float[np.ndarray, " knot_mv"]:
    """Gradient by the knots, relative to `mv_span`, of what moves cost, and distances from where MVs rest."""
    by_knot = space.blocks.moves_matrix.T.dot(space.moves(mv))
    if objective.draws:
        drawn = space.blocks.matrix.T @ (objective.rest_weight * (mv - objective.rest))
        by_knot = objective.move_weight * by_knot + drawn
    else:
        by_knot *= objective.move_weight
    by_knot *= 2.0 * space.problem.mv_span
    return np.asarray(by_knot.ravel())
