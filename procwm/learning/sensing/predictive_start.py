"""The combinations of channels that say most about the arrays to come, found without any label."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

LEADS = (1, 2, 4, 8, 16)
"""Intervals ahead at which arrays are foreseen."""
COMPONENTS = 64
"""Principal components of both views that are looked through, at most."""
LARGEST = 12
"""Latents, at most."""
LEAST = 3
FORESEEN = 0.5
"""Correlation with what is to come, on time that it was not found on, from which on it counts as foreseen."""
_SHRUNK = 1e-3
"""Added to variances, of which the mean is 1."""


@dataclass(frozen=True, kw_only=True, eq=False)
class PredictiveStart:
    """Combinations of unit variance, the one best foreseen first.

    Attributes:
        weight, offset: from the views of an array to the combinations.
    """

    weight: Float[Tensor, "latent feature"]
    offset: Float[Tensor, " latent"]


def predictive_start(features: Float[Tensor, "row feature"]) -> PredictiveStart:
    """Canonical variates of the arrays now and those at `LEADS`, as many as are foreseen.

    Akaike, Canonical correlation analysis of time series and the use of an information criterion, in System
    Identification: Advances and Case Studies (1976); Larimore, Canonical variate analysis in identification,
    filtering, and adaptive control, CDC 1990. What flickers is foreseen by nothing and drops out, however
    large it is.

    Args:
        features: views of consecutive arrays.
    """
    mean = features.mean(dim=0)
    variances, vectors = torch.linalg.eigh(torch.cov(features.T))
    kept = int((variances > 1e-6 * variances[-1]).sum().clamp(max=COMPONENTS))
    weight = vectors[:, -kept:] * variances[-kept:].rsqrt()
    scores = (features - mean) @ weight
    count = len(scores) - LEADS[-1]
    now = scores[:count]
    ahead = torch.cat([scores[lead : lead + count] for lead in LEADS], dim=1)
    turned, _ = _canonical(now, ahead)
    latents = min(LARGEST, kept, max(LEAST, _foreseen(now, ahead)))
    combined = (weight @ turned[:, :latents]).T
    return PredictiveStart(weight=combined, offset=-combined @ mean)


def _canonical(
    now: Float[Tensor, "row component"], ahead: Float[Tensor, "row later"]
) -> tuple[Float[Tensor, "component variate"], Float[Tensor, "later variate"]]:
    """What both are multiplied with to correlate best, one pair a column."""
    left, right = inverse_root(now), inverse_root(ahead)
    across = (now - now.mean(dim=0)).T @ (ahead - ahead.mean(dim=0)) / len(now)
    ours, _, theirs = torch.linalg.svd(left @ across @ right, full_matrices=False)
    return left @ ours, right @ theirs.T


def _foreseen(now: Float[Tensor, "row component"], ahead: Float[Tensor, "row later"]) -> int:
    """How many pairs that were found on the first two thirds of the rows correlate on the last third."""
    taught = 2 * len(now) // 3
    ours, theirs = _canonical(now[:taught], ahead[:taught])
    left, right = now[taught:] @ ours, ahead[taught:] @ theirs
    left, right = left - left.mean(dim=0), right - right.mean(dim=0)
    correlations = torch.cosine_similarity(left, right, dim=0)
    return int((correlations >= FORESEEN).sum())


def identified_step(
    latent: Float[Tensor, "row latent"], mv: Float[Tensor, "row mv"]
) -> tuple[Float[Tensor, "latent both"], Float[Tensor, " latent"]]:
    """Weight and offset of the linear map from one latent and the next move to the next latent."""
    both = torch.cat((latent[:-1], mv[1:], torch.ones_like(latent[:-1, :1])), dim=1)
    gram = both.T @ both / len(both)
    gram.diagonal()[:-1].add_(_SHRUNK)
    solved = torch.linalg.solve(gram, both.T @ latent[1:] / len(both)).T
    return solved[:, :-1], solved[:, -1]


def inverse_root(values: Float[Tensor, "row column"]) -> Float[Tensor, "column column"]:
    """What whitens `values`: the inverse root of their covariance, which is shrunk a little."""
    variances, vectors = torch.linalg.eigh(torch.cov(values.T).reshape(2 * values.shape[1:]))
    root: Tensor = vectors @ torch.diag((variances.clamp(min=0.0) + _SHRUNK).rsqrt()) @ vectors.T
    return root
