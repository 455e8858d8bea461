"""The single losses of training: small pure functions of tensors, each with its source."""

from jaxtyping import Float
from torch import Tensor


def latent_prediction(
    predicted: Float[Tensor, "batch step latent"],
    encoded: Float[Tensor, "batch step latent"],
    weight: Float[Tensor, " latent"],
) -> Float[Tensor, ""]:
    """Weighted mean squared distance of predicted to encoded latents over several steps ahead.

    A joint-embedding prediction (Maes et al., LeWorldModel, 2026, after Balestriero and LeCun, LeJEPA,
    arXiv 2511.08544); `procwm.learning.optimisation.collapse` keeps it from collapsing.

    Args:
        weight: of each latent direction.
    """
    return ((predicted - encoded).square() * weight).mean()


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
    predicted: Float[Tensor, "batch step output"],
    measured: Float[Tensor, "batch step output"],
    valid: Float[Tensor, "batch step output"],
    threshold: float,
) -> Float[Tensor, "batch step output"]:
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
