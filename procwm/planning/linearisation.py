"""A transcript run in numpy: latent trajectories, and their derivatives at all intervals in one batch."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from procwm.planning.moves import MoveSpace
from procwm.planning.network import Derivatives, value
from procwm.planning.problem import ControlProblem
from procwm.planning.recursion import recursion
from procwm.planning.transcription import Transcript


def scaled_dv(transcript: Transcript, problem: ControlProblem) -> Float[np.ndarray, "horizon dv"]:
    """Measured disturbances over the horizon, scaled."""
    scaled: np.ndarray = (problem.dv - transcript.dv_center) / transcript.dv_width
    return scaled


def imagine(
    transcript: Transcript, problem: ControlProblem, mv: Float[np.ndarray, "batch horizon mv"]
) -> Float[np.ndarray, "batch horizon latent"]:
    """Latent states under each MV trajectory (engineering units)."""
    return recursion(transcript).states(problem.latent, mv, problem.dv)


def outputs(
    transcript: Transcript, problem: ControlProblem, latent: Float[np.ndarray, "*batch horizon latent"]
) -> Float[np.ndarray, "*batch horizon output"]:
    """Outputs along latent states, engineering units, disturbance estimate included."""
    cv: np.ndarray = value((transcript.readout,), latent)
    cv += problem.bias
    return cv


def guard_values(
    transcript: Transcript, latent: Float[np.ndarray, "*batch horizon latent"]
) -> Float[np.ndarray, "*batch horizon guard"]:
    """Guardrails along latent states, margin included."""
    return _side_by_side(tuple(value(layers, latent) for layers in transcript.guards), latent.shape[:-1])


def _side_by_side(
    columns: tuple[Float[np.ndarray, "*rows _"], ...], shape: tuple[int, ...]
) -> Float[np.ndarray, "*rows guard"]:
    """One column for each guardrail; most plants have one or none."""
    if len(columns) == 1:
        return columns[0]
    return np.concatenate(columns, axis=-1) if columns else np.zeros((*shape, 0))


@dataclass(frozen=True, eq=False)
class LatentTrajectory:
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
    cv: Float[np.ndarray, "horizon output"]

    @cached_property
    def guard(self) -> Float[np.ndarray, "horizon guard"]:
        """Guardrails, margin included."""
        return _side_by_side(tuple(head.value for head in self._heads), self.latent.shape[:1])

    @cached_property
    def cv_slope(self) -> Float[np.ndarray, "horizon output knot_mv"]:
        """Outputs by knots."""
        slope: np.ndarray = self.transcript.readout.weight @ self.latent_slope
        return slope

    @cached_property
    def guard_slope(self) -> Float[np.ndarray, "horizon guard knot_mv"]:
        """Guardrails by knots."""
        slopes: list[np.ndarray] = [head.jacobian @ self.latent_slope for head in self._heads]
        if len(slopes) == 1:
            return slopes[0]
        none = np.zeros((len(self.latent), 0, self.latent_slope.shape[2]))
        return np.concatenate((none, *slopes), axis=1)

    def pulled_back(
        self,
        by_cv: Float[np.ndarray, "horizon output"],
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
        costate: np.ndarray = by_cv.dot(self.transcript.readout.weight)
        for column in np.flatnonzero(by_guard.any(axis=0)) if by_guard.any() else ():
            costate += self._heads[column].pullback(by_guard[:, [column]])
        if sweep:
            recursion(self.transcript).pulled_back(costate, self._network.slopes)
        else:
            step = self._step[:, :, : self.transcript.latent]
            after = costate[-1]
            for row in range(len(costate) - 1, 0, -1):
                before = costate[row - 1]
                before += after.dot(step[row])
                after = before
        return costate

    def knot_slope(self, costate: Float[np.ndarray, "horizon latent"]) -> Float[np.ndarray, " knot_mv"]:
        """Gradient by the knots of what `costate` was pulled back from."""
        transcript, size = self.transcript, self.transcript.latent
        by_input = costate.dot(transcript.linear.weight)
        by_input += self._network.pullback(costate)
        by_mv = by_input[:, size : size + transcript.mv] * self._mv_scale
        return np.asarray(self.space.blocks.matrix.T.dot(by_mv).ravel())

    def curvature(
        self, costate: Float[np.ndarray, "horizon latent"], by_guard: Float[np.ndarray, "horizon guard"]
    ) -> Float[np.ndarray, "knot_mv knot_mv"]:
        """What the bends of the network and of guardrails add to the Hessian by the knots."""
        size = self.transcript.latent + self.transcript.mv
        inputs = self._input_slope[:-1]
        total = _gram(inputs, self._network.curvature(costate)[:, :size, :size] @ inputs)
        for column in np.flatnonzero(by_guard.any(axis=0)) if by_guard.any() else ():
            slope = self.latent_slope
            total += _gram(slope, self._heads[column].curvature(by_guard[:, [column]]) @ slope)
        return np.asarray(0.5 * (total + total.T))

    @cached_property
    def _mv_scale(self) -> Float[np.ndarray, " mv"]:
        """Scaled MV per knot relative to `mv_span`."""
        scale: np.ndarray = self.space.problem.mv_span / self.transcript.mv_width
        return scale

    @cached_property
    def _network(self) -> Derivatives:
        problem, transcript = self.space.problem, self.transcript
        size, mvs = transcript.latent, transcript.mv
        inputs = np.empty((len(self.latent), size + mvs + transcript.dv))
        inputs[0, :size] = problem.latent
        inputs[1:, :size] = self.latent[:-1]
        inputs[:, size : size + mvs] = (self.mv - transcript.mv_center) / transcript.mv_width
        if transcript.dv:
            inputs[:, size + mvs :] = scaled_dv(transcript, problem)
        return Derivatives(transcript.network, inputs)

    @cached_property
    def _heads(self) -> tuple[Derivatives, ...]:
        return tuple(Derivatives(layers, self.latent) for layers in self.transcript.guards)

    @property
    def last_transition(self) -> Float[np.ndarray, "latent latent"]:
        """The latent state after the last interval by the one before it."""
        transition: np.ndarray = self._step[-1, :, : self.transcript.latent]
        return transition

    @property
    def latent_slope(self) -> Float[np.ndarray, "horizon latent knot_mv"]:
        """Latent states by knots."""
        return self._input_slope[1:, : self.transcript.latent]

    @cached_property
    def _input_slope(self) -> Float[np.ndarray, "_ latent_mv knot_mv"]:
        """By the knots: the state before each interval and its MVs; the last row has a state only."""
        size, mvs, step = self.transcript.latent, self.transcript.mv, self._step
        by_knot = (self.space.blocks.of(mvs).rows * self._mv_scale).reshape(len(step), mvs, -1)
        moved = size + mvs
        slope = np.empty((len(step) + 1, moved, by_knot.shape[2]))
        slope[0, :size], slope[:-1, size:] = 0.0, by_knot
        for row in range(len(step)):
            np.dot(step[row, :, :moved], slope[row], out=slope[row + 1, :size])
        return slope

    @cached_property
    def _step(self) -> Float[np.ndarray, "horizon latent _"]:
        """Latent state after each interval by state, MVs and DVs before it."""
        return np.asarray(recursion(self.transcript).straight + self._network.jacobian)


def _gram(
    left: Float[np.ndarray, "horizon size knot_mv"], right: Float[np.ndarray, "horizon size knot_mv"]
) -> Float[np.ndarray, "knot_mv knot_mv"]:
    """`sum_k left_k' right_k` as one product."""
    variables = left.shape[2]
    total: np.ndarray = left.reshape(-1, variables).T.dot(right.reshape(-1, variables))
    return total
