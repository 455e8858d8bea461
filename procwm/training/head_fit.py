"""A head from few labels: quadratic forms of the latent, weighted by what they say of left-out labels."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

RIDGES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Weights tried, relative to unit variance of a feature."""
CURVATURES = (0.0, 0.1, 0.3, 1.0)
"""Scales tried for the quadratic features: small ones are bent only where many labels ask for it."""
_BEND = math.atanh(1.0 / math.sqrt(3.0))
"""Where tanh bends most: its second derivative is extreme and its third is zero."""
_SECOND = -4.0 / (3.0 * math.sqrt(3.0))
"""The second derivative of tanh there."""
_NEGLIGIBLE = 1e-9
"""An eigenvalue below this bends nothing."""
_REACH = 0.1
"""Largest argument, at the labels, by which a unit leaves its working point: within 0.4 % of a square."""


@dataclass(frozen=True, eq=False)
class View:
    """`features = weight @ z + bias`: a few directions of the latent in place of all of them."""

    weight: Float[Tensor, "feature latent"]
    bias: Float[Tensor, " feature"]

    def __call__(self, latent: Float[Tensor, "*rows latent"]) -> Float[Tensor, "*rows feature"]:
        """The features of each latent."""
        return latent @ self.weight.T + self.bias


@dataclass(frozen=True, eq=False)
class Quadratic:
    """`value = constant + linear @ z + z @ square @ z`."""

    constant: float
    linear: Float[Tensor, " latent"]
    square: Float[Tensor, "latent latent"]

    def __call__(self, latent: Float[Tensor, "*rows latent"]) -> Float[Tensor, "*rows"]:
        """The value at each latent."""
        bent: Tensor = ((latent @ self.square) * latent).sum(dim=-1)
        return self.constant + latent @ self.linear + bent

    def plus(self, other: "Quadratic", times: float) -> "Quadratic":
        """This form and `times` the other."""
        return Quadratic(
            constant=self.constant + times * other.constant,
            linear=self.linear + times * other.linear,
            square=self.square + times * other.square,
        )

    def seen_through(self, view: View) -> "Quadratic":
        """The same form, of the features that `view` shows, as a form of the latent."""
        bent = self.square @ view.bias
        return Quadratic(
            constant=self.constant + float(view.bias @ (self.linear + bent)),
            linear=view.weight.T @ (self.linear + 2.0 * bent),
            square=view.weight.T @ self.square @ view.weight,
        )


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
    whole = View(torch.eye(size, dtype=latents.dtype), torch.zeros(size, dtype=latents.dtype))
    forms, held_out, errors = [], [], []
    for view in (whole, *views):
        features = view(latents)
        for curvature in CURVATURES:
            for weight in RIDGES:
                predicted = left_out(features, values, curvature, weight)
                forms.append(fit(features, values, curvature, weight).seen_through(view))
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


def as_network(form: Quadratic, latents: Float[Tensor, "*rows latent"]) -> nn.Sequential:
    """`form` as `Linear, Tanh, Linear`, the only layers that every planner takes.

    With the eigenvectors `q` of the square, `z @ square @ z` is a sum of squares `(q @ z)^2`, and
    `tanh(b + h) + tanh(b - h) - 2 tanh(b) = tanh''(b) h^2 (1 - h^2 / 3 + ...)` where the third
    derivative vanishes. Far outside of `latents` the units saturate and the head grows no further.

    Args:
        form: of the latent.
        latents: that it was fitted on, which set the scale of the units.
    """
    flat = latents.reshape(-1, latents.shape[-1])
    strengths, directions = torch.linalg.eigh(form.square)
    bent = strengths.abs() > _NEGLIGIBLE
    if not bool(bent.any()):
        return nn.Sequential(_linear(form.linear[None], torch.tensor([form.constant], dtype=torch.float64)))
    strengths, directions = strengths[bent], directions[:, bent].T
    straight, curved = _extent(flat @ form.linear) / _REACH, _extent(flat @ directions.T) / _REACH
    gentle = directions / curved[:, None]
    squares = strengths * curved.square() / _SECOND
    rows = torch.cat((form.linear[None] / straight, gentle, -gentle))
    working = torch.full((len(rows),), _BEND, dtype=torch.float64).index_fill(0, torch.tensor([0]), 0.0)
    constant = form.constant - 2.0 * math.tanh(_BEND) * float(squares.sum())
    weights = torch.cat((straight[None], squares, squares))[None]
    return nn.Sequential(
        _linear(rows, working), nn.Tanh(), _linear(weights, torch.tensor([constant], dtype=torch.float64))
    )


def _linear(weight: Float[Tensor, "output input"], bias: Float[Tensor, " output"]) -> nn.Linear:
    layer = nn.Linear(weight.shape[1], weight.shape[0]).double()
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
    return layer


def _extent(values: Float[Tensor, "row *unit"]) -> Float[Tensor, "*unit"]:
    """Largest size over the rows, never 0."""
    return values.abs().amax(dim=0).clamp(min=1e-9)


def left_out(
    latents: Float[Tensor, "label lead latent"],
    values: Float[Tensor, " label"],
    curvature: float,
    weight: float,
) -> Float[Tensor, "label lead"]:
    """Each label predicted, at every lead, by a fit that saw none of its leads."""
    predicted = torch.empty(latents.shape[:2], dtype=latents.dtype)
    for label in range(len(values)):
        others = torch.arange(len(values)) != label
        predicted[label] = fit(latents[others], values[others], curvature, weight)(latents[label])
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
