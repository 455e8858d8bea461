"""Gradients of weights that serve at every step of a rollout."""

import torch
from jaxtyping import Float
from torch import Tensor


def over_steps(
    flow: Float[Tensor, "step member batch out"], given: Float[Tensor, "step member batch in"]
) -> Float[Tensor, "member out in"]:
    """The gradient by a matrix that was applied to `given`: the sum of all its steps in one product."""
    long_flow, long_given = (part.transpose(0, 1).flatten(1, 2) for part in (flow, given))
    return torch.bmm(long_flow.mT, long_given)
