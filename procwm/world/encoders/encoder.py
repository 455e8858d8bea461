"""A causal window becomes one latent state: a linear part plus a network of some architecture."""

from collections.abc import Sequence

from jaxtyping import Float
from torch import Tensor, nn

from procwm.errors import SpecError
from procwm.world.encoders.features import window_features
from procwm.world.encoders.gru import GruNetwork
from procwm.world.encoders.mlp import MlpNetwork
from procwm.world.encoders.patch import PatchNetwork
from procwm.world.encoders.tcn import TcnNetwork
from procwm.world.protocols import ModelInput

ENCODERS = ("mlp", "gru", "tcn", "patch")
"""Architectures of the network."""


class WindowEncoder(nn.Module):
    """`z = linear(w) + network(w)`, `w` being the window's values beside what is missing in it.

    The output is linear: a normalisation at the end would keep the latents from becoming Gaussian.

    Attributes:
        linear: the part that a linear identification can set.
        network: one of `ENCODERS`, whose last layer starts at zero.
    """

    def __init__(
        self, *, history: int, tags: int, latent: int, hidden: Sequence[int], kind: str = "mlp"
    ) -> None:
        """Args: hidden: widths of an MLP's hidden layers; the others have one width.

        Raises:
            SpecError: there is no such kind, or it has no such widths.
        """
        super().__init__()
        self.history, self.tags, self.latent = history, tags, latent
        self.hidden, self.kind = tuple(hidden), kind
        self.linear = nn.Linear(2 * history * tags, latent)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.network = _network(kind, history, tags, latent, self.hidden)

    def forward(self, window: ModelInput) -> Float[Tensor, "batch latent"]:
        """The latent state at the end of each window."""
        latent: Tensor = self.linear(window_features(window)) + self.network(window)
        return latent


def _network(kind: str, history: int, tags: int, latent: int, hidden: tuple[int, ...]) -> nn.Module:
    if kind not in ENCODERS:
        raise SpecError(f"there is no encoder {kind}; there are {', '.join(ENCODERS)}")
    if kind == "mlp":
        return MlpNetwork(history=history, tags=tags, latent=latent, hidden=hidden)
    if len(hidden) != 1:
        raise SpecError(f"an encoder of kind {kind} has one width; {len(hidden)} were given: {hidden}")
    (width,) = hidden
    if kind == "gru":
        return GruNetwork(tags=tags, latent=latent, width=width)
    if kind == "tcn":
        return TcnNetwork(history=history, tags=tags, latent=latent, width=width)
    return PatchNetwork(history=history, tags=tags, latent=latent, width=width)
