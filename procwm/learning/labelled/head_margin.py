"""A margin that grows where the plant seldom was: normalised conformal prediction with a quadratic scale.

An error of a head fitted to few labels is larger in states unlike those of the log, and a controller goes
there more than the operators did. Residuals are divided by `1 + growth * strangeness`, strangeness being the
squared Mahalanobis distance from the log's latents over their size, 1 on average; the quantile of what is
left, times that, is the margin (Papadopoulos, Proedrou, Vovk and Gammerman, Inductive confidence machines for
regression, ECML 2002, 345-356). It is a quadratic form of the latent, as the head is.
"""

import numpy as np
from jaxtyping import Float
from torch import Tensor

from procwm.learning.labelled.quadratic_form import Quadratic
from procwm.world.cloud import cloud_of
from procwm.world.conformal import symmetric_margin

GROWTHS = (0.0, 0.03, 0.1)
"""Tried; the likeliest for Gaussian errors is taken. Labels are mostly strange moments, and would ask for
more than a controller meets: with up to 1 tried, margins closed off states that were safe."""


def strangeness(latents: Float[Tensor, "moment latent"]) -> Quadratic:
    """The squared distance of a latent from `latents`, 1 on average over them."""
    cloud = cloud_of(latents)
    mean, square = cloud.center, cloud.whiten @ cloud.whiten.T / latents.shape[1]
    return Quadratic(constant=float(mean @ square @ mean), linear=-2.0 * square @ mean, square=square)


def with_margin(
    form: Quadratic,
    residuals: Float[Tensor, "label lead"],
    strange: Quadratic,
    latents: Float[Tensor, "label lead latent"],
    coverage: float,
    typical: Float[Tensor, " label"],
) -> tuple[Quadratic, float]:
    """`form` with the part of its margin that grows, and the part that does not.

    Args:
        form: the head.
        residuals: truth minus what it says of labels left out.
        strange: see `strangeness`.
        latents: of the labels.
        coverage: asked for.
        typical: weight of each label.

    Raises:
        TrainingError: too few labels for this coverage.
    """
    distance = strange(latents)
    growth = min(GROWTHS, key=lambda each: _unlikeliness(residuals, 1.0 + each * distance, typical))
    scaled = residuals / (1.0 + growth * distance)
    flat = symmetric_margin(scaled.numpy(), coverage, typical.numpy())
    return form.plus(strange, growth * flat), flat


def _unlikeliness(
    residuals: Float[Tensor, "label lead"],
    scale: Float[Tensor, "label lead"],
    typical: Float[Tensor, " label"],
) -> float:
    """Mean negative logarithm of the likelihood of Gaussian errors whose deviation follows `scale`."""
    weights = (typical / typical.sum())[:, None] / residuals.shape[1]
    variance = (weights * (residuals / scale).square()).sum()
    return float((weights * scale.log()).sum() + 0.5 * variance.clamp(min=np.finfo(float).tiny).log())
