"""Feed-forward layers in numpy: values and first and second derivatives, whole batches at once."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from procwm.planning.transcription import Activation, Affine, Layers


def value(layers: Layers, inputs: Float[np.ndarray, "*batch in"]) -> Float[np.ndarray, "*batch out"]:
    """`layers` applied to every row."""
    for layer in layers:
        if isinstance(layer, Affine):
            inputs = inputs.dot(layer.weight.T)
            inputs += layer.bias
        elif layer is Activation.TANH:
            inputs = np.tanh(inputs)
        elif layer is Activation.SQUARE:
            inputs = inputs * inputs
        else:
            inputs = inputs * _sigmoid(inputs)
    return inputs


@dataclass(frozen=True, eq=False)
class _Bend:
    """An activation at every row: its first two derivatives."""

    slope: Float[np.ndarray, "batch width"]
    curvature: Float[np.ndarray, "batch width"]


class Derivatives:
    """Derivatives of `layers` at every row of a batch, from one pass.

    Attributes:
        value: the outputs.
    """

    def __init__(self, layers: Layers, inputs: Float[np.ndarray, "batch in"]) -> None:
        self._inputs = inputs.shape[1]
        self._parts: list[Affine | _Bend] = []
        for layer in layers:
            if isinstance(layer, Affine):
                self._parts.append(layer)
                inputs = value((layer,), inputs)
            else:
                inputs, bend = _bent(layer, inputs)
                self._parts.append(bend)
        self.value: Float[np.ndarray, "batch out"] = inputs

    @property
    def jacobian(self) -> Float[np.ndarray, "batch out in"]:
        """First derivatives."""
        tangent = self._tangents[-1].swapaxes(1, 2)
        return np.broadcast_to(tangent, (len(self.value), *tangent.shape[1:]))

    @cached_property
    def _tangents(self) -> list[Float[np.ndarray, "_ in width"]]:
        """Derivatives of every layer's inputs, and of the outputs, by the network's inputs.

        The first axis has length 1 as long as all rows have the same.

        Swept from inputs to outputs, which is what `curvature` needs too; every product has a constant
        factor, so that the whole batch is one matrix product.
        """
        size = self._inputs
        tangents = [np.eye(size)[None]]
        for part in self._parts:
            before = tangents[-1]
            if isinstance(part, _Bend):
                tangents.append(before * part.slope[:, None, :])
            else:
                tangents.append(
                    (before.reshape(-1, before.shape[2]) @ part.weight.T).reshape(-1, size, len(part.bias))
                )
        return tangents

    def pullback(self, row: int, by_output: Float[np.ndarray, " out"]) -> Float[np.ndarray, " in"]:
        """Gradient by the inputs of `by_output @ value[row]`."""
        for part in reversed(self._parts):
            by_output = (
                by_output.dot(part.weight) if isinstance(part, Affine) else by_output * part.slope[row]
            )
        return by_output

    def pullback_all(self, by_output: Float[np.ndarray, "batch out"]) -> Float[np.ndarray, "batch in"]:
        """`pullback` at every row."""
        for part in reversed(self._parts):
            by_output = by_output @ part.weight if isinstance(part, Affine) else by_output * part.slope
        return by_output

    def curvature(self, by_output: Float[np.ndarray, "batch out"]) -> Float[np.ndarray, "batch in in"]:
        """Second derivatives by the inputs of `by_output @ value`, at every row."""
        total = np.zeros((len(self.value), self._inputs, self._inputs))
        for part, tangent in zip(reversed(self._parts), reversed(self._tangents[:-1]), strict=True):
            if isinstance(part, Affine):
                by_output = by_output @ part.weight
            else:
                bent = by_output * part.curvature
                total += (tangent * bent[:, None, :]) @ tangent.swapaxes(1, 2)
                by_output = by_output * part.slope
        return total


def _bent(
    activation: Activation, inputs: Float[np.ndarray, "batch width"]
) -> tuple[Float[np.ndarray, "batch width"], _Bend]:
    if activation is Activation.TANH:
        t = np.tanh(inputs)
        slope = 1.0 - t * t
        return t, _Bend(slope, -2.0 * t * slope)
    if activation is Activation.SQUARE:
        return inputs * inputs, _Bend(2.0 * inputs, np.full_like(inputs, 2.0))
    s = _sigmoid(inputs)
    bent = s * (1.0 - s)
    return inputs * s, _Bend(s + inputs * bent, bent * (2.0 + inputs * (1.0 - 2.0 * s)))


def _sigmoid(inputs: Float[np.ndarray, "*batch width"]) -> Float[np.ndarray, "*batch width"]:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * inputs)))  # exp(-x) would overflow
