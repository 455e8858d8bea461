"""Small read-outs of the latent state: guardrails that plans are held to, and soft sensors."""

import math
from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
from jaxtyping import Float
from torch import Tensor, nn

from procwm.errors import SpecError
from procwm.world.parts.layers import Affine, Layers, in_turn, read_layers
from procwm.world.parts.perceptron import smooth_network
from procwm.world.parts.specs import PartSpec
from procwm.world.protocols import Head


@dataclass(frozen=True, kw_only=True)
class HeadSpec(PartSpec):
    """Kind, name and sizes of a head, and every constant of it that is no weight.

    Attributes:
        name: of what is read.
        coverage: share of moments that its margin or band was calibrated for.
    """

    name: str
    coverage: float

    @abstractmethod
    def build(self, latent: int) -> Head:
        """The head without its weights, for latents of that size; a guardrail keeps `PlannedHead`."""


class GuardHead(nn.Module):
    """One guardrail: safe where `network(z) + margin <= 0`.

    Attributes:
        name: of the guardrail.
        network: `Linear` and `Tanh` layers from the latent to one number.
        margin: added to the network so that a stated share of unsafe moments is covered.
        coverage: the share that the margin was calibrated for.
    """

    def __init__(self, *, name: str, network: nn.Sequential, margin: float, coverage: float) -> None:
        super().__init__()
        _check_constant(name, "margin", margin)
        self.name, self.network, self.margin, self.coverage = name, network, margin, coverage

    @property
    def spec(self) -> "GuardHeadSpec":
        """What it is built from again."""
        return GuardHeadSpec(
            name=self.name, coverage=self.coverage, widths=_widths(self.network), margin=self.margin
        )

    def forward(self, latent: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch 1"]:
        """Guardrail value, margin included."""
        value: Tensor = self.network(latent)
        return value + self.margin

    def layers(self) -> Layers:
        """The same as planners take it."""
        return in_turn((*read_layers(self.network), Affine(np.eye(1), np.array([self.margin]))))


@dataclass(frozen=True, kw_only=True)
class GuardHeadSpec(HeadSpec):
    """A guardrail with a perceptron of these widths, from that of the latent to 1, and a margin."""

    kind: ClassVar[str] = "guardrail"

    widths: tuple[int, ...]
    margin: float

    def build(self, latent: int) -> GuardHead:
        """The guardrail without its weights."""
        network = _network(self.widths)
        return GuardHead(name=self.name, network=network, margin=self.margin, coverage=self.coverage)


class SensorHead(nn.Module):
    """One soft sensor: a quantity that is not measured, in its own unit.

    Attributes:
        name: of the quantity.
        network: `Linear` and `Tanh` layers from the latent to one number.
        half_width: of the band about it that holds the share `coverage` of true values.
        coverage: the share that the band was calibrated for.
    """

    def __init__(self, *, name: str, network: nn.Sequential, half_width: float, coverage: float) -> None:
        super().__init__()
        _check_constant(name, "half_width", half_width)
        self.name, self.network, self.half_width, self.coverage = name, network, half_width, coverage

    @property
    def spec(self) -> "SensorHeadSpec":
        """What it is built from again."""
        widths = _widths(self.network)
        return SensorHeadSpec(
            name=self.name, coverage=self.coverage, widths=widths, half_width=self.half_width
        )

    def forward(self, latent: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch 1"]:
        """The quantity."""
        value: Tensor = self.network(latent)
        return value


@dataclass(frozen=True, kw_only=True)
class SensorHeadSpec(HeadSpec):
    """A soft sensor with a perceptron of these widths, from that of the latent to 1, and a band."""

    kind: ClassVar[str] = "soft_sensor"

    widths: tuple[int, ...]
    half_width: float

    def build(self, latent: int) -> SensorHead:
        """The soft sensor without its weights."""
        return SensorHead(
            name=self.name,
            network=_network(self.widths),
            half_width=self.half_width,
            coverage=self.coverage,
        )


def _check_constant(name: str, what: str, value: float) -> None:
    if not math.isfinite(value):
        raise SpecError(f"{name}: its {what} is {value}; it must be finite")


def _widths(network: nn.Sequential) -> tuple[int, ...]:
    linear = [layer for layer in network if isinstance(layer, nn.Linear)]
    return (linear[0].in_features, *(layer.out_features for layer in linear))


def _network(widths: Sequence[int]) -> nn.Sequential:
    return smooth_network(widths[0], widths[1:-1], widths[-1])
