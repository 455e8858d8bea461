"""Networks as plain layers of numbers: what planners read of predictors and heads, in place of torch."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float
from scipy.linalg import block_diag
from torch import Tensor, nn

from procwm.errors import SpecError


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
"""A feed-forward network, first layer first; affine layers and activations take turns."""


@runtime_checkable
class Layered(Protocol):
    """A module that says itself what it is in plain layers, since it is no chain of torch's own."""

    def layers(self) -> Layers:
        """The same function as `forward`, with the weights of now."""
        ...


_ACTIVATIONS = {nn.Tanh: Activation.TANH, nn.SiLU: Activation.SILU}


def read_layers(network: nn.Module) -> Layers:
    """The layers of `network`; every second one, the first and the last among them, is affine.

    Args:
        network: `Linear`, `Tanh`, `SiLU`, whatever is `Layered`, or a `Sequential` of such.

    Raises:
        SpecError: it has another layer, or begins with one that is not affine.
    """
    return in_turn(_read(network))


def _read(network: nn.Module) -> Iterator[Layer]:
    if isinstance(network, Layered):
        yield from network.layers()
    elif isinstance(network, nn.Sequential):
        for part in network:
            yield from _read(part)
    elif isinstance(network, nn.Linear):
        bias = array(network.bias) if network.bias is not None else np.zeros(network.out_features)
        yield Affine(array(network.weight), bias)
    elif type(network) in _ACTIVATIONS:
        yield _ACTIVATIONS[type(network)]
    else:
        raise SpecError(
            f"a plan cannot be computed through a layer {type(network).__name__}; predictors, read-outs and "
            "guardrails may use Linear, Tanh, SiLU and Sequential, and modules with a method layers"
        )


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


def in_turn(layers: Iterable[Layer]) -> Layers:
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
