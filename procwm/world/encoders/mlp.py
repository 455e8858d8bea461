"""A multilayer perceptron over the flattened window."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from procwm.world.encoders.features import window_features
from procwm.world.perceptron import smooth_network
from procwm.world.protocols import ModelInput


class MlpNetwork(nn.Sequential):
    """`Linear, Tanh, ..., Linear`, starting at zero."""

    def __init__(self, *, history: int, tags: int, latent: int, hidden: Sequence[int]) -> None:
        super().__init__(*smooth_network(2 * history * tags, hidden, latent))

    def forward(self, window: ModelInput) -> Float[Tensor, "batch latent"]:
        """What the network adds to the latent at the end of each window."""
        latent: Tensor = super().forward(window_features(window))  # type: ignore[no-untyped-call]
        return latent
