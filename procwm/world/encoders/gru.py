"""A gated recurrent unit that reads a window row by row."""

from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from procwm.world.encoders.encoder import EncoderSpec
from procwm.world.encoders.features import window_rows
from procwm.world.parts.perceptron import zero_linear
from procwm.world.parts.specs import WindowShape, check_count
from procwm.world.protocols import ModelInput


class GruNetwork(nn.Module):
    """One recurrent layer, whose state after the last row is read out by a layer that starts at zero.

    Cho et al. (2014), Learning phrase representations using RNN encoder-decoder, EMNLP, 1724-1734.
    """

    def __init__(self, *, tags: int, latent: int, width: int) -> None:
        super().__init__()
        self.recurrent = nn.GRU(2 * tags, width, batch_first=True)
        self.last = zero_linear(width, latent)

    def forward(self, window: ModelInput) -> Float[Tensor, "batch latent"]:
        """What the network adds to the latent at the end of each window."""
        _, state = self.recurrent(window_rows(window))
        latent: Tensor = self.last(state[0])
        return latent


@dataclass(frozen=True, kw_only=True)
class GruEncoder(EncoderSpec):
    """An encoder with a gated recurrent unit of `width` states."""

    kind: ClassVar[str] = "gru"

    width: int = 16

    def __post_init__(self) -> None:
        check_count(self.kind, "width", self.width)

    def network(self, shape: WindowShape) -> nn.Module:
        """What is added to the linear part."""
        return GruNetwork(tags=shape.tags, latent=shape.latent, width=self.width)
