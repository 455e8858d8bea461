"""The directions of a latent state that the moves move, those they move most first."""

import math
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from procwm.learning.sensing.predictive_start import inverse_root

LAGS = (1.0, 2.0, 4.0, 8.0, 16.0)
"""Time constants of the traces that moves leave, intervals."""
_LEAST = 0.01
"""Share given to a direction that the moves do not move at all."""


@dataclass(frozen=True, kw_only=True, eq=False)
class MovedDirections:
    """A turn of the latent state.

    Attributes:
        mean: of the latents.
        weight: from latents to directions of unit variance.
        shares: correlation of each direction with what the moves leave; 1 of all where there is no MV.
    """

    mean: Float[Tensor, " latent"]
    weight: Float[Tensor, "latent direction"]
    shares: Float[Tensor, " direction"]

    def __call__(self, latent: Float[Tensor, "row latent"]) -> Float[Tensor, "row direction"]:
        """Latents along the directions."""
        return (latent - self.mean) @ self.weight


def moved_directions(latent: Float[Tensor, "row latent"], mv: Float[Tensor, "row mv"]) -> MovedDirections:
    """Canonical variates of the latents and of fading traces of the moves.

    A quantity that is worth controlling is one that the moves move. A drift or a film on a window is foreseen
    just as well, but no move moves it; a few labels alone cannot tell the two apart, and need not.
    """
    mean, whitened = latent.mean(dim=0), inverse_root(latent)
    if mv.shape[1] == 0:
        turned, shares = torch.eye(len(whitened), dtype=latent.dtype), torch.ones(len(whitened))
    else:
        left = traces(mv)
        left = (left - left.mean(dim=0)) @ inverse_root(left)
        across = whitened @ (latent - mean).T @ left / len(latent)
        turned, found, _ = torch.linalg.svd(across, full_matrices=True)
        shares = torch.full((len(whitened),), _LEAST, dtype=latent.dtype)
        shares[: len(found)] = found.clamp(min=_LEAST, max=1.0)
    weight = whitened @ turned
    spread = ((latent - mean) @ weight).std(dim=0).clamp(min=torch.finfo(latent.dtype).eps)
    return MovedDirections(mean=mean, weight=weight / spread, shares=shares.to(latent.dtype))


def traces(mv: Float[Tensor, "row mv"]) -> Float[Tensor, "row trace"]:
    """Every MV, fading with each of `LAGS`."""
    fading = torch.tensor([1.0 - math.exp(-1.0 / lag) for lag in LAGS], dtype=mv.dtype)
    trace = mv[0, :, None].expand(-1, len(LAGS)).clone()
    rows = []
    for row in mv:
        trace = trace + fading * (row[:, None] - trace)
        rows.append(trace.flatten())
    return torch.stack(rows)
