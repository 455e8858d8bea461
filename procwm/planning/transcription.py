"""A world model read once as plain matrices, and written as CasADi expressions."""

from dataclasses import dataclass
from typing import Any

import casadi as ca
import numpy as np
from jaxtyping import Float

from procwm.plant.tags import names_of
from procwm.world.model import WorldModel
from procwm.world.parts.layers import Abreast, Activation, Affine, Layers, affine, read_layers


@dataclass(frozen=True, eq=False)
class Transcript:
    """A world model's dynamics and read-outs as plain layers; latent, MV and DV scaled, CV engineering.

    `z' = z + linear([z, mv, dv]) + network([z, mv, dv])`, `cv = readout z`, `guard_i = guards_i(z)`.

    Attributes:
        latent, mv, dv: sizes of the three inputs.
        linear, network: parts of the predictor.
        readout: latent to outputs in engineering units.
        guards: latent to each guardrail, margin included.
        mv_center, mv_width: `scaled = (engineering - center) / width`.
        dv_center, dv_width: likewise.
    """

    latent: int
    mv: int
    dv: int
    linear: Affine
    network: Layers
    readout: Affine
    guards: tuple[Layers, ...]
    mv_center: Float[np.ndarray, " mv"]
    mv_width: Float[np.ndarray, " mv"]
    dv_center: Float[np.ndarray, " dv"]
    dv_width: Float[np.ndarray, " dv"]


def transcribe(model: WorldModel) -> Transcript:
    """Read `model` once; later changes of its weights are not seen.

    Raises:
        SpecError: a part of it has a layer that cannot be written as an expression.
    """
    plant, scaler = model.plant, model.scaler
    cv_center, cv_width = scaler.part(model.output_names)
    readout = affine(read_layers(model.readout)[0])
    linear, network = model.predictor.change()
    mv_center, mv_width = scaler.part(plant.mv_names)
    dv_center, dv_width = scaler.part(names_of(plant.dvs))
    return Transcript(
        latent=model.readout.in_features,
        mv=len(plant.mvs),
        dv=len(plant.dvs),
        linear=linear,
        network=network,
        readout=Affine(cv_width[:, None] * readout.weight, cv_width * readout.bias + cv_center),
        guards=tuple(head.layers() for head in model.guard_heads),
        mv_center=mv_center,
        mv_width=mv_width,
        dv_center=dv_center,
        dv_width=dv_width,
    )


def expression(layers: Layers, inputs: Any) -> Any:
    """`layers` applied to every column of the CasADi matrix `inputs`."""
    value = inputs
    for layer in layers:
        if isinstance(layer, Affine):
            value = ca.mtimes(ca.DM(layer.weight), value) + ca.repmat(ca.DM(layer.bias), 1, value.shape[1])
        elif isinstance(layer, Abreast):
            value = ca.vertcat(*(_activated(own, value[place, :]) for own, place in layer.places))
        else:
            value = _activated(layer, value)
    return value


def _activated(activation: Activation, value: Any) -> Any:
    if activation is Activation.TANH:
        return ca.tanh(value)
    if activation is Activation.SQUARE:
        return value * value
    return value if activation is Activation.SAME else value / (1.0 + ca.exp(-value))


def next_latent(transcript: Transcript, latent: Any, mv: Any, dv: Any) -> Any:
    """The predictor as a CasADi expression; columns are independent of one another."""
    inputs = ca.vertcat(latent, mv, dv)
    return latent + expression((transcript.linear,), inputs) + expression(transcript.network, inputs)


def guard_values(transcript: Transcript, latent: Any) -> Any:
    """The guardrails as a CasADi expression, one row each."""
    return ca.vertcat(*(expression(layers, latent) for layers in transcript.guards))
