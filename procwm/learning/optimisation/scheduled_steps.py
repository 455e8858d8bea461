"""A scheduled network along a rollout, with gradients by hand."""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from procwm.learning.optimisation.step_sums import over_steps
from procwm.world.predictors.scheduled import NEARLY_LINEAR


class ScheduledSteps:
    """A `ScheduledNetwork` at one step after the other: gates times linear maps of the bent inputs.

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
        weights: of the gates and of the mix; their first axis is `member`.
        inputs: MVs and DVs; what the maps make of them is known before the first step.
        share: of its output that counts.
        """
        gate, gate_bias, mix, mix_bias = weights
        self._share, self.constant = share, share * mix_bias
        self._outputs, self._scheduling = mix.shape[1], gate.shape[2]
        gates = gate.shape[1]
        # A column for each output and gate: sums over gates are products with `picks`, which are cheaper.
        self._gate, self._gate_bias = (
            gate.repeat(1, self._outputs, 1),
            gate_bias.repeat(1, self._outputs)[:, None],
        )
        picks = torch.eye(self._outputs, dtype=mix.dtype, device=mix.device).repeat_interleave(gates, dim=1)
        self._picks = picks.expand(len(mix), -1, -1)
        maps = share * mix.unflatten(2, (gates, -1)).flatten(1, 2)  # type: ignore[no-untyped-call]
        self._of_latent = maps[..., :latent] / NEARLY_LINEAR
        self._bent_inputs = torch.tanh(NEARLY_LINEAR * inputs) / NEARLY_LINEAR
        self._maps = self._bent_inputs @ maps[..., latent:-1].mT + maps[:, None, :, -1]
        self._gates, self._bent = torch.empty_like(self._maps), inputs.new_empty((*inputs.shape[:3], latent))
        self._rows = list(zip(self._gates.unbind(), self._bent.unbind(), self._maps.unbind(), strict=True))

    def add(
        self,
        step: int,
        latent: Float[Tensor, "member batch latent"],
        following: Float[Tensor, "member batch latent"],
    ) -> None:
        """Add the output at `latent` to `following`."""
        gates, bent, maps = self._rows[step]
        torch.baddbmm(self._gate_bias, latent[..., : self._scheduling], self._gate.mT, out=gates).tanh_()
        torch.mul(latent, NEARLY_LINEAR, out=bent).tanh_()
        maps.baddbmm_(bent, self._of_latent.mT)
        following.baddbmm_(maps * gates, self._picks.mT)

    def turn(self) -> None:
        """Make ready for the way back."""
        self._gate_flow = (1.0 - self._gates.square()).mul_(self._maps)
        self._bent_flow = NEARLY_LINEAR * (1.0 - self._bent.square())
        # A map's gradient is its gate's value, times that by the output.
        self._map_flow = self._gates.clone()
        self._flow_rows = list(
            zip(self._gate_flow.unbind(), self._bent_flow.unbind(), self._map_flow.unbind(), strict=True)
        )

    def back(
        self,
        step: int,
        following: Float[Tensor, "member batch latent"],
        latent: Float[Tensor, "member batch latent"],
    ) -> None:
        """Add to the gradient by `latent` what comes of that by `following`."""
        gate_flow, bent_flow, map_flow = self._flow_rows[step]
        told = torch.bmm(following, self._picks)
        latent.add_(bent_flow.mul_(torch.bmm(map_flow.mul_(told), self._of_latent)))
        latent[..., : self._scheduling].baddbmm_(gate_flow.mul_(told), self._gate)

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
        bent = self._bent / NEARLY_LINEAR
        factors = torch.cat((bent, self._bent_inputs, torch.ones_like(bent[..., :1])), dim=-1)
        mixed = self._share * over_steps(self._map_flow, factors)
        by_gate = (self._outputs, -1)
        return [
            over_steps(self._gate_flow, seen[..., : self._scheduling]).unflatten(1, by_gate).sum(dim=1),  # type: ignore[no-untyped-call]
            self._gate_flow.sum(dim=(0, 2)).unflatten(1, by_gate).sum(dim=1),  # type: ignore[no-untyped-call]
            mixed.unflatten(1, by_gate).flatten(2),  # type: ignore[no-untyped-call]
            self._share * following.sum(dim=(0, 2)),
        ]
