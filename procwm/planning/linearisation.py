"""A transcript run in numpy: latent trajectories, and their derivatives at all intervals in one batch."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from procwm.planning.moves import MoveSpace
from procwm.planning.network import Derivatives, value
from procwm.planning.problem import ControlProblem
from procwm.planning.transcription import Affine, Transcript


def scaled_dv(transcript: Transcript, problem: ControlProblem) -> Float[np.ndarray, "horizon dv"]:
    """Measured disturbances over the horizon, scaled."""
    scaled: np.ndarray = (problem.dv - transcript.dv_center) / transcript.dv_width
    return scaled


def imagine(
    transcript: Transcript, problem: ControlProblem, mv: Float[np.ndarray, "batch horizon mv"]
) -> Float[np.ndarray, "batch horizon latent"]:
    """Latent states under each MV trajectory (engineering units).

    What MVs and DVs add to the first layer and to the linear part is computed for all intervals at once.
    """
    batch, size = len(mv), transcript.latent
    dv = np.broadcast_to(scaled_dv(transcript, problem), (batch, *problem.dv.shape))
    driven = np.concatenate(((mv - transcript.mv_center) / transcript.mv_width, dv), axis=2)
    first, *later = transcript.network
    assert isinstance(first, Affine)
    weight = np.vstack((transcript.linear.weight, first.weight))
    drive = driven @ weight[:, size:].T + np.concatenate((transcript.linear.bias, first.bias))
    by_state = weight[:, :size].T + np.eye(size, len(weight))
    states = np.empty((batch, problem.horizon, size))
    # One trajectory is a vector: its products take half the time of those of a matrix with one row.
    part = 0 if batch == 1 else slice(None)
    rows, driven_rows = states[part].swapaxes(-2, 0), drive[part].swapaxes(-2, 0)
    latent = problem.latent if batch == 1 else np.broadcast_to(problem.latent, (batch, size))
    tail = tuple(later)
    for row, driven_row in zip(rows, driven_rows, strict=True):
        moved = latent.dot(by_state)
        moved += driven_row
        latent = value(tail, moved[..., size:])
        latent += moved[..., :size]
        row[...] = latent
    return states


def outputs(
    transcript: Transcript, problem: ControlProblem, latent: Float[np.ndarray, "*batch horizon latent"]
) -> Float[np.ndarray, "*batch horizon cv"]:
    """Outputs along latent states, engineering units, disturbance estimate included."""
    cv: np.ndarray = value((transcript.readout,), latent) + problem.bias
    return cv


def guard_values(
    transcript: Transcript, latent: Float[np.ndarray, "*batch horizon latent"]
) -> Float[np.ndarray, "*batch horizon guard"]:
    """Guardrails along latent states, margin included."""
    none = np.zeros((*latent.shape[:-1], 0))
    return np.concatenate([none, *(value(layers, latent) for layers in transcript.guards)], axis=-1)


@dataclass(frozen=True, eq=False)
class Trajectory:
    """One MV trajectory, where it leads, and how that changes with the knots.

    The axis `knot_mv` runs over knots, then MVs, each relative to `mv_span`.

    Attributes:
        transcript, space: of the model and of the problem.
        mv: engineering units.
        latent: scaled; where `mv` leads.
        cv: outputs there, engineering units, disturbance estimate included.
    """

    transcript: Transcript
    space: MoveSpace
    mv: Float[np.ndarray, "horizon mv"]
    latent: Float[np.ndarray, "horizon latent"]
    cv: Float[np.ndarray, "horizon cv"]

    @cached_property
    def guard(self) -> Float[np.ndarray, "horizon guard"]:
        """Guardrails, margin included."""
        none = np.zeros((len(self.latent), 0))
        return np.concatenate([none, *(head.value for head in self._heads)], axis=1)

    @cached_property
    def cv_slope(self) -> Float[np.ndarray, "horizon cv knot_mv"]:
        """Outputs by knots."""
        slope: np.ndarray = self.transcript.readout.weight @ self._latent_slope
        return slope

    @cached_property
    def guard_slope(self) -> Float[np.ndarray, "horizon guard knot_mv"]:
        """Guardrails by knots."""
        none = np.zeros((len(self.latent), 0, self.transcript.latent))
        by_latent = np.concatenate([none, *(head.jacobian for head in self._heads)], axis=1)
        slope: np.ndarray = by_latent @ self._latent_slope
        return slope

    def pulled_back(
        self,
        by_cv: Float[np.ndarray, "horizon cv"],
        by_guard: Float[np.ndarray, "horizon guard"],
        *,
        sweep: bool,
    ) -> Float[np.ndarray, "horizon latent"]:
        """Costates: gradient by each latent state of `sum by_cv * cv + sum by_guard * guard`.

        From the last row to the first; Bryson and Ho, Applied Optimal Control (1975).

        Args:
            by_cv, by_guard: factors.
            sweep: back through the network's layers, for a trajectory whose Jacobians nobody may need.
        """
        size, linear = self.transcript.latent, self.transcript.linear.weight
        own = by_cv @ self.transcript.readout.weight
        for column in np.flatnonzero(by_guard.any(axis=0)):
            own = own + self._heads[column].pullback_all(by_guard[:, [column]])
        costate: np.ndarray = own.copy()
        if sweep:
            network, by_state = self._network, np.eye(size) + linear[:, :size]
            for row in range(len(own) - 1, 0, -1):
                after = costate[row]
                costate[row - 1] += after.dot(by_state) + network.pullback(row, after)[:size]
        else:
            for row in range(len(own) - 1, 0, -1):
                costate[row - 1] += costate[row].dot(self._by_state[row])
        return costate

    def knot_slope(self, costate: Float[np.ndarray, "horizon latent"]) -> Float[np.ndarray, " knot_mv"]:
        """Gradient by the knots of what `costate` was pulled back from."""
        transcript, size = self.transcript, self.transcript.latent
        by_input = costate @ transcript.linear.weight + self._network.pullback_all(costate)
        by_mv = by_input[:, size : size + transcript.mv] * self._mv_scale
        return np.asarray(self.space.blocks.matrix.T @ by_mv).ravel()

    def curvature(
        self, costate: Float[np.ndarray, "horizon latent"], by_guard: Float[np.ndarray, "horizon guard"]
    ) -> Float[np.ndarray, "knot_mv knot_mv"]:
        """What the bends of the network and of guardrails add to the Hessian by the knots."""
        size, mvs = self.transcript.latent, self.transcript.mv
        bends = self._network.curvature(costate)[:, : size + mvs, : size + mvs]
        slope, matrix = self._latent_slope, self.space.blocks.matrix
        by_knot = matrix[:, None, :, None] * np.diag(self._mv_scale)[None, :, None, :]
        before = np.concatenate((np.zeros_like(slope[:1]), slope[:-1]))
        inputs = np.concatenate((before, by_knot.reshape(len(matrix), mvs, -1)), axis=1)
        total = _gram(inputs, bends @ inputs)
        for column, head in enumerate(self._heads):
            if by_guard[:, column].any():
                total += _gram(slope, head.curvature(by_guard[:, [column]]) @ slope)
        return np.asarray(0.5 * (total + total.T))

    @property
    def _mv_scale(self) -> Float[np.ndarray, " mv"]:
        """Scaled MV per knot relative to `mv_span`."""
        scale: np.ndarray = self.space.problem.mv_span / self.transcript.mv_width
        return scale

    @cached_property
    def _network(self) -> Derivatives:
        problem, transcript = self.space.problem, self.transcript
        before = np.vstack((problem.latent, self.latent[:-1]))
        scaled = (self.mv - transcript.mv_center) / transcript.mv_width
        return Derivatives(transcript.network, np.hstack((before, scaled, scaled_dv(transcript, problem))))

    @cached_property
    def _heads(self) -> tuple[Derivatives, ...]:
        return tuple(Derivatives(layers, self.latent) for layers in self.transcript.guards)

    @cached_property
    def _latent_slope(self) -> Float[np.ndarray, "horizon latent knot_mv"]:
        size = self.transcript.latent
        by_mv = self._step[:, :, size : size + self.transcript.mv] * self._mv_scale
        by_knot = by_mv[:, :, None, :] * self.space.blocks.matrix[:, None, :, None]
        slope = by_knot.reshape(len(by_mv), size, -1)
        for row in range(1, len(slope)):
            slope[row] += self._by_state[row] @ slope[row - 1]
        return np.asarray(slope)

    @cached_property
    def _step(self) -> Float[np.ndarray, "horizon latent _"]:
        """Change of the latent state over each interval, by state, MVs and DVs before it."""
        return np.asarray(self.transcript.linear.weight + self._network.jacobian)

    @cached_property
    def _by_state(self) -> Float[np.ndarray, "horizon latent latent"]:
        size = self.transcript.latent
        return np.asarray(np.eye(size) + self._step[:, :, :size])


def _gram(
    left: Float[np.ndarray, "horizon size knot_mv"], right: Float[np.ndarray, "horizon size knot_mv"]
) -> Float[np.ndarray, "knot_mv knot_mv"]:
    """`sum_k left_k' right_k` as one product."""
    variables = left.shape[2]
    total: np.ndarray = left.reshape(-1, variables).T @ right.reshape(-1, variables)
    return total
