"""Dense convex quadratic programs, solved by DAQP, whose answers are checked."""

import math
from dataclasses import dataclass

import daqp
import numpy as np
from jaxtyping import Float, Int

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
    """`min x'Hx/2 + g'x` under `limits` on `x` and then on `Ax`; H is positive definite."""

    hessian: Float[np.ndarray, "variable variable"]
    gradient: Float[np.ndarray, " variable"]
    matrix: Float[np.ndarray, "row variable"]
    limits: Interval


@dataclass(frozen=True, eq=False)
class Minimiser:
    """The answer to a quadratic program.

    Attributes:
        x: the point.
        multipliers: of the limits on `x` and then on `Ax`; above 0 where an upper limit pushes and below 0
            where a lower one does.
    """

    x: Float[np.ndarray, " variable"]
    multipliers: Float[np.ndarray, " limit"]


def minimiser(program: QuadraticProgram) -> Minimiser | None:
    """The verified answer to `program`; `None` where there is none.

    A solver's own word for success is not taken: the Karush-Kuhn-Tucker conditions are.
    """
    hessian, gradient, matrix = program.hessian, program.gradient, program.matrix
    if not math.isfinite(hessian.sum() + gradient.sum() + matrix.sum()):
        return None
    x, _, _, info = daqp.solve(
        hessian,
        gradient,
        matrix,
        np.minimum(program.limits.high, _NO_BOUND),
        np.maximum(program.limits.low, -_NO_BOUND),
        primal_tol=1e-9,
    )
    answer = Minimiser(np.asarray(x), np.asarray(info["lam"]))
    return answer if _optimal(program, answer) else None


def _optimal(program: QuadraticProgram, answer: Minimiser) -> bool:
    """Whether `answer` is stationary, keeps limits, and is pushed by active limits only, and inwards.

    An answer that is not finite has no comparison that holds.
    """
    x, limits, multipliers = answer.x, program.limits, answer.multipliers
    slope = program.hessian.dot(x)
    slope += program.gradient
    slope += multipliers[: len(x)]
    slope += multipliers[len(x) :].dot(program.matrix)
    scale = 1.0 + float(np.abs(program.gradient).max())
    if not np.abs(slope).max() <= _KKT_TOLERANCE * scale:
        return False
    value = np.concatenate((x, program.matrix.dot(x)))
    if not min((value - limits.low).min(), (limits.high - value).min()) >= -_KKT_TOLERANCE:
        return False
    pushed = multipliers.nonzero()[0]
    if not len(pushed):
        return True
    force = np.abs(multipliers[pushed]) / scale
    room = np.abs(room_for(value, limits, multipliers, pushed))
    return bool(np.minimum(force, room).max() <= _KKT_TOLERANCE)


def room_for(
    value: Float[np.ndarray, " row"],
    limits: Interval,
    multiplier: Float[np.ndarray, " row"],
    pushed: Int[np.ndarray, " pushed"],
) -> Float[np.ndarray, " pushed"]:
    """Distance of `value` to the limit that `multiplier` says it pushes against, in rows `pushed`."""
    upper = multiplier[pushed] > 0.0
    limit = np.where(upper, limits.high[pushed], limits.low[pushed])
    return np.asarray(np.where(upper, 1.0, -1.0) * (limit - value[pushed]))
