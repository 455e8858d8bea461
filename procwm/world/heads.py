"""Small read-outs of the latent state."""

from jaxtyping import Float
from torch import Tensor, nn


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
        self.name, self.network, self.margin, self.coverage = name, network, margin, coverage

    @property
    def names(self) -> tuple[str, ...]:
        """The one name."""
        return (self.name,)

    def forward(self, latent: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch 1"]:
        """Guardrail value, margin included."""
        value: Tensor = self.network(latent)
        return value + self.margin
