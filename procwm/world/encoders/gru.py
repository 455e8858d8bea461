"""A gated recurrent unit that reads a window row by row."""

from jaxtyping import Float
from torch import Tensor, nn

from procwm.world.encoders.features import window_rows
from procwm.world.protocols import ModelInput


class GruNetwork(nn.Module):
    """One recurrent layer, whose state after the last row is read out by a layer that starts at zero.

    Cho et al. (2014), Learning phrase representations using RNN encoder-decoder, EMNLP, 1724-1734.
    """

    def __init__(self, *, tags: int, latent: int, width: int) -> None:
        super().__init__()
        self.recurrent = nn.GRU(2 * tags, width, batch_first=True)
        self.last = nn.Linear(width, latent)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, window: ModelInput) -> Float[Tensor, "batch latent"]:
        """What the network adds to the latent at the end of each window."""
        _, state = self.recurrent(window_rows(window))
        latent: Tensor = self.last(state[0])
        return latent
