"""AdamW on all weights at once."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

LARGEST_GRADIENT = 1.0
"""Norm of the gradient of all weights together; a longer one is shortened to it."""
_MEMORY = (0.9, 0.99)
"""Share that is kept at every step of the mean gradient, and of its mean square."""
_LEAST = 1e-8


@dataclass(frozen=True, eq=False)
class RateGroup:
    """Weights that learn alike.

    Attributes:
        rate: largest learning rate.
        decay: towards 0, times the rate.
    """

    weights: Sequence[Tensor]
    rate: float
    decay: float


class AdamW:
    """Loshchilov and Hutter, Decoupled weight decay regularization, ICLR 2019 (arXiv 1711.05101).

    torch's own takes a dozen operations for each of many small weights, and loads a compiler when made.
    Here weights and gradients are parts of one tensor each, and a step costs as much as that of one weight.

    Attributes:
        weights: all of them, flat, in the order of the groups.
    """

    def __init__(self, groups: Sequence[RateGroup]) -> None:
        own = [weight for group in groups for weight in group.weights]
        sizes = torch.tensor([sum(weight.numel() for weight in group.weights) for group in groups])
        self.weights = flattened(own)
        self._gradient = torch.zeros_like(self.weights)
        for weight, part in zip(own, _parts(self._gradient, own), strict=True):
            weight.grad = part
        self._rate, self._decay = (
            torch.tensor(values, dtype=self.weights.dtype).repeat_interleave(sizes)
            for values in ([group.rate for group in groups], [group.decay for group in groups])
        )
        self._mean, self._square = torch.zeros_like(self.weights), torch.zeros_like(self.weights)
        self._step = 0

    @torch.no_grad()
    def step(self, share: float) -> None:
        """Use up the gradients that were gathered since the last step.

        Args:
            share: of every group's rate.
        """
        self._step += 1
        shortened = (LARGEST_GRADIENT / (torch.linalg.vector_norm(self._gradient) + 1e-6)).clamp(max=1.0)
        gradient = self._gradient.mul_(shortened)
        kept, square_kept = _MEMORY
        self._mean.lerp_(gradient, 1.0 - kept)
        self._square.mul_(square_kept).addcmul_(gradient, gradient, value=1.0 - square_kept)
        # Both began at 0, which the first steps must not take for knowledge.
        spread = (self._square.sqrt() / math.sqrt(1.0 - square_kept**self._step)).add_(_LEAST)
        rate = self._rate * share
        self.weights.mul_(1.0 - rate * self._decay)
        self.weights.addcdiv_(rate * self._mean, spread, value=-1.0 / (1.0 - kept**self._step))
        gradient.zero_()

    def tensors(self) -> dict[str, Tensor]:
        """What the next step depends on beside the weights, by name."""
        return {"mean": self._mean, "square": self._square, "step": torch.tensor(self._step)}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue where `tensors` was taken."""
        self._mean.copy_(tensors["mean"])
        self._square.copy_(tensors["square"])
        self._step = int(tensors["step"])


def flattened(weights: Sequence[Tensor]) -> Float[Tensor, " weight"]:
    """One tensor of all `weights`, which are parts of it from now on."""
    flat = torch.cat([weight.detach().flatten() for weight in weights])
    for weight, part in zip(weights, _parts(flat, weights), strict=True):
        weight.data = part
    return flat


def _parts(flat: Float[Tensor, " weight"], like: Sequence[Tensor]) -> list[Tensor]:
    """Consecutive parts of `flat` in the shapes of `like`."""
    sizes = [weight.numel() for weight in like]
    return [part.view_as(weight) for part, weight in zip(torch.split(flat, sizes), like, strict=True)]
