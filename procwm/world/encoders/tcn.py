"""A temporal convolutional network: dilated causal convolutions that see the whole window."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from procwm.world.encoders.encoder import EncoderSpec
from procwm.world.encoders.features import window_rows
from procwm.world.parts.perceptron import zero_linear
from procwm.world.parts.specs import WindowShape, check_count
from procwm.world.protocols import ModelInput

KERNEL = 3


class TcnNetwork(nn.Module):
    """Residual levels of convolutions with dilation 1, 2, 4, ..., read out by a layer that starts at zero.

    Bai, Kolter and Koltun (2018), An empirical evaluation of generic convolutional and recurrent networks
    for sequence modeling, arXiv 1803.01271. Only the last row's output is asked for, and it hangs on every
    second row of the level below, on every second one of those below that, and so on: so each level is a
    convolution of stride 2, which gives the same numbers for a fraction of the work.
    """

    def __init__(self, *, history: int, tags: int, latent: int, width: int) -> None:
        super().__init__()
        levels: list[nn.Module] = []
        rows, channels = history, 2 * tags
        while rows > 1 or not levels:
            levels.append(nn.Conv1d(channels, width, KERNEL, stride=2))
            rows, channels = (rows + 1) // 2, width
        self.levels = nn.ModuleList(levels)
        self.last = zero_linear(width, latent)

    def forward(self, window: ModelInput) -> Float[Tensor, "batch latent"]:
        """What the network adds to the latent at the end of each window."""
        rows = window_rows(window).transpose(1, 2)
        for level in self.levels:
            odd = rows.shape[-1] % 2
            # Nothing is known of the time before the window; the last row stays the last one.
            told = torch.tanh(level(nn.functional.pad(rows, (1 + odd, 0))))
            rows = told + rows[..., 1 - odd :: 2] if rows.shape[1] == told.shape[1] else told
        latent: Tensor = self.last(rows[..., -1])
        return latent


@dataclass(frozen=True, kw_only=True)
class TcnEncoder(EncoderSpec):
    """An encoder with convolutions of `width` channels."""

    kind: ClassVar[str] = "tcn"

    width: int = 16

    def __post_init__(self) -> None:
        check_count(self.kind, "width", self.width)

    def network(self, shape: WindowShape) -> nn.Module:
        """What is added to the linear part."""
        return TcnNetwork(history=shape.history, tags=shape.tags, latent=shape.latent, width=self.width)
