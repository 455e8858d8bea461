"""The true equations linearised at an operating point."""

from collections.abc import Sequence
from dataclasses import dataclass

import casadi
import numpy as np
from jaxtyping import Float

from procwm.plant.scenario import Equations

_FOREVER_S = 1e9
"""An integrator counts as a lag this long: ratios of its gains are what they are, and nothing is singular."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Linearised:
    """Deviations from an operating point, engineering units: `x' = A x + B mv + E d`, `y = C x + D mv + F d`.

    `x'` is the rate per second; `y` runs over `Equations.output_names`, then `Equations.guard_names`.
    """

    A: Float[np.ndarray, "state state"]
    B: Float[np.ndarray, "state mv"]
    E: Float[np.ndarray, "state disturbance"]
    C: Float[np.ndarray, "output state"]
    D: Float[np.ndarray, "output mv"]
    F: Float[np.ndarray, "output disturbance"]

    @property
    def steady_gain(self) -> Float[np.ndarray, "output mv"]:
        """Change of every output per change of every MV, at rest."""
        gain: np.ndarray = self.D - self.C @ np.linalg.solve(self._leaking, self.B)
        return gain

    @property
    def steady_disturbance_gain(self) -> Float[np.ndarray, "output disturbance"]:
        """The same per change of every disturbance."""
        gain: np.ndarray = self.F - self.C @ np.linalg.solve(self._leaking, self.E)
        return gain

    @property
    def slowest_s(self) -> float:
        """Largest time constant, seconds; infinite where the point is not stable."""
        rate = float(np.max(np.linalg.eigvals(self.A).real))
        return -1.0 / rate if rate < -1.0 / _FOREVER_S else float("inf")

    @property
    def _leaking(self) -> Float[np.ndarray, "state state"]:
        matrix: np.ndarray = self.A - np.eye(len(self.A)) / _FOREVER_S
        return matrix


def linearise(
    equations: Equations,
    *,
    state: Sequence[float] | None = None,
    mv: Sequence[float] | None = None,
    disturbance: Sequence[float] | None = None,
) -> Linearised:
    """First derivatives of the true equations, base layer included.

    Args:
        equations: the true plant.
        state, mv, disturbance: the operating point; the nominal one where `None`.
    """
    x = casadi.SX.sym("x", len(equations.states))
    u = casadi.SX.sym("mv", len(equations.nominal_mv))
    d = casadi.SX.sym("d", len(equations.disturbances))
    rate = equations.rhs(x, u, d)
    output = casadi.vertcat(equations.outputs(x, u, d), equations.guards(x, u, d))
    derivatives = casadi.Function(
        "derivatives",
        [x, u, d],
        [casadi.jacobian(rate, v) for v in (x, u, d)] + [casadi.jacobian(output, v) for v in (x, u, d)],
    )
    point = (
        equations.steady_state if state is None else state,
        equations.nominal_mv if mv is None else mv,
        equations.nominal_disturbance if disturbance is None else disturbance,
    )
    A, B, E, C, D, F = (np.array(matrix.full()) for matrix in derivatives(*(np.array(p) for p in point)))
    return Linearised(A=A, B=B, E=E, C=C, D=D, F=F)
