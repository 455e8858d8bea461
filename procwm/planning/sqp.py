"""Sequential quadratic programming over the knots alone: states are eliminated, curvature is Gauss-Newton.

Every iteration predicts the trajectory, differentiates all intervals in one batch, and minimises a convex
model of the objective under linear limits and linearised guardrails; a line search on the objective plus an
exact penalty on guardrails makes sure that it gets somewhere. Nocedal and Wright, Numerical Optimization
(2006), chapter 18; the condensed form is that of Bock and Plitt (IFAC 1984).
"""

import time
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Bool, Float

from procwm.planning.linearisation import Trajectory, guard_values, imagine, linearise, outputs
from procwm.planning.moves import MoveBlocks, MoveSpace
from procwm.planning.nlp import Solution
from procwm.planning.objective import Objective
from procwm.planning.quadratic_program import Interval, QuadraticProgram
from procwm.planning.transcription import Transcript

_ITERATIONS = 30
_PIECES = 8
"""Quadratic programs per iteration: outputs enter and leave zones and limits within the linear model."""
_REPAIRS = (1.0, 0.5, 0.1, 0.0)
"""Share of what guardrails are exceeded by that a step is to remove; the next where one cannot be had."""
_BACK_OFF = 1e-4
"""Guardrails are kept by this much, so that what is left of their curvature does not break them."""
_LENGTHS = 0.5 ** np.arange(7)
_SUFFICIENT = 1e-4
"""Share of the promised decrease that a step must achieve."""
_RELATIVE, _ABSOLUTE = 1e-4, 1e-10
"""An optimum is where the model promises no larger decrease of the objective."""


class GaussNewton:
    """The program of `nlp.Program`, recovery excepted, with the knots as its only variables."""

    def __init__(self, transcript: Transcript, blocks: MoveBlocks) -> None:
        self._transcript = transcript
        variables = len(blocks.lengths) * transcript.mv
        rows = variables + blocks.horizon * len(transcript.guards)
        self._quadratic_program = QuadraticProgram(variables, rows)

    def solve(
        self,
        space: MoveSpace,
        objective: Objective,
        start: Float[np.ndarray, "knot mv"],
        *,
        deadline: float,
    ) -> Solution:
        """The best plan near `start`; converged where the optimality conditions hold.

        Args:
            space: limits of the MVs, and the problem.
            objective: what to minimise.
            start: knots to begin from, engineering units.
            deadline: of `time.perf_counter()`; no iteration is begun that would pass it.
        """
        knots, price, longest = start, 0.0, 0.0
        mv, latent = self._states(space, knots[None])
        for iteration in range(_ITERATIONS):
            began = time.perf_counter()
            if began + longest > deadline:
                return Solution(knots, False, iteration)
            at = linearise(self._transcript, space, mv[0], latent[0])
            step = self._step(_LocalModel(space, objective, knots, at))
            if step is None:
                return Solution(knots, False, iteration)
            price = max(price, 2.0 * step.price)
            cost, broken = float(objective.cost(at.cv, at.mv)), float(_broken(at.guard))
            promised = step.decrease + price * step.repaired * broken
            if promised <= _RELATIVE * cost + _ABSOLUTE and (broken == 0.0 or step.repaired < 1.0):
                return Solution(knots, broken == 0.0, iteration)
            tried = knots + _LENGTHS[:, None, None] * step.change
            mv, latent = self._states(space, tried)
            merit = self._merit(space, objective, mv, latent, price)
            good = np.flatnonzero(merit <= cost + price * broken - _SUFFICIENT * _LENGTHS * promised)
            if len(good) == 0:
                return Solution(knots, False, iteration)
            best = good[np.argmin(merit[good])]
            knots, mv, latent = tried[best], mv[[best]], latent[[best]]
            longest = max(longest, time.perf_counter() - began)
        return Solution(knots, False, _ITERATIONS)

    def _states(
        self, space: MoveSpace, knots: Float[np.ndarray, "batch knot mv"]
    ) -> tuple[Float[np.ndarray, "batch horizon mv"], Float[np.ndarray, "batch horizon latent"]]:
        mv = space.expand(knots)
        return mv, imagine(self._transcript, space.problem, mv)

    def _merit(
        self,
        space: MoveSpace,
        objective: Objective,
        mv: Float[np.ndarray, "batch horizon mv"],
        latent: Float[np.ndarray, "batch horizon latent"],
        price: float,
    ) -> Float[np.ndarray, " batch"]:
        """Objective plus `price` for every unit by which a guardrail is exceeded; +inf where not finite."""
        cost = objective.cost(outputs(self._transcript, space.problem, latent), mv)
        broken = _broken(guard_values(self._transcript, latent))
        return np.nan_to_num(cost + price * broken, nan=np.inf)

    def _step(self, model: "_LocalModel") -> "_Step | None":
        """The step that repairs guardrails as far as it can; `None` where the solver has no answer."""
        for repaired in _REPAIRS:
            step = self._minimiser(model, repaired)
            if step is not None:
                return step
        return None

    def _minimiser(self, model: "_LocalModel", repaired: float) -> "_Step | None":
        """Minimiser of `model`, by a semi-smooth Newton method on its quadratic pieces."""
        limits, best, change = model.limits(repaired), None, np.zeros(model.size)
        for _ in range(_PIECES):
            piece = model.piece(change)
            answer = self._quadratic_program.solve(
                *model.quadratic(piece, change), model.bounds, model.matrix, limits
            )
            if answer is None:
                return best
            change, multipliers = answer
            decrease = model.cost(np.zeros(model.size)) - model.cost(change)
            if best is None or decrease > best.decrease:
                price = float(np.abs(multipliers[model.size :]).max(initial=0.0))
                best = _Step(model.knots(change), decrease, price, repaired)
            if np.array_equal(piece, model.piece(change)):
                break
        return best


