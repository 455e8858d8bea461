"""Dense convex quadratic programs, whose answers are checked."""

from dataclasses import dataclass

import casadi as ca
import numpy as np
from jaxtyping import Float

_KKT_TOLERANCE = 1e-5


@dataclass(frozen=True, eq=False)
class Interval:
    """Lower and upper bounds; infinite where there are none."""

    low: Float[np.ndarray, " row"]
    high: Float[np.ndarray, " row"]


class QuadraticProgram:
    """`min x'Hx/2 + g'x` under `bounds` on `x` and `limits` on `Ax`, of fixed size."""

    def __init__(self, variables: int, rows: int) -> None:
        shape = {"h": ca.Sparsity.dense(variables, variables), "a": ca.Sparsity.dense(rows, variables)}
        self._solver = ca.conic("qp", "daqp", shape, {"error_on_fail": False, "print_time": False})

    def solve(
        self,
        hessian: Float[np.ndarray, "variable variable"],
        gradient: Float[np.ndarray, " variable"],
        bounds: Interval,
        matrix: Float[np.ndarray, "row variable"],
        limits: Interval,
    ) -> tuple[Float[np.ndarray, " variable"], Float[np.ndarray, " row"]] | None:
        """Minimiser and multipliers of the rows; `None` where there is no verified one.

        A solver's own word for success is not taken: the Karush-Kuhn-Tucker conditions are.
        """
        if not all(np.isfinite(part).all() for part in (hessian, gradient, matrix)):
            return None
        answer = self._solver(
            h=hessian, g=gradient, a=matrix, lbx=bounds.low, ubx=bounds.high, lba=limits.low, uba=limits.high
        )
        x, by_bound, by_row = (np.asarray(answer[name]).ravel() for name in ("x", "lam_x", "lam_a"))
        stationary = hessian @ x + gradient + by_bound + matrix.T @ by_row
        scale = 1.0 + np.abs(gradient).max()
        optimal = (
            np.abs(stationary).max() <= _KKT_TOLERANCE * scale
            and _complementary(x, bounds, by_bound / scale)
            and _complementary(matrix @ x, limits, by_row / scale)
        )
        return (x, by_row) if optimal else None


def _complementary(
    value: Float[np.ndarray, " row"], limits: Interval, multiplier: Float[np.ndarray, " row"]
) -> bool:
    """Whether values keep their limits, and multipliers push from active limits only, and inwards."""
    to_low, to_high = value - limits.low, limits.high - value
    room = np.where(multiplier > 0, to_high, np.where(multiplier < 0, to_low, 0.0))
    slack = np.minimum(np.abs(multiplier), np.abs(room))
    kept = min(to_low.min(), to_high.min()) >= -_KKT_TOLERANCE
    return bool(kept and slack.max() <= _KKT_TOLERANCE)
