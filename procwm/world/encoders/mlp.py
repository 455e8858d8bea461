"""A causal window becomes one latent state: a linear part plus a network over the flattened window."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from procwm.world.predictors.residual import smooth_network
from procwm.world.protocols import ModelInput


class MlpEncoder(nn.Module):
    """`z = linear(w) + network(w)`, `w` being the window's values beside what is missing in it.

    The output is linear: a normalisation at the end would keep the latents from becoming Gaussian.

    Attributes:
        linear: the part that a linear identification can set.
        network: `Linear, Tanh, ..., Linear`, starting at zero.
    """

    def __init__(self, *, history: int, tags: int, latent: int, hidden: Sequence[int]) -> None:
        super().__init__()
        self.history, self.tags, self.latent, self.hidden = history, tags, latent, tuple(hidden)
        self.linear = nn.Linear(2 * history * tags, latent)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.network = smooth_network(2 * history * tags, hidden, latent)

    def forward(self, window: ModelInput) -> Float[Tensor, "batch latent"]:
        """The latent state at the end of each window."""
        inputs = window_features(window)
        latent: Tensor = self.linear(inputs) + self.network(inputs)
        return latent


def window_features(window: ModelInput) -> Float[Tensor, "batch feature"]:
    """Values, then 1 where a value is missing; both flattened row by row."""
    return torch.cat((window.values.flatten(1), 1.0 - window.valid.flatten(1)), dim=-1)
