"""A transcript run in numpy: latent trajectories, and Jacobians of all intervals at once."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from procwm.planning.moves import MoveSpace
from procwm.planning.problem import ControlProblem
from procwm.planning.transcription import Activation, Affine, Layers, Transcript


def value(layers: Layers, inputs: Float[np.ndarray, "*batch in"]) -> Float[np.ndarray, "*batch out"]:
    """`layers` applied to every row."""
    for layer in layers:
        if isinstance(layer, Affine):
            inputs = inputs @ layer.weight.T + layer.bias
        elif layer is Activation.TANH:
            inputs = np.tanh(inputs)
        else:
            inputs = inputs * _sigmoid(inputs)
    return inputs


def jacobian(layers: Layers, inputs: Float[np.ndarray, "batch in"]) -> Float[np.ndarray, "batch out in"]:
    """Derivative of `layers` at every row.

    Swept from the last layer to the first: every product then has a constant right factor, so that the
    whole batch is one matrix product.
    """
    slopes: list[Affine | Float[np.ndarray, "batch width"]] = []
    for layer in layers:
        slopes.append(layer if isinstance(layer, Affine) else _slope(layer, inputs))
        inputs = value((layer,), inputs)
    batch, out = inputs.shape
    swept = np.tile(np.eye(out), (batch, 1))
    for slope in reversed(slopes):
        swept = swept @ slope.weight if isinstance(slope, Affine) else swept * np.repeat(slope, out, axis=0)
    return swept.reshape(batch, out, -1)


def _slope(
    activation: Activation, inputs: Float[np.ndarray, "batch width"]
) -> Float[np.ndarray, "batch width"]:
    if activation is Activation.TANH:
        slope: np.ndarray = 1.0 - np.tanh(inputs) ** 2
        return slope
    sigmoid = _sigmoid(inputs)
    return sigmoid * (1.0 + inputs * (1.0 - sigmoid))


def _sigmoid(inputs: Float[np.ndarray, "batch width"]) -> Float[np.ndarray, "batch width"]:
    return 0.5 * (1.0 + np.tanh(0.5 * inputs))  # exp(-x) would overflow


def scaled_dv(transcript: Transcript, problem: ControlProblem) -> Float[np.ndarray, "horizon dv"]:
    """Measured disturbances over the horizon, scaled."""
    scaled: np.ndarray = (problem.dv - transcript.dv_center) / transcript.dv_width
    return scaled


def imagine(
    transcript: Transcript, problem: ControlProblem, mv: Float[np.ndarray, "batch horizon mv"]
) -> Float[np.ndarray, "batch horizon latent"]:
    """Latent states under each MV trajectory (engineering units)."""
    batch = len(mv)
    dv = np.broadcast_to(scaled_dv(transcript, problem), (batch, *problem.dv.shape))
    driven = np.concatenate(((mv - transcript.mv_center) / transcript.mv_width, dv), axis=2)
    latent = np.broadcast_to(problem.latent, (batch, transcript.latent))
    states = np.empty((batch, problem.horizon, transcript.latent))
    for row in range(problem.horizon):
        inputs = np.concatenate((latent, driven[:, row]), axis=1)
        latent = latent + value((transcript.linear,), inputs) + value(transcript.network, inputs)
        states[:, row] = latent
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
    """One MV trajectory with its prediction, and how that changes with the knots.

    The axis `knot_mv` runs over knots, then MVs, each relative to `mv_span`.
    """

    mv: Float[np.ndarray, "horizon mv"]
    cv: Float[np.ndarray, "horizon cv"]
    guard: Float[np.ndarray, "horizon guard"]
    cv_slope: Float[np.ndarray, "horizon cv knot_mv"]
    guard_slope: Float[np.ndarray, "horizon guard knot_mv"]


def linearise(
    transcript: Transcript,
    space: MoveSpace,
    mv: Float[np.ndarray, "horizon mv"],
    latent: Float[np.ndarray, "horizon latent"],
) -> Trajectory:
    """Outputs and guardrails along `latent`, which is where `mv` leads, and their derivatives by knots."""
    problem, size = space.problem, transcript.latent
    before = np.vstack((problem.latent, latent[:-1]))
    scaled = (mv - transcript.mv_center) / transcript.mv_width
    inputs = np.hstack((before, scaled, scaled_dv(transcript, problem)))
    step = transcript.linear.weight + jacobian(transcript.network, inputs)
    by_state = np.eye(size) + step[:, :, :size]
    by_mv = step[:, :, size : size + transcript.mv] * (problem.mv_span / transcript.mv_width)
    by_knot = by_mv[:, :, None, :] * space.blocks.matrix[:, None, :, None]
    by_knot = by_knot.reshape(len(mv), size, -1)
    slope = np.empty_like(by_knot)
    slope[0] = by_knot[0]
    for row in range(1, len(mv)):
        slope[row] = by_state[row] @ slope[row - 1] + by_knot[row]
    none = np.zeros((len(mv), 0, size))
    by_latent = np.concatenate([none, *(jacobian(layers, latent) for layers in transcript.guards)], axis=1)
    return Trajectory(
        mv=mv,
        cv=outputs(transcript, problem, latent),
        guard=guard_values(transcript, latent),
        cv_slope=transcript.readout.weight @ slope,
        guard_slope=by_latent @ slope,
    )
