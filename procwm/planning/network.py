"""Feed-forward layers in numpy: values and first and second derivatives, whole batches at once."""

from collections.abc import Callable, Mapping
from functools import cached_property
from types import MappingProxyType
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from procwm.world.parts.layers import Abreast, Activation, Affine, Layers


def value(layers: Layers, inputs: Float[np.ndarray, "*batch in"]) -> Float[np.ndarray, "*batch out"]:
    """`layers` applied to every row."""
    for layer in layers:
        if isinstance(layer, Affine):
            inputs = inputs.dot(layer.weight.T)
            inputs += layer.bias
        else:
            inputs = function_of(layer)(inputs)
    return inputs


class _Bend(NamedTuple):
    """An activation at every row, and the weight that its outputs meet next."""

    slope: Float[np.ndarray, "batch width"]
    curvature: Callable[[], Float[np.ndarray, "batch width"]]
    weight: Float[np.ndarray, "out width"]


class Derivatives:
    """Derivatives of `layers` at every row of a batch, from one pass.

    Attributes:
        value: the outputs.
    """

    def __init__(self, layers: Layers, inputs: Float[np.ndarray, "batch in"]) -> None:
        """Run `layers`, of which every second one, the first and the last among them, is affine."""
        first, *later = layers
        assert isinstance(first, Affine)
        self._first = first.weight
        inputs = inputs.dot(first.weight.T)
        inputs += first.bias
        self._bends: list[_Bend] = []
        for activation, affine in zip(later[::2], later[1::2], strict=True):
            assert not isinstance(activation, Affine)
            assert isinstance(affine, Affine)
            inputs, slope, curvature = _bent(activation, inputs)
            self._bends.append(_Bend(slope, curvature, affine.weight))
            inputs = inputs.dot(affine.weight.T)
            inputs += affine.bias
        self.value: Float[np.ndarray, "batch out"] = inputs

    @property
    def jacobian(self) -> Float[np.ndarray, "batch out in"]:
        """First derivatives."""
        tangent = self._tangents[-1].swapaxes(1, 2)
        return tangent if self._bends else np.broadcast_to(tangent, (len(self.value), *tangent.shape[1:]))

    @cached_property
    def _tangents(self) -> list[Float[np.ndarray, "_ in _"]]:
        """Derivatives of every activation's inputs, and of the outputs, by the network's inputs.

        The first axis of the first has length 1, as all rows have the same.

        Swept from inputs to outputs, which is what `curvature` needs too; every product has a constant
        factor, so that the whole batch is one matrix product.
        """
        size = self._first.shape[1]
        tangents = [self._first.T[None]]
        for slope, _, weight in self._bends:
            bent = tangents[-1] * slope[:, None, :]
            tangents.append(bent.reshape(-1, weight.shape[1]).dot(weight.T).reshape(-1, size, len(weight)))
        return tangents

    @property
    def slopes(self) -> list[Float[np.ndarray, "batch _"]]:
        """First derivatives of the hidden layers' activations, first layer first."""
        return [bend.slope for bend in self._bends]

    def pullback(self, by_output: Float[np.ndarray, "batch out"]) -> Float[np.ndarray, "batch in"]:
        """Gradient by the inputs of `by_output @ value`, at every row."""
        for slope, _, weight in reversed(self._bends):
            by_output = by_output.dot(weight)
            by_output *= slope
        return np.asarray(by_output.dot(self._first))

    def curvature(self, by_output: Float[np.ndarray, "batch out"]) -> Float[np.ndarray, "batch in in"]:
        """Second derivatives by the inputs of `by_output @ value`, at every row."""
        size = self._first.shape[1]
        total = np.zeros((len(self.value), size, size))
        for (slope, curvature, weight), tangent in zip(
            reversed(self._bends), reversed(self._tangents[:-1]), strict=True
        ):
            by_output = by_output.dot(weight)
            bent = by_output * curvature()
            total += (tangent * bent[:, None, :]) @ tangent.swapaxes(1, 2)
            by_output *= slope
        return total


def _bent(
    activation: Activation | Abreast, inputs: Float[np.ndarray, "batch width"]
) -> tuple[
    Float[np.ndarray, "batch width"],
    Float[np.ndarray, "batch width"],
    Callable[[], Float[np.ndarray, "batch width"]],
]:
    """Value, first derivative, and how to get the second."""
    if isinstance(activation, Abreast):
        each = [_bent(own, inputs[:, place]) for own, place in activation.places]
        values, slopes, curvatures = zip(*each, strict=True)
        return np.hstack(values), np.hstack(slopes), lambda: np.hstack([second() for second in curvatures])
    if activation is Activation.TANH:
        t = np.tanh(inputs)
        slope = 1.0 - t * t
        return t, slope, lambda: -2.0 * t * slope
    if activation is Activation.SQUARE:
        return inputs * inputs, 2.0 * inputs, lambda: np.full_like(inputs, 2.0)
    if activation is Activation.SAME:
        return inputs, np.ones_like(inputs), lambda: np.zeros_like(inputs)
    s = _sigmoid(inputs)
    bent = s * (1.0 - s)
    return inputs * s, s + inputs * bent, lambda: bent * (2.0 + inputs * (1.0 - 2.0 * s))


def _sigmoid(inputs: Float[np.ndarray, "*batch width"]) -> Float[np.ndarray, "*batch width"]:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * inputs)))  # exp(-x) would overflow


def _square(inputs: Float[np.ndarray, "*batch width"]) -> Float[np.ndarray, "*batch width"]:
    return np.asarray(inputs * inputs)


def _silu(inputs: Float[np.ndarray, "*batch width"]) -> Float[np.ndarray, "*batch width"]:
    return np.asarray(inputs * _sigmoid(inputs))


Function = Callable[..., Float[np.ndarray, "*batch width"]]
_FUNCTIONS: Mapping[Activation, Function] = MappingProxyType(
    {
        Activation.TANH: np.tanh,
        Activation.SQUARE: _square,
        Activation.SILU: _silu,
        Activation.SAME: np.positive,
    }
)


def function_of(activation: Activation | Abreast) -> Function:
    """What it does to every number; `inputs` and results have their numbers along the last axis."""
    if isinstance(activation, Activation):
        return _FUNCTIONS[activation]
    places = [(_FUNCTIONS[own], place) for own, place in activation.places]

    def abreast(inputs: Float[np.ndarray, "*batch width"]) -> Float[np.ndarray, "*batch width"]:
        return np.concatenate([own(inputs[..., place]) for own, place in places], axis=-1)

    return abreast
