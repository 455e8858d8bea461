"""A margin that grows where the plant seldom was: normalised conformal prediction with a quadratic scale.

An error of a head fitted to few labels is larger in states unlike those of the log, and a controller goes
there more than the operators did. Residuals are divided by `1 + growth * strangeness`, strangeness being the
squared distance from the log's latents, 1 on average over them; the quantile of what is left, times that, is
the margin (Papadopoulos, Proedrou, Vovk and Gammerman, Inductive confidence machines for regression, ECML
2002, 345-356). It is a quadratic form of the latent, as the head is.

The distance is one in what is read from a latent: the outputs soon and late, and the head's value. A latent
is white, whatever its directions say of the plant; where operators move little, some say hardly anything, and
a controller that moves more went a hundred times as far in those as the log did, and was held off states
that were safe.
"""

from typing import cast

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from procwm.learning.labelled.quadratic_form import Quadratic
from procwm.world.conformal import symmetric_margin
from procwm.world.model import WorldModel

GROWTHS = (0.0, 0.03, 0.1)
"""Tried; the likeliest for Gaussian errors is taken. Labels are mostly strange moments, and would ask for
more than a controller meets: with up to 1 tried, margins closed off states that were safe."""
_ALIKE = 0.01
"""Of a reading's variance: readings that differ from the others by less are not told apart further."""


def strangeness(
    latents: Float[Tensor, "moment latent"], readings: Float[Tensor, "reading latent"]
) -> Quadratic:
    """The squared distance of a latent from `latents` in what is read from it, 1 on average over them.

    Readings that hardly vary by themselves count for little.

    Args:
        latents: of the log.
        readings: weights, each of a value that is read from a latent.
    """
    mean = latents.mean(dim=0)
    told = readings / ((latents - mean) @ readings.T).std(dim=0).clamp(min=1e-9)[:, None]
    seen = (latents - mean) @ told.T
    covariance = seen.T @ seen / len(seen)
    covariance.diagonal().add_(_ALIKE)
    square = told.T @ torch.linalg.solve(covariance, told)
    square = square / float((((latents - mean) @ square) * (latents - mean)).sum(dim=1).mean())
    return Quadratic(constant=float(mean @ square @ mean), linear=-2.0 * square @ mean, square=square)


def readings(
    model: WorldModel, form: Quadratic, latent: Float[Tensor, " latent"]
) -> Float[Tensor, "reading latent"]:
    """What is read from a latent, to first order about `latent`: outputs soon and late, a head's value."""
    leads = torch.tensor(sorted({0, model.horizon // 2, model.horizon - 1}))
    still = [latent.new_zeros((1, model.horizon, len(tags))) for tags in (model.plant.mvs, model.plant.dvs)]

    def outputs(start: Tensor) -> Tensor:
        weight = model.readout.weight
        ahead = model.imagine(start[None].to(weight.dtype), *(each.to(weight.dtype) for each in still))
        foreseen: Tensor = model.readout(ahead)[0, leads].flatten()
        return foreseen

    jacobian = cast(Tensor, torch.func.jacrev(outputs)(latent))
    bent = form.linear + 2.0 * form.square @ latent
    return torch.cat((jacobian.to(latent.dtype), bent[None]))


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
