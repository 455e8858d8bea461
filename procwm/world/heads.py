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

    def forward(self, latent: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch 1"]:
        """Guardrail value, margin included."""
        value: Tensor = self.network(latent)
        return value + self.margin


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
        self.name, self.network, self.half_width, self.coverage = name, network, half_width, coverage

    def forward(self, latent: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch 1"]:
        """The quantity."""
        value: Tensor = self.network(latent)
        return value
