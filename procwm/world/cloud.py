"""The region that latent states kept to in a log, and how far another one is from it."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

_SEEN = 0.998
"""Share of the log's latents that lie between the bounds of one direction."""
_COLLINEAR = 1e-6
"""Of the mean variance: directions in which latents vary less are taken to vary so much."""


class Cloud(nn.Module):
    """Centre and principal directions of latents, with the bounds that they kept to along each.

    Directions are uncorrelated over the log and of unit variance.

    Attributes:
        center: mean latent.
        whiten: `coordinates = (latent - center) @ whiten`.
        low, high: of the coordinates.
    """

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.center: Tensor
        self.whiten: Tensor
        self.low: Tensor
        self.high: Tensor
        self.register_buffer("center", torch.zeros(latent))
        self.register_buffer("whiten", torch.eye(latent))
        self.register_buffer("low", torch.full((latent,), -torch.inf))
        self.register_buffer("high", torch.full((latent,), torch.inf))

    def coordinates(self, latent: Float[Tensor, "*rows latent"]) -> Float[Tensor, "*rows latent"]:
        """Along the principal directions, in standard deviations."""
        found: Tensor = (latent - self.center) @ self.whiten
        return found

    def forward(self, latent: Float[Tensor, "*rows latent"]) -> Float[Tensor, "*rows"]:
        """Squared Mahalanobis distance over the count of directions: 1 on average over the log."""
        return self.coordinates(latent).square().mean(dim=-1)


@torch.no_grad()
def cloud_of(latents: Float[Tensor, "moment latent"]) -> Cloud:
    """The cloud of `latents`, in their precision."""
    cloud = Cloud(latents.shape[1]).to(latents.dtype)
    cloud.center = latents.mean(dim=0)
    centered = latents - cloud.center
    covariance = centered.T @ centered / len(latents)
    covariance.diagonal().add_(_COLLINEAR * float(covariance.diagonal().mean()))
    variances, directions = torch.linalg.eigh(covariance)
    cloud.whiten = directions / variances.sqrt()
    coordinates = cloud.coordinates(latents)
    tails = torch.tensor((0.5 - 0.5 * _SEEN, 0.5 + 0.5 * _SEEN), dtype=latents.dtype)
    cloud.low, cloud.high = torch.quantile(coordinates, tails, dim=0)
    return cloud
