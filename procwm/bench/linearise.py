"""The true equations linearised at an operating point, and sampled at the control interval."""

from collections.abc import Sequence
from dataclasses import dataclass

import casadi
import numpy as np
from jaxtyping import Float
from scipy.linalg import expm

from procwm.plant.scenario import Equations


@dataclass(frozen=True, kw_only=True, eq=False)
class Linearised:
    """Deviations from an operating point, engineering units: `x' = A x + B mv + E d`, `y = C x + D mv`.

    `y` runs over `Equations.output_names`. A model is continuous (`x'` is the rate per second) as
    `linearise` returns it and sampled (`x'` is the state one interval later) as `sampled` does.
    """

    A: Float[np.ndarray, "state state"]
    B: Float[np.ndarray, "state mv"]
    E: Float[np.ndarray, "state disturbance"]
    C: Float[np.ndarray, "output state"]
    D: Float[np.ndarray, "output mv"]

    @property
    def steady_gain(self) -> Float[np.ndarray, "output mv"]:
        """Of a continuous model: change of every output per change of every MV, at rest."""
        gain: np.ndarray = self.D - self.C @ np.linalg.solve(self.A, self.B)
        return gain

    @property
    def slowest_s(self) -> float:
        """Of a continuous model: its largest time constant, seconds; infinite where it is not stable."""
        rate = float(np.max(np.linalg.eigvals(self.A).real))
        return -1.0 / rate if rate < 0 else float("inf")

    def sampled(self, interval_s: float) -> "Linearised":
        """The model over one interval of `interval_s` seconds with its inputs held (exact)."""
        states, inputs = self.A.shape[0], self.B.shape[1] + self.E.shape[1]
        generator = np.zeros((states + inputs, states + inputs))
        generator[:states] = np.hstack([self.A, self.B, self.E])
        step = expm(generator * interval_s)[:states]
        A, B, E = np.split(step, [states, states + self.B.shape[1]], axis=1)
        return Linearised(A=A, B=B, E=E, C=self.C, D=self.D)


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
    rate, output = equations.rhs(x, u, d), equations.outputs(x, u, d)
    derivatives = casadi.Function(
        "derivatives",
        [x, u, d],
        [casadi.jacobian(rate, v) for v in (x, u, d)] + [casadi.jacobian(output, v) for v in (x, u)],
    )
    point = (
        equations.steady_state if state is None else state,
        equations.nominal_mv if mv is None else mv,
        equations.nominal_disturbance if disturbance is None else disturbance,
    )
    A, B, E, C, D = (np.array(matrix.full()) for matrix in derivatives(*(np.array(p) for p in point)))
    return Linearised(A=A, B=B, E=E, C=C, D=D)
