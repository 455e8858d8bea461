"""What a sensor of many channels does by itself, added to what it showed so that nobody learns to use it."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, kw_only=True)
class ChannelNuisances:
    """How much of each is added to an array.

    Small, because the log itself shows what a sensor does; larger ones drown what is seen where the sensor
    is better than that.

    Attributes:
        gain: standard deviation of the logarithm of a factor.
        baseline: standard deviations of an offset, a slope and a curvature over the channels, beside that of
            a channel.
        shift: largest one along the channels, in channels.
        hidden: probability that a block of channels is hidden.
        blocks: of channels.
    """

    gain: float = 0.01
    baseline: float = 0.01
    shift: float = 0.02
    hidden: float = 0.02
    blocks: int = 16

    def disturbed(
        self, arrays: Float[Tensor, "row channel"], spread: float, generator: torch.Generator
    ) -> Float[Tensor, "row channel"]:
        """`arrays`, each with a gain, a baseline and a shift of its own.

        Args:
            spread: standard deviation of a channel, on average.
        """
        rows, channels = arrays.shape
        drawn = torch.randn((rows, 5), generator=generator)
        size = torch.rand((rows, 1), generator=generator)
        factor = torch.exp(self.gain * size * drawn[:, :1])
        baseline = self.baseline * spread * size * drawn[:, 1:4] @ _shapes(channels)
        shift = self.shift * torch.tanh(drawn[:, 4:])
        return factor * (arrays + shift * _slopes(arrays)) + baseline

    def mask(self, rows: int, channels: int, generator: torch.Generator) -> Float[Tensor, "row 1 channel"]:
        """1 where a channel is seen, 0 where it is hidden."""
        seen = (torch.rand((rows, 1, self.blocks), generator=generator) >= self.hidden).float()
        each = -(-channels // self.blocks)
        return seen.repeat_interleave(each, dim=2)[:, :, :channels]


def _shapes(channels: int) -> Float[Tensor, "shape channel"]:
    """Offset, slope and curvature."""
    axis = torch.linspace(-1.0, 1.0, channels)
    return torch.stack((torch.ones(channels), axis, axis.square() - 1.0 / 3.0))


def _slopes(arrays: Float[Tensor, "row channel"]) -> Float[Tensor, "row channel"]:
    """Change of every array by one channel: what a shift adds, to first order."""
    (slopes,) = torch.gradient(arrays, dim=1)
    return slopes
