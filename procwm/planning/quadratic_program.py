"""Dense convex quadratic programs, solved by DAQP, whose answers are checked."""

from dataclasses import dataclass

import daqp
import numpy as np
from jaxtyping import Float

_KKT_TOLERANCE = 1e-6
_NO_BOUND = 1e30
"""What DAQP takes for an infinite bound."""


@dataclass(frozen=True, eq=False)
class Interval:
    """Lower and upper bounds; infinite where there are none."""

    low: Float[np.ndarray, "*rows"]
    high: Float[np.ndarray, "*rows"]


@dataclass(frozen=True, eq=False)
class QuadraticProgram:
    """`min x'Hx/2 + g'x` under `bounds` on `x` and `limits` on `Ax`; H is positive definite."""

    hessian: Float[np.ndarray, "variable variable"]
    gradient: Float[np.ndarray, " variable"]
    bounds: Interval
    matrix: Float[np.ndarray, "row variable"]
    limits: Interval


@dataclass(frozen=True, eq=False)
class Minimiser:
    """The answer to a quadratic program.

    Attributes:
        x: the point.
        by_bound, by_row: multipliers, above 0 where an upper limit pushes and below 0 where a lower one does.
    """

    x: Float[np.ndarray, " variable"]
    by_bound: Float[np.ndarray, " variable"]
    by_row: Float[np.ndarray, " row"]


def minimiser(program: QuadraticProgram) -> Minimiser | None:
    """The verified answer to `program`; `None` where there is none.

    A solver's own word for success is not taken: the Karush-Kuhn-Tucker conditions are.
    """
    hessian, gradient, matrix = program.hessian, program.gradient, program.matrix
    if not (np.isfinite(hessian).all() and np.isfinite(gradient).all() and np.isfinite(matrix).all()):
        return None
    low = np.concatenate((program.bounds.low, program.limits.low))
    high = np.concatenate((program.bounds.high, program.limits.high))
    x, _, _, info = daqp.solve(
        hessian,
        gradient,
        matrix,
        high.clip(-_NO_BOUND, _NO_BOUND),
        low.clip(-_NO_BOUND, _NO_BOUND),
        primal_tol=1e-9,
    )
    by_bound, by_row = np.split(np.asarray(info["lam"]), [len(gradient)])
    answer = Minimiser(np.asarray(x), by_bound, by_row)
    return answer if _optimal(program, answer) else None


def _optimal(program: QuadraticProgram, answer: Minimiser) -> bool:
    """Whether `answer` is stationary, keeps limits, and is pushed by active limits only, and inwards."""
    slope = program.hessian @ answer.x + program.gradient
    pushed = answer.by_bound + program.matrix.T @ answer.by_row
    scale = 1.0 + float(np.abs(program.gradient).max())
    return bool(
        np.isfinite(answer.x).all()
        and np.abs(slope + pushed).max() <= _KKT_TOLERANCE * scale
        and _complementary(answer.x, program.bounds, answer.by_bound / scale)
        and _complementary(program.matrix @ answer.x, program.limits, answer.by_row / scale)
    )


def _complementary(
    value: Float[np.ndarray, " row"], limits: Interval, multiplier: Float[np.ndarray, " row"]
) -> bool:
    room = room_for(value, limits, multiplier)
    slack = np.minimum(np.abs(multiplier), np.abs(room))
    kept = min((value - limits.low).min(initial=np.inf), (limits.high - value).min(initial=np.inf))
    return bool(kept >= -_KKT_TOLERANCE and slack.max(initial=0.0) <= _KKT_TOLERANCE)


def room_for(
    value: Float[np.ndarray, "*rows"], limits: Interval, multiplier: Float[np.ndarray, "*rows"]
) -> Float[np.ndarray, "*rows"]:
    """Distance of `value` to the limit that `multiplier` says it pushes against; 0 where to none."""
    return np.where(
        multiplier > 0.0, limits.high - value, np.where(multiplier < 0.0, value - limits.low, 0.0)
    )
