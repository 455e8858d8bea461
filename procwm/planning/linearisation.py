"""A transcript run in numpy: latent trajectories, and Jacobians of all intervals at once."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

from procwm.planning.problem import ControlProblem
from procwm.planning.transcription import Activation, Affine, Layers, Transcript


def value(layers: Layers, inputs: Float[np.ndarray, "batch in"]) -> Float[np.ndarray, "batch out"]:
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
    swept = np.broadcast_to(np.eye(out), (batch, out, out))
    for slope in reversed(slopes):
        swept = swept @ slope.weight if isinstance(slope, Affine) else swept * slope[:, None, :]
    return swept


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
) -> Float[np.ndarray, "horizon batch latent"]:
    """Latent states under each MV trajectory (engineering units); row 0 is the end of the first interval."""
    batch = len(mv)
    dv = scaled_dv(transcript, problem)
    scaled = ((mv - transcript.mv_center) / transcript.mv_width).swapaxes(0, 1)
    latent = np.broadcast_to(problem.latent, (batch, transcript.latent))
    states = np.empty((problem.horizon, batch, transcript.latent))
    with np.errstate(over="ignore", invalid="ignore"):
        for row in range(problem.horizon):
            inputs = np.concatenate(
                (latent, scaled[row], np.broadcast_to(dv[row], (batch, dv.shape[1]))), axis=1
            )
            latent = latent + value((transcript.linear,), inputs) + value(transcript.network, inputs)
            states[row] = latent
    return states


def guard_values(
    guards: Sequence[Layers], latent: Float[np.ndarray, "batch latent"]
) -> Float[np.ndarray, "batch guard"]:
    """Guardrails at every row, margin included."""
    if not guards:
        return np.zeros((len(latent), 0))
    return np.concatenate([value(layers, latent) for layers in guards], axis=1)
