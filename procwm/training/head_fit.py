"""A head from few labels: quadratic forms of the latent, weighted by what they say of left-out labels."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from procwm.training.quadratic_form import Quadratic, View

RIDGES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Weights tried, relative to unit variance of a feature."""
CURVATURES = (0.0, 0.1, 0.3, 1.0)
"""Scales tried for the quadratic features: small ones are bent only where many labels ask for it."""
WARPS = (-0.35, -0.2, -0.1, 0.1, 0.2, 0.35)
"""Bends tried for a scale of the labels; at 0.35 it is six times as steep at one end as at the other."""

Fit = Callable[[Float[Tensor, "label lead latent"], Float[Tensor, " label"]], Quadratic]
"""Fits a form to labels and the latents of each, as seen from several leads."""


def averaged_quadratic(
    latents: Float[Tensor, "label lead latent"],
    values: Float[Tensor, " label"],
    typical: Float[Tensor, " label"],
    views: Sequence[View] = (),
) -> tuple[Quadratic, Float[Tensor, "label lead"]]:
    """The average of all forms tried, and what it says of each label left out.

    With few labels the form with the least error is often so by luck, and bent where no label stood. Each
    counts by Akaike's weight instead, `e^(-n/2)` with `n` labels and mean squared leave-one-out error `e`,
    the likelihood of Gaussian errors of that size (Buckland, Burnham and Augustin, Model selection: an
    integral part of inference, Biometrics 53 (1997), 603-618). A sum of quadratic forms is one. For a
    label left out, its own error has no part in the weights.

    Args:
        latents: of each label's moment, encoded and predicted from several leads before.
        values: of each label.
        typical: weight of each label's error: how much of the operation it stands for.
        views: tried beside the latent itself; fewer features need fewer labels.
    """
    size = latents.shape[-1]
    fits = [partial(fit, curvature=each, weight=weight) for each in CURVATURES for weight in RIDGES]
    fits += [partial(fit_warped, warp=each, weight=weight) for each in WARPS for weight in RIDGES]
    whole = View(torch.eye(size, dtype=latents.dtype), torch.zeros(size, dtype=latents.dtype))
    forms, held_out, errors = [], [], []
    for view in (whole, *views):
        features = view(latents)
        for each in fits:
            predicted = left_out(each, features, values)
            forms.append(each(features, values).seen_through(view))
            held_out.append(predicted)
            errors.append((values[:, None] - predicted).square().mean(dim=1))
    error = torch.stack(errors) * typical / typical.sum()
    total = error.sum(dim=1, keepdim=True)
    weights, without = _akaike(total, len(values)).squeeze(1), _akaike(total - error, len(values))
    return _average(forms, weights), torch.einsum("fl,flk->lk", without, torch.stack(held_out))


def _akaike(error: Float[Tensor, "form column"], labels: int) -> Float[Tensor, "form column"]:
    logarithm = error.clamp(min=torch.finfo(error.dtype).tiny).log()
    return torch.softmax(-0.5 * labels * logarithm, dim=0)


def _average(forms: Sequence[Quadratic], weights: Float[Tensor, " form"]) -> Quadratic:
    return Quadratic(
        constant=sum(float(weight) * form.constant for form, weight in zip(forms, weights, strict=True)),
        linear=torch.tensordot(weights, torch.stack([form.linear for form in forms]), dims=1),
        square=torch.tensordot(weights, torch.stack([form.square for form in forms]), dims=1),
    )


def left_out(
    fitted: Fit, latents: Float[Tensor, "label lead latent"], values: Float[Tensor, " label"]
) -> Float[Tensor, "label lead"]:
    """Each label predicted, at every lead, by a fit that saw none of its leads."""
    predicted = torch.empty(latents.shape[:2], dtype=latents.dtype)
    for label in range(len(values)):
        others = torch.arange(len(values)) != label
        predicted[label] = fitted(latents[others], values[others])(latents[label])
    return predicted


def fit(
    latents: Float[Tensor, "label lead latent"],
    values: Float[Tensor, " label"],
    curvature: float,
    weight: float,
) -> Quadratic:
    """Ridge regression on the latents and, scaled by `curvature`, on their products."""
    size = latents.shape[-1]
    one, other = torch.triu_indices(size, size)
    # The root of two makes the penalty the Frobenius norm of the square, which no rotation changes.
    scale = curvature * torch.where(one == other, 1.0, math.sqrt(2.0)).to(latents.dtype)
    flat = latents.flatten(0, 1)
    features = torch.cat((flat, flat[:, one] * flat[:, other] * scale), dim=1)
    targets = values.repeat_interleave(latents.shape[1])
    mean, middle = features.mean(dim=0), targets.mean()
    centered = features - mean
    gram = centered.T @ centered / len(targets)
    gram.diagonal().add_(weight)
    coefficients = torch.linalg.solve(gram, centered.T @ (targets - middle) / len(targets))
    square = torch.zeros((size, size), dtype=latents.dtype)
    square[one, other] = coefficients[size:] * scale
    return Quadratic(
        constant=float(middle - mean @ coefficients),
        linear=coefficients[:size],
        square=(square + square.T) / 2.0,
    )


def fit_warped(
    latents: Float[Tensor, "label lead latent"],
    values: Float[Tensor, " label"],
    warp: float,
    weight: float,
) -> Quadratic:
    """Ridge regression of the labels on a bent scale, on which they are linear in the latent.

    With labels `y` brought to -1 to 1, `y = u + warp (u^2 - 1)` and `u = a + l @ z`: one direction of the
    latent, along which the label bends (Box and Cox, An analysis of transformations, Journal of the Royal
    Statistical Society B 26 (1964), 211-252). A general square has a coefficient for every pair of
    latents, more than there are labels; this has one. The level behind an orifice goes with the square of
    what flows in.

    Args:
        warp: within -0.5 and 0.5, where the scale rises everywhere, and not 0.
        weight: of the ridge.
    """
    low, high = values.aminmax()
    # Labels may all be the same once one is left out.
    middle, half = (high + low) / 2.0, ((high - low) / 2.0).clamp(min=torch.finfo(values.dtype).tiny)
    relative = (values - middle) / half
    straight = fit(latents, ((1.0 + 4.0 * warp * (relative + warp)).sqrt() - 1.0) / (2.0 * warp), 0.0, weight)
    at, along = straight.constant, straight.linear
    return Quadratic(
        constant=float(middle + half * (at + warp * (at * at - 1.0))),
        linear=half * (1.0 + 2.0 * warp * at) * along,
        square=half * warp * torch.outer(along, along),
    )
