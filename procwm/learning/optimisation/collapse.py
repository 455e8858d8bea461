"""What keeps a latent from collapsing while it learns to be foreseeable: pure losses, each with its paper.

A constant latent is foreseen without error, so prediction alone may end there. None of these losses grows
with the batch.
"""

import math
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

SIGREG_KNOTS = 17
SIGREG_LAST_KNOT = 3.0
VICREG_COVARIANCE = 1.0 / 25.0
"""Weight of VICReg's covariance term beside the variance term: 1 and 25 in the paper."""
_VARIANCE_FLOOR = 1e-4


def random_directions(
    latent: int, count: int, generator: torch.Generator, like: Tensor
) -> Float[Tensor, "latent direction"]:
    """Unit vectors drawn evenly from the sphere, one a column."""
    directions = torch.randn((latent, count), generator=generator, dtype=like.dtype, device=like.device)
    return torch.nn.functional.normalize(directions, dim=0)


def sigreg(
    latent: Float[Tensor, "batch latent"], directions: Float[Tensor, "latent direction"]
) -> Float[Tensor, ""]:
    """How far the latents are from a standard normal distribution, on the given directions.

    The Epps-Pulley statistic of each projection, `integral |phi(t) - exp(-t^2/2)|^2 exp(-t^2/2) dt`,
    by trapezoids on [0, 3], doubled by symmetry, and averaged (SIGReg: Balestriero and LeCun, LeJEPA,
    arXiv 2511.08544). It is not multiplied by the batch size, so its weight does not depend on it.
    """
    statistic: Tensor = _EppsPulley.apply(latent @ directions)  # type: ignore[no-untyped-call]
    return statistic


class _EppsPulley(torch.autograd.Function):
    """The statistic and its gradient at once: sines and cosines are most of the work, and serve both."""

    @staticmethod
    def forward(ctx: Any, projected: Float[Tensor, "batch direction"]) -> Float[Tensor, ""]:
        """Mean over the directions."""
        knots = torch.linspace(
            0.0, SIGREG_LAST_KNOT, SIGREG_KNOTS, dtype=projected.dtype, device=projected.device
        )
        # At 0 both functions are 1 whatever the latents.
        knots = knots[1:]
        normal = torch.exp(-knots.square() / 2.0)
        weights = normal * (2.0 * SIGREG_LAST_KNOT / (SIGREG_KNOTS - 1))
        weights[-1] /= 2.0
        angles = knots[:, None, None] * projected
        cosines, sines = angles.cos(), angles.sin()
        real, imaginary = cosines.mean(dim=1) - normal[:, None], sines.mean(dim=1)
        slope = (2.0 / projected.numel() * weights * knots)[:, None]
        turned = cosines.mul_((slope * imaginary)[:, None]).sub_(sines.mul_((slope * real)[:, None]))
        ctx.save_for_backward(turned.sum(dim=0))
        statistic: Tensor = (weights @ (real.square() + imaginary.square())).mean()
        return statistic

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        """By the projections."""
        (gradient,) = ctx.saved_tensors
        by_projection: Tensor = gradients[0] * gradient
        return by_projection


def vicreg(latent: Float[Tensor, "batch latent"]) -> Float[Tensor, ""]:
    """How much standard deviations fall short of 1, and how much the latents covary.

    The variance and covariance terms, in the paper's proportion, of VICReg (Bardes, Ponce and LeCun,
    arXiv 2105.04906); its third term, invariance, is `latent_prediction`.
    """
    size = latent.shape[1]
    centered = latent - latent.mean(dim=0)
    covariance = centered.T @ centered / max(1, len(latent) - 1)
    variance = torch.relu(1.0 - (covariance.diagonal() + _VARIANCE_FLOOR).sqrt()).mean()
    return variance + VICREG_COVARIANCE * _off_diagonal(covariance).square().sum() / size


def barlow_twins(
    predicted: Float[Tensor, "batch latent"], encoded: Float[Tensor, "batch latent"]
) -> Float[Tensor, ""]:
    """How far the correlations of predicted with encoded latents are from the identity.

    `mean_i (1 - C_ii)^2 + mean_(i != j) C_ij^2` (Barlow Twins: Zbontar, Jing, Misra, LeCun and Deny,
    arXiv 2103.03230), averages in place of sums, so that the weight does not depend on the size of the
    latent. It predicts by itself, and leaves the scale of the latents free.
    """
    size = predicted.shape[1]
    correlation = _whitened(predicted).T @ _whitened(encoded) / len(predicted)
    agreement = (1.0 - correlation.diagonal()).square().mean()
    return agreement + _off_diagonal(correlation).square().sum() / max(1, size * (size - 1))


def info_nce(
    predicted: Float[Tensor, "batch step latent"], encoded: Float[Tensor, "batch step latent"]
) -> Float[Tensor, ""]:
    """How badly a predicted latent tells what followed from what followed other moments of the batch.

    InfoNCE (van den Oord, Li and Vinyals, Representation learning with contrastive predictive coding,
    arXiv 1807.03748), with the density of a standard normal about the prediction for similarity. The
    logarithm of the batch size is taken off, so that 0 is chance at every size. It predicts by itself.
    """
    ours, theirs = predicted.transpose(0, 1), encoded.transpose(0, 1)
    squares = ours.square().sum(dim=-1)[:, :, None] + theirs.square().sum(dim=-1)[:, None, :]
    similarity = ours @ theirs.transpose(1, 2) - squares / 2.0
    own = similarity.diagonal(dim1=1, dim2=2)
    among = similarity.logsumexp(dim=-1) - math.log(len(predicted))
    return (among - own).mean()


def _off_diagonal(square: Float[Tensor, "row row"]) -> Float[Tensor, "row row"]:
    return square - torch.diag(square.diagonal())


def _whitened(latent: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch latent"]:
    """Each latent with mean 0 and standard deviation 1, or nearly 0 where it hardly varies."""
    centered = latent - latent.mean(dim=0)
    return centered / (centered.square().mean(dim=0) + _VARIANCE_FLOOR**2).sqrt()
