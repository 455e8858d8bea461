"""A quadratic form of the latent state, fitted to values that are known at every moment of a log."""

import itertools
import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from procwm.learning.labelled.quadratic_form import Quadratic, average

RIDGES = (1e-4, 1e-2)
"""Weights tried, relative to unit variance of a feature."""
CURVATURES = (0.0, 0.3)
"""Scales tried for the quadratic features."""
_PARTS = 8
"""Stretches of time, each foretold from the others."""


def distilled(
    latents: Float[Tensor, "moment lead latent"],
    values: Float[Tensor, "moment target"],
    near: Float[Tensor, " moment"],
) -> list[Quadratic]:
    """A form for each target: the average of straight and curved ones by how they foretell the first target.

    Each eighth of the moments is foretold by forms of the others: what fits the log by bending to it is
    not what holds on another day. A form counts by the likelihood of Gaussian errors of that size, were
    the eighths eight errors: moments that follow each other tell little by themselves. (Teacher and
    student: Hinton, Vinyals and Dean, Distilling the knowledge in a neural network, 2015; here both see
    the same moment, but not the same of it.)

    Args:
        latents: of every moment, encoded and predicted from several leads before; in order of time.
        values: what the forms are to say.
        near: how much each moment matters, 1 at the limit.
    """
    tried = list(itertools.product(CURVATURES, RIDGES))
    part = torch.arange(len(latents)) * _PARTS // len(latents)
    errors = torch.tensor(
        [
            sum(_error(latents, values[:, 0], near, part == each, *one) for each in range(_PARTS))
            for one in tried
        ],
        dtype=values.dtype,
    )
    weights = torch.softmax(-0.5 * _PARTS * errors.clamp(min=torch.finfo(errors.dtype).tiny).log(), dim=0)
    forms = [fit(latents, values, near, *one) for one in tried]
    return [average(same, weights) for same in zip(*forms, strict=True)]


def _error(
    latents: Float[Tensor, "moment lead latent"],
    values: Float[Tensor, " moment"],
    near: Float[Tensor, " moment"],
    held_out: Bool[Tensor, " moment"],
    curvature: float,
    ridge: float,
) -> float:
    (form,) = fit(latents[~held_out], values[~held_out, None], near[~held_out], curvature, ridge)
    errors = form(latents[held_out]) - values[held_out, None]
    return float((near[held_out] @ errors.square()).sum())


def fit(
    latents: Float[Tensor, "moment lead latent"],
    values: Float[Tensor, "moment target"],
    near: Float[Tensor, " moment"],
    curvature: float,
    ridge: float,
) -> list[Quadratic]:
    """Ridge regression of every target on the latents and, scaled by `curvature`, on their products."""
    size = latents.shape[-1]
    one, other = torch.triu_indices(size, size) if curvature else torch.empty((2, 0), dtype=torch.long)
    # The root of two makes the penalty the Frobenius norm of the square, which no rotation changes.
    scale = curvature * torch.where(one == other, 1.0, math.sqrt(2.0)).to(latents.dtype)
    flat = latents.flatten(0, 1)
    features = torch.cat((flat, flat[:, one] * flat[:, other] * scale), dim=1)
    targets = values.repeat_interleave(latents.shape[1], dim=0)
    share = (near / near.sum() / latents.shape[1]).repeat_interleave(latents.shape[1])
    mean, middle = share @ features, share @ targets
    centered = features - mean
    weighted = centered.T * share
    gram = weighted @ centered
    gram.diagonal().add_(ridge)
    coefficients = torch.linalg.solve(gram, weighted @ (targets - middle))
    return [
        _form(column, float(at - mean @ column), one, other, scale)
        for column, at in zip(coefficients.T, middle, strict=True)
    ]


def _form(
    coefficients: Float[Tensor, " feature"],
    constant: float,
    one: Tensor,
    other: Tensor,
    scale: Float[Tensor, " pair"],
) -> Quadratic:
    size = len(coefficients) - len(one)
    square = torch.zeros((size, size), dtype=coefficients.dtype)
    square[one, other] = coefficients[size:] * scale
    return Quadratic(constant=constant, linear=coefficients[:size], square=(square + square.T) / 2.0)
