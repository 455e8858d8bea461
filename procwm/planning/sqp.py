"""Sequential quadratic programming over the knots alone: states are eliminated, curvature is Gauss-Newton.

Every iteration predicts the trajectory, differentiates all intervals in one batch, and minimises a convex
model of the objective under linear limits and linearised guardrails; a line search on the objective plus an
exact penalty on guardrails makes sure that it gets somewhere. Nocedal and Wright, Numerical Optimization
(2006), chapter 18; the condensed form is that of Bock and Plitt (IFAC 1984).
"""

import time
from dataclasses import dataclass
from typing import Any

import casadi as ca
import numpy as np
from jaxtyping import Bool, Float

from procwm.planning.linearisation import Trajectory, guard_values, imagine, linearise, outputs
from procwm.planning.moves import MoveBlocks, MoveSpace
from procwm.planning.nlp import Solution
from procwm.planning.objective import Objective
from procwm.planning.prediction import GUARD_TOLERANCE
from procwm.planning.transcription import Transcript

_ITERATIONS = 30
_MASKS = 8
"""Quadratic programs per iteration: outputs enter and leave zones and limits within the linear model."""
_LENGTHS = 0.5 ** np.arange(7)
_SUFFICIENT = 1e-4
"""Share of the predicted decrease that a step must achieve."""
_RELATIVE, _ABSOLUTE = 1e-5, 1e-10
"""An optimum is where the model predicts no larger decrease of the objective."""
_KKT_TOLERANCE = 1e-5


class QuadraticProgram:
    """A dense convex quadratic program of fixed size, whose answers are checked."""

    def __init__(self, variables: int, rows: int) -> None:
        shape = {"h": ca.Sparsity.dense(variables, variables), "a": ca.Sparsity.dense(rows, variables)}
        self._solver = ca.conic("qp", "daqp", shape, {"error_on_fail": False, "print_time": False})

    def solve(
        self,
        hessian: Float[np.ndarray, "variable variable"],
        gradient: Float[np.ndarray, " variable"],
        bounds: tuple[Float[np.ndarray, " variable"], Float[np.ndarray, " variable"]],
        matrix: Float[np.ndarray, "row variable"],
        limits: tuple[Float[np.ndarray, " row"], Float[np.ndarray, " row"]],
    ) -> tuple[Float[np.ndarray, " variable"], Float[np.ndarray, " row"]] | None:
        """Minimiser of `x'Hx/2 + g'x` and multipliers of the rows; `None` where there is no verified one.

        A solver's own word for success is not taken: the Karush-Kuhn-Tucker conditions are.
        """
        if not (np.isfinite(hessian).all() and np.isfinite(gradient).all() and np.isfinite(matrix).all()):
            return None
        answer = self._solver(
            h=hessian, g=gradient, a=matrix, lbx=bounds[0], ubx=bounds[1], lba=limits[0], uba=limits[1]
        )
        x, by_bound, by_row = (np.asarray(answer[name]).ravel() for name in ("x", "lam_x", "lam_a"))
        stationary = hessian @ x + gradient + by_bound + matrix.T @ by_row
        scale = 1.0 + np.abs(gradient).max()
        kept = np.abs(stationary).max() <= _KKT_TOLERANCE * scale
        kept = kept and _complementary(x, bounds, by_bound / scale)
        kept = kept and _complementary(matrix @ x, limits, by_row / scale)
        return (x, by_row) if kept else None


def _complementary(
    value: Float[np.ndarray, " row"],
    limits: tuple[Float[np.ndarray, " row"], Float[np.ndarray, " row"]],
    multiplier: Float[np.ndarray, " row"],
) -> bool:
    """Whether values keep their limits, and multipliers push from active limits only, and inwards."""
    to_low, to_high = value - limits[0], limits[1] - value
    room = np.where(multiplier > 0, to_high, np.where(multiplier < 0, to_low, 0.0))
    slack = np.minimum(np.abs(multiplier), np.abs(room))
    return bool(min(to_low.min(), to_high.min()) >= -_KKT_TOLERANCE and slack.max() <= _KKT_TOLERANCE)


@dataclass(frozen=True, eq=False)
class _Step:
    """A change of the knots, what the model promises of it, and the price of breaking a guardrail."""

    knots: Float[np.ndarray, " knot_mv"]
    decrease: float
    price: float


