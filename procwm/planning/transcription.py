"""Torch layers read once into plain matrices, and written as CasADi expressions."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property, singledispatch
from typing import Any

import casadi as ca
import numpy as np
from jaxtyping import Float
from scipy.linalg import block_diag
from torch import Tensor, nn

from procwm.errors import SpecError
from procwm.plant.tags import names_of
from procwm.world.heads import GuardHead
from procwm.world.model import WorldModel
from procwm.world.predictors.mean import MeanNetwork
from procwm.world.predictors.scheduled import NEARLY_LINEAR, ScheduledNetwork


@dataclass(frozen=True, eq=False)
class Affine:
    """`y = weight x + bias`."""

    weight: Float[np.ndarray, "out in"]
    bias: Float[np.ndarray, " out"]


class Activation(StrEnum):
    """Smooth functions applied to every number."""

    TANH = "tanh"
    SILU = "silu"
    SQUARE = "square"
    SAME = "same"


@dataclass(frozen=True)
class Abreast:
    """Activations side by side, each of so many numbers."""

    parts: tuple[tuple[Activation, int], ...]

    @cached_property
    def places(self) -> tuple[tuple[Activation, slice], ...]:
        """Where the numbers of each are."""
        ends = np.cumsum([width for _, width in self.parts]).tolist()
        return tuple(
            (own, slice(end - width, end)) for (own, width), end in zip(self.parts, ends, strict=True)
        )


Layer = Affine | Activation | Abreast
Layers = tuple[Layer, ...]
"""A feed-forward network, first layer first."""


@singledispatch
def _read(layer: nn.Module) -> Iterator[Layer]:
    raise SpecError(
        f"a plan cannot be computed through a layer {type(layer).__name__}; "
        "predictors, read-outs and guardrails may use Linear, Tanh, SiLU, Sequential, ScheduledNetwork "
        "and MeanNetwork"
    )


@_read.register
def _(layer: nn.Linear) -> Iterator[Layer]:
    bias = array(layer.bias) if layer.bias is not None else np.zeros(layer.out_features)
    yield Affine(array(layer.weight), bias)


@_read.register
def _(layer: nn.Tanh) -> Iterator[Layer]:
    yield Activation.TANH


@_read.register
def _(layer: nn.SiLU) -> Iterator[Layer]:
    yield Activation.SILU


@_read.register
def _(layer: nn.Sequential) -> Iterator[Layer]:
    for part in layer:
        yield from _read(part)


@_read.register
def _(layer: ScheduledNetwork) -> Iterator[Layer]:
    """Products as bends of single numbers: `ab = ((a + b) / 2)^2 - ((a - b) / 2)^2`."""
    gates, inputs = layer.gates, layer.inputs
    gate = np.hstack((array(layer.gate.weight), np.zeros((gates, inputs - layer.scheduling))))
    yield Affine(
        np.vstack((gate, NEARLY_LINEAR * np.eye(inputs))),
        np.concatenate((array(layer.gate.bias), np.zeros(inputs))),
    )
    yield Activation.TANH
    # Each gate meets every input, and 1.
    left = np.kron(np.eye(gates), np.ones((inputs + 1, 1)))
    factor = np.tile(np.eye(inputs + 1), (gates, 1))
    right, constant = factor[:, :-1] / NEARLY_LINEAR, factor[:, -1]
    yield Affine(0.5 * np.block([[left, right], [left, -right]]), 0.5 * np.append(constant, -constant))
    yield Activation.SQUARE
    mix = array(layer.mix.weight)
    yield Affine(np.hstack((mix, -mix)), array(layer.mix.bias))


@_read.register
def _(layer: MeanNetwork) -> Iterator[Layer]:
    each = [read_layers(network) for network in layer.networks]
    first = [affine(layers[0]) for layers in each]
    yield from side_by_side(
        each,
        Affine(np.vstack([part.weight for part in first]), np.concatenate([part.bias for part in first])),
    )
    outputs = len(affine(each[0][-1]).bias)
    yield Affine(np.tile(np.eye(outputs) / len(each), len(each)), np.zeros(outputs))


def side_by_side(networks: Sequence[Layers], first: Affine) -> Layers:
    """`networks` as one that has all of their outputs.

    Args:
        first: their first maps in one, whatever inputs they share.
    """
    depth = max(len(layers) for layers in networks)
    together: list[Layer] = [first]
    widths = [len(affine(layers[0]).bias) for layers in networks]
    for rank in list(zip(*(_deepened(layers, depth) for layers in networks), strict=True))[1:]:
        if isinstance(rank[0], Affine):
            maps = [affine(part) for part in rank]
            widths = [len(part.bias) for part in maps]
            together.append(
                Affine(
                    block_diag(*(part.weight for part in maps)), np.concatenate([part.bias for part in maps])
                )
            )
        elif isinstance(rank[0], Activation) and len(set(rank)) == 1:
            together.append(rank[0])
        else:
            together.append(Abreast(tuple(_in_parts(rank, widths))))
    return tuple(together)


def _in_parts(rank: Sequence[Layer], widths: Sequence[int]) -> Iterator[tuple[Activation, int]]:
    for part, width in zip(rank, widths, strict=True):
        if isinstance(part, Abreast):
            yield from part.parts
        elif isinstance(part, Activation):
            yield part, width


def _deepened(layers: Layers, depth: int) -> Layers:
    """`layers` followed by ones that change nothing; maps and activations take turns."""
    outputs = len(affine(layers[-1]).bias)
    nothing = (Activation.SAME, Affine(np.eye(outputs), np.zeros(outputs)))
    return layers + nothing * ((depth - len(layers)) // 2)


def affine(layer: Layer) -> Affine:
    """`layer`, which is known to be a map."""
    assert isinstance(layer, Affine)
    return layer


def array(value: Tensor) -> Float[np.ndarray, "..."]:
    """A tensor's numbers in double precision."""
    return value.detach().cpu().numpy().astype(np.float64)