@dataclass(frozen=True, eq=False)
class _Step:
    """A change of the knots and what the model promises of it.

    Attributes:
        change: engineering units.
        decrease: of the objective.
        price: of breaking a guardrail at which keeping it pays.
        repaired: share of what guardrails are exceeded by that the step removes.
    """

    change: Float[np.ndarray, "knot mv"]
    decrease: float
    price: float
    repaired: float


@dataclass(frozen=True, eq=False)
class _LocalModel:
    """The objective along a trajectory that changes linearly with the knots, relative to `mv_span`.

    It is convex and made of quadratic pieces; a piece says which outputs are outside their goal, and which
    outside their limits.
    """

    space: MoveSpace
    objective: Objective
    at_knots: Float[np.ndarray, "knot mv"]
    at: Trajectory

    @property
    def size(self) -> int:
        return self.at_knots.size

    def knots(self, change: Float[np.ndarray, " knot_mv"]) -> Float[np.ndarray, "knot mv"]:
        """A change in engineering units."""
        scaled: np.ndarray = change.reshape(self.at_knots.shape) * self.space.problem.mv_span
        return scaled

    def cost(self, change: Float[np.ndarray, " knot_mv"]) -> float:
        mv = self.at.mv + self.space.blocks.matrix @ self.knots(change)
        return float(self.objective.cost(self._cv(change), mv))

    def _cv(self, change: Float[np.ndarray, " knot_mv"]) -> Float[np.ndarray, "horizon cv"]:
        cv: np.ndarray = self.at.cv + self.at.cv_slope @ change
        return cv

    def piece(self, change: Float[np.ndarray, " knot_mv"]) -> Bool[np.ndarray, "2 horizon cv"]:
        cv, objective = self._cv(change), self.objective
        point = objective.goal_low == objective.goal_high
        outside_goal = (cv < objective.goal_low) | (cv > objective.goal_high)
        outside_limits = (cv < objective.low) | (cv > objective.high)
        return np.stack((point | outside_goal, outside_limits))

    def quadratic(
        self, piece: Bool[np.ndarray, "2 horizon cv"], change: Float[np.ndarray, " knot_mv"]
    ) -> tuple[Float[np.ndarray, "knot_mv knot_mv"], Float[np.ndarray, " knot_mv"]]:
        """Hessian, and gradient at no change, of the piece that `change` lies on."""
        objective, at, cv = self.objective, self.at, self._cv(change)
        goal = np.where(piece[0], objective.goal_weight, 0.0)
        limit = np.where(piece[1], objective.limit_weight, 0.0)
        to_goal = np.where(piece[0], at.cv - np.clip(cv, objective.goal_low, objective.goal_high), 0.0)
        to_limit = np.where(piece[1], at.cv - np.clip(cv, objective.low, objective.high), 0.0)
        slope = at.cv_slope.reshape(-1, self.size)
        hessian = slope.T @ ((goal + limit).reshape(-1, 1) * slope)
        gradient = slope.T @ (goal * to_goal + limit * to_limit).ravel()
        span = self.space.problem.mv_span
        weight = objective.move_weight * span**2
        moves = np.diff(at.mv, axis=0, prepend=objective.last_mv[None]) / span
        by_knot = np.diff(self.space.blocks.matrix, axis=0, prepend=0.0)
        hessian += np.kron(by_knot.T @ by_knot, np.diag(weight))
        gradient += (by_knot.T @ (weight * moves)).ravel()
        # Without a price on moves the curvature may vanish, and the solver needs some.
        hessian += 1e-9 * (1.0 + np.trace(hessian) / self.size) * np.eye(self.size)
        return 2.0 * hessian, 2.0 * gradient

    @cached_property
    def bounds(self) -> Interval:
        """On the change, from the MVs' limits."""
        low, high = self.space.low - self.at_knots, self.space.high - self.at_knots
        span = self.space.problem.mv_span
        return Interval((low / span).ravel(), (high / span).ravel())

    @cached_property
    def matrix(self) -> Float[np.ndarray, "row knot_mv"]:
        """From the change to moves over each block, then to guardrails at every row."""
        knots, mvs = self.at_knots.shape
        moves = np.kron(np.eye(knots) - np.eye(knots, k=-1), np.eye(mvs))
        return np.vstack((moves, self.at.guard_slope.reshape(-1, self.size)))

    def limits(self, repaired: float) -> Interval:
        """On `matrix @ change`: largest moves, and guardrails of which a share of the excess is to go."""
        problem = self.space.problem
        moves = np.diff(self.at_knots, axis=0, prepend=problem.last_mv[None])
        reach = self.space.reach / problem.mv_span
        low, high = -reach - moves / problem.mv_span, reach - moves / problem.mv_span
        excess = (self.at.guard + _BACK_OFF).ravel()
        room = -np.where(excess > 0.0, repaired * excess, excess)
        return Interval(
            np.concatenate((low.ravel(), np.full(room.shape, -np.inf))), np.concatenate((high.ravel(), room))
        )


def _broken(guard: Float[np.ndarray, "*batch horizon guard"]) -> Float[np.ndarray, "*batch"]:
    """Sum of what guardrails are exceeded by; what a back-off leaves does not count."""
    broken: np.ndarray = np.where(guard > 0.0, guard, 0.0).sum(axis=(-1, -2))
    return np.asarray(broken)