class GaussNewton:
    """The program of `nlp.Program`, recovery excepted, solved in a hundredth of its variables."""

    def __init__(self, transcript: Transcript, blocks: MoveBlocks) -> None:
        self._transcript = transcript
        knots, mvs = len(blocks.lengths), transcript.mv
        self._change = np.diff(blocks.matrix, axis=0, prepend=0.0)
        self._rates = np.kron(np.eye(knots) - np.eye(knots, k=-1), np.eye(mvs))
        rows = knots * mvs + blocks.horizon * len(transcript.guards)
        self._quadratic_program = QuadraticProgram(knots * mvs, rows)

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
            step = self._step(space, objective, knots, at)
            if step is None:
                return Solution(knots, False, iteration)
            price = max(price, 2.0 * step.price)
            cost = float(objective.cost(at.cv, at.mv))
            promised = step.decrease + price * _broken(at.guard)
            if promised <= _RELATIVE * cost + _ABSOLUTE:
                return Solution(knots, True, iteration)
            change = step.knots.reshape(knots.shape) * space.problem.mv_span
            tried = knots + _LENGTHS[:, None, None] * change
            mv, latent = self._states(space, tried)
            merit = self._merit(space, objective, mv, latent, price)
            enough = cost + price * _broken(at.guard) - _SUFFICIENT * _LENGTHS * promised
            good = np.flatnonzero(merit <= enough)
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
        broken = np.array([_broken(guard) for guard in guard_values(self._transcript, latent)])
        return np.nan_to_num(cost + price * broken, nan=np.inf)

    def _step(
        self, space: MoveSpace, objective: Objective, knots: Float[np.ndarray, "knot mv"], at: Trajectory
    ) -> _Step | None:
        """Minimiser of the convex model around `at`: a semi-smooth Newton method on its quadratic pieces."""
        span, size = space.problem.mv_span, knots.size
        here = (knots / span).ravel()
        bounds = (space.low / span).ravel() - here, (space.high / span).ravel() - here
        moved = self._rates @ here
        moved[: len(span)] -= space.problem.last_mv / span
        reach = (space.reach / span).ravel()
        room = -GUARD_TOLERANCE - at.guard.ravel()
        limits = (
            np.concatenate((-reach - moved, np.full(room.shape, -np.inf))),
            np.concatenate((reach - moved, room)),
        )
        matrix = np.vstack((self._rates, at.guard_slope.reshape(-1, size)))
        cost, best, change = float(objective.cost(at.cv, at.mv)), None, np.zeros(size)
        for _ in range(_MASKS):
            pieces = _active(objective, at.cv + at.cv_slope @ change)
            hessian, gradient = self._quadratic(objective, span, at, at.cv + at.cv_slope @ change)
            answer = self._quadratic_program.solve(hessian, gradient, bounds, matrix, limits)
            if answer is None:
                return best
            change, multipliers = answer
            decrease = cost - self._modelled(objective, span, at, change)
            if best is None or decrease > best.decrease:
                best = _Step(change, decrease, float(np.abs(multipliers[size:]).max(initial=0.0)))
            if np.array_equal(pieces, _active(objective, at.cv + at.cv_slope @ change)):
                break
        return best

    def _modelled(
        self, objective: Objective, span: Any, at: Trajectory, change: Float[np.ndarray, " knot_mv"]
    ) -> float:
        """The objective in the linear model."""
        mv = at.mv + np.cumsum(self._change, axis=0) @ (change.reshape(-1, len(span)) * span)
        return float(objective.cost(at.cv + at.cv_slope @ change, mv))

    def _quadratic(
        self, objective: Objective, span: Any, at: Trajectory, cv: Float[np.ndarray, "horizon cv"]
    ) -> tuple[Float[np.ndarray, "knot_mv knot_mv"], Float[np.ndarray, " knot_mv"]]:
        """Hessian and gradient (at no change) of the quadratic piece of the model that `cv` lies on."""
        in_goal, in_limit = _active(objective, cv)
        goal = np.where(in_goal, objective.goal_weight, 0.0)
        limit = np.where(in_limit, objective.limit_weight, 0.0)
        pull = np.where(in_goal, goal * (at.cv - np.clip(cv, objective.goal_low, objective.goal_high)), 0.0)
        pull += np.where(in_limit, limit * (at.cv - np.clip(cv, objective.low, objective.high)), 0.0)
        size = at.cv_slope.shape[-1]
        slope = at.cv_slope.reshape(-1, size)
        hessian = slope.T @ ((goal + limit).reshape(-1, 1) * slope)
        gradient = slope.T @ pull.ravel()
        weight = objective.move_weight * span**2
        hessian += np.kron(self._change.T @ self._change, np.diag(weight))
        moves = np.diff(at.mv, axis=0, prepend=objective.last_mv[None]) / span
        gradient += (self._change.T @ (weight * moves)).ravel()
        hessian += 1e-9 * (1.0 + np.trace(hessian) / size) * np.eye(size)
        return 2.0 * hessian, 2.0 * gradient


def _active(objective: Objective, cv: Float[np.ndarray, "horizon cv"]) -> Bool[np.ndarray, "2 horizon cv"]:
    """Which outputs are on a sloping piece of the goal's cost, and of the limits' cost."""
    point = objective.goal_low == objective.goal_high
    outside_goal = (cv < objective.goal_low) | (cv > objective.goal_high)
    outside_limits = (cv < objective.low) | (cv > objective.high)
    return np.stack((point | outside_goal, outside_limits))


def _broken(guard: Float[np.ndarray, "horizon guard"]) -> float:
    """Sum of what guardrails are exceeded by."""
    return float(np.maximum(guard + GUARD_TOLERANCE, 0.0).sum())
