"""From one latent state to the next under a move."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from procwm.world.parts.perceptron import zero_linear

HIDDEN = 32


class LatentStep(nn.Module):
    """`z' = linear(z, u) + network(z, u)`, applied once an interval."""

    def __init__(self, *, mvs: int, latent: int) -> None:
        super().__init__()
        self.identified = nn.Linear(latent + mvs, latent)
        self._bend = nn.Sequential(nn.Linear(latent + mvs, HIDDEN), nn.GELU(), zero_linear(HIDDEN, latent))

    def forward(
        self, latent: Float[Tensor, "batch latent"], mv: Float[Tensor, "batch horizon mv"]
    ) -> Float[Tensor, "batch horizon latent"]:
        """The latents at the end of every interval.

        Args:
            latent: now.
            mv: in force during the intervals ahead, scaled.
        """
        ahead = []
        for move in mv.unbind(dim=1):
            both = torch.cat((latent, move), dim=1)
            latent = self.identified(both) + self._bend(both)
            ahead.append(latent)
        return torch.stack(ahead, dim=1)