def read_layers(network: nn.Module) -> Layers:
    """The layers of `network`; every second one, the first and the last among them, is affine.

    Raises:
        SpecError: it has a layer other than Linear, Tanh, SiLU, Sequential, ScheduledNetwork or MeanNetwork,
            or begins with one that is not affine.
    """
    return _in_turn(_read(network))


def _in_turn(layers: Iterable[Layer]) -> Layers:
    """`layers` with neighbours that are affine as one, and the identity where one is missing."""
    merged: list[Layer] = []
    for layer in layers:
        before = merged[-1] if merged else None
        if isinstance(layer, Affine) and isinstance(before, Affine):
            merged[-1] = Affine(layer.weight @ before.weight, layer.weight @ before.bias + layer.bias)
        elif before is not None and not isinstance(layer, Affine) and not isinstance(before, Affine):
            merged += [_identity(merged), layer]
        else:
            merged.append(layer)
    if not isinstance(merged[0], Affine):
        raise SpecError(f"a network begins with {merged[0]}; for a plan it must begin with Linear")
    return tuple(merged) if isinstance(merged[-1], Affine) else (*merged, _identity(merged))


def _identity(after: Sequence[Layer]) -> Affine:
    width = next(len(layer.bias) for layer in reversed(after) if isinstance(layer, Affine))
    return Affine(np.eye(width), np.zeros(width))


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
    plant, scaler, predictor = model.plant, model.scaler, model.predictor
    cv_center, cv_width = scaler.part(model.output_names)
    linear, readout = (affine(read_layers(part)[0]) for part in (predictor.linear, model.readout))
    mv_center, mv_width = scaler.part(plant.mv_names)
    dv_center, dv_width = scaler.part(names_of(plant.dvs))
    return Transcript(
        latent=model.readout.in_features,
        mv=len(plant.mvs),
        dv=len(plant.dvs),
        linear=linear,
        network=read_layers(predictor.network),
        readout=Affine(cv_width[:, None] * readout.weight, cv_width * readout.bias + cv_center),
        guards=tuple(_guard_layers(head) for head in model.guard_heads),
        mv_center=mv_center,
        mv_width=mv_width,
        dv_center=dv_center,
        dv_width=dv_width,
    )


def _guard_layers(head: GuardHead) -> Layers:
    margin = Affine(np.eye(1), np.array([head.margin]))
    return _in_turn((*read_layers(head.network), margin))


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
