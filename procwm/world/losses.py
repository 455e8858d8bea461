"""What a world model is trained on: small pure functions of tensors, each with its source."""

import torch
from jaxtyping import Float
from torch import Tensor

SIGREG_KNOTS = 17
SIGREG_LAST_KNOT = 3.0


def latent_prediction(
    predicted: Float[Tensor, "batch step latent"],
    encoded: Float[Tensor, "batch step latent"],
    weight: Float[Tensor, " latent"],
) -> Float[Tensor, ""]:
    """Weighted mean squared distance of predicted to encoded latents over several steps ahead.

    A joint-embedding prediction without stop-gradient or target network: `sigreg` keeps it from
    collapsing (Maes et al., LeWorldModel, 2026, after Balestriero and LeCun, LeJEPA, arXiv 2511.08544).

    Args:
        weight: of each latent direction.
    """
    return ((predicted - encoded).square() * weight).mean()


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
    knots = torch.linspace(0.0, SIGREG_LAST_KNOT, SIGREG_KNOTS, dtype=latent.dtype, device=latent.device)
    spacing = SIGREG_LAST_KNOT / (SIGREG_KNOTS - 1)
    weights = torch.full_like(knots, 2.0 * spacing)
    weights[0] = weights[-1] = spacing
    normal = torch.exp(-knots.square() / 2.0)
    angles = (latent @ directions).unsqueeze(-1) * knots
    distance = (angles.cos().mean(dim=0) - normal).square() + angles.sin().mean(dim=0).square()
    return (distance @ (weights * normal)).mean()


def inverse_dynamics(
    recovered: Float[Tensor, "batch mv"], mv: Float[Tensor, "batch step mv"], smallest_move: float = 0.05
) -> Float[Tensor, ""]:
    """Error of the mean MVs over a stretch, recovered from its first and last latent alone.

    Endpoint inverse dynamics (EP-IDM, arXiv 2610.07540): without it prediction may drop what the MVs
    control where it varies little. A stretch in which an MV stood still says nothing about it and is
    left out.

    Args:
        recovered: estimate of the mean over the stretch, scaled.
        mv: scaled.
        smallest_move: standard deviation over the stretch below which an MV stood still, scaled.
    """
    moved = (mv.std(dim=1, correction=0) > smallest_move).to(mv.dtype)
    error = (recovered - mv.mean(dim=1)).square() * moved
    return error.sum() / moved.sum().clamp(min=1.0)


def output_loss(
    predicted: Float[Tensor, "batch step cv"],
    measured: Float[Tensor, "batch step cv"],
    valid: Float[Tensor, "batch step cv"],
    threshold: float,
) -> Float[Tensor, "batch step cv"]:
    """Huber's loss of predicted outputs, doubled so that small errors count with their square.

    Huber (1964), Robust estimation of a location parameter, Annals of Mathematical Statistics 35, 73-101:
    errors beyond `threshold` count linearly, so that a rare excursion does not decide everything.

    Args:
        predicted, measured: scaled.
        valid: 1 where there is a measurement, else 0; the loss is 0 there too.
        threshold: scaled.
    """
    size = (predicted - measured).abs()
    inner = size.clamp(max=threshold)
    loss = inner * (2.0 * size - inner)
    return loss * valid
