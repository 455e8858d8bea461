"""A perceptron along a rollout, with gradients by hand."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from procwm.learning.optimisation.step_sums import over_steps


class PerceptronSteps:
    """`Linear, Tanh, ..., Linear` at one step after the other; every hidden layer keeps what it gave.

    Attributes:
        constant: what it adds to the latent at every step, whatever its inputs.
    """

    def __init__(
        self,
        weights: Sequence[Tensor],
        inputs: Float[Tensor, "step member batch input"],
        latent: int,
        share: float,
    ) -> None:
        """Args:
        weights: and biases, layer by layer; their first axis is `member`.
        inputs: MVs and DVs; what the first layer makes of them is known before the first step.
        share: of its output that counts.
        """
        matrices, biases = list(weights[::2]), list(weights[1::2])
        self._share = share
        self._of_latent = matrices[0][..., :latent]
        self._inner = list(zip(matrices[1:-1], (bias[:, None] for bias in biases[1:-1]), strict=True))
        self._last = share * matrices[-1]
        self.constant = share * biases[-1]
        first = inputs @ matrices[0][..., latent:].mT + biases[0][:, None]
        self._hidden = [first, *(first.new_empty((*first.shape[:3], len(b[0, 0]))) for _, b in self._inner)]
        self._rows = [layer.unbind() for layer in self._hidden]

    def add(
        self,
        step: int,
        latent: Float[Tensor, "member batch latent"],
        following: Float[Tensor, "member batch latent"],
    ) -> None:
        """Add the output at `latent` to `following`."""
        told = self._rows[0][step].baddbmm_(latent, self._of_latent.mT).tanh_()
        for rows, (matrix, bias) in zip(self._rows[1:], self._inner, strict=True):
            told = torch.baddbmm(bias, told, matrix.mT, out=rows[step]).tanh_()
        following.baddbmm_(told, self._last.mT)

    def turn(self) -> None:
        """Make ready for the way back."""
        one = self._last.new_ones(())
        self._flows = [torch.addcmul(one, layer, layer, value=-1.0) for layer in self._hidden]
        self._flow_rows = [layer.unbind() for layer in self._flows]

    def back(
        self,
        step: int,
        following: Float[Tensor, "member batch latent"],
        latent: Float[Tensor, "member batch latent"],
    ) -> None:
        """Add to the gradient by `latent` what comes of that by `following`."""
        flow = following
        matrices = [*(matrix for matrix, _ in self._inner), self._last]
        for rows, matrix in zip(reversed(self._flow_rows), reversed(matrices), strict=True):
            flow = rows[step].mul_(torch.bmm(flow, matrix))
        latent.baddbmm_(flow, self._of_latent)

    def gradients(
        self,
        seen: Float[Tensor, "step member batch seen"],
        following: Float[Tensor, "step member batch latent"],
    ) -> list[Tensor]:
        """By the weights, in their order.

        Args:
            seen: latents, MVs and DVs that the steps began with.
            following: gradients by what they ended with.
        """
        found = []
        told = (seen, *self._hidden)
        for given, flow in zip(told, (*self._flows, self._share * following), strict=True):
            found += [over_steps(flow, given), flow.sum(dim=(0, 2))]
        return found
