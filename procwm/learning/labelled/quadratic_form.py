"""Quadratic forms of the latent: what a guardrail's head is, and the network that planners take for it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

_BEND = math.atanh(1.0 / math.sqrt(3.0))
"""Where tanh bends most: its second derivative is extreme and its third is zero."""
_SECOND = -4.0 / (3.0 * math.sqrt(3.0))
"""The second derivative of tanh there."""
_NEGLIGIBLE = 1e-9
"""An eigenvalue below this bends nothing."""
_REACH = 0.1
"""Largest argument, at the labels, by which a unit leaves its working point: within 0.4 % of a square."""


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


def average(forms: Sequence[Quadratic], weights: Float[Tensor, " form"]) -> Quadratic:
    """The sum of forms, each times its weight."""
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
