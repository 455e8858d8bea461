"""A residual step in latent space: a linear part plus a small smooth network of some architecture."""

import copy
from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn

from procwm.errors import SpecError
from procwm.world.perceptron import smooth_network
from procwm.world.predictors.mean import MeanNetwork
from procwm.world.predictors.scheduled import ScheduledNetwork
from procwm.world.predictors.stability import stable

ALONE = ("mlp", "scheduled")
"""Architectures of the network."""
MEAN = "mean"
"""One of each, and their mean."""
PREDICTORS = (*ALONE, MEAN)


class ResidualPredictor(nn.Module):
    """`z' = z + linear([z, mv, dv]) + network([z, mv, dv])`, smooth everywhere.

    Both parts start at zero, so an untrained predictor is persistence. `linear` gives a change, so its
    state matrix is `I + A`. The network is bounded, as sums of tangents are: where that matrix is stable no
    inputs within limits can drive the latent without end, and where it integrates no faster than a ramp.

    Attributes:
        linear: the part that a linear identification can set.
        network: one of `PREDICTORS`: a perceptron, a `ScheduledNetwork` on the first `scheduling` latents, or
            the mean of these two.
    """

    def __init__(
        self,
        *,
        latent: int,
        mv: int,
        dv: int,
        hidden: Sequence[int],
        kind: str = "mlp",
        scheduling: int = 0,
    ) -> None:
        """Args:
            hidden: widths of a perceptron's hidden layers; of a scheduled network its count of gates; of a
                mean the former and then the latter.
            scheduling: latents that a scheduled network hangs on; a perceptron hangs on all alike.

        Raises:
            SpecError: there is no such kind, or it has no such widths.
        """
        super().__init__()
        self.latent, self.mv, self.dv, self.hidden, self.kind = latent, mv, dv, tuple(hidden), kind
        self.linear = nn.Linear(latent + mv + dv, latent)
        nn.init.zeros_(self.linear.weight)
        nn.init.zeros_(self.linear.bias)
        self.network = _network(kind, latent + mv + dv, self.hidden, min(scheduling, latent), latent)

    def forward(
        self,
        latent: Float[Tensor, "batch latent"],
        mv: Float[Tensor, "batch mv"],
        dv: Float[Tensor, "batch dv"],
    ) -> Float[Tensor, "batch latent"]:
        """The latent state one control interval later."""
        inputs = torch.cat((latent, mv, dv), dim=-1)
        step: Tensor = self.linear(inputs) + self.network(inputs)
        return latent + step

    def imagine(
        self,
        latent: Float[Tensor, "batch latent"],
        mv: Float[Tensor, "batch step mv"],
        dv: Float[Tensor, "batch step dv"],
    ) -> Float[Tensor, "batch step latent"]:
        """Latent states ahead; row 0 is the end of the first interval."""
        states = []
        for k in range(mv.shape[1]):
            latent = self(latent, mv[:, k], dv[:, k])
            states.append(latent)
        return torch.stack(states, dim=1)

    def only(self, kind: str) -> "ResidualPredictor":
        """This predictor with that part of its network alone; the weights are the same tensors.

        Raises:
            SpecError: its network has no such part.
        """
        if kind == self.kind:
            return self
        if not isinstance(self.network, MeanNetwork) or kind not in ALONE:
            raise SpecError(f"a predictor {self.kind} has no part {kind}")
        alone = copy.copy(self)
        alone.kind = kind
        alone.hidden = self.hidden[:-1] if kind == ALONE[0] else self.hidden[-1:]
        alone._modules = {"linear": self.linear, "network": self.network.networks[ALONE.index(kind)]}
        return alone

    @property
    def parts(self) -> tuple[str, ...]:
        """Kinds of the networks that learn to foresee by themselves."""
        return ALONE if self.kind == MEAN else (self.kind,)

    @torch.no_grad()
    def keep_stable(self) -> None:
        """Draw the linear part back where it has become unstable."""
        change = self.linear.weight[:, : self.latent]
        same = torch.eye(self.latent, dtype=change.dtype, device=change.device)
        transition = same + change
        drawn = stable(transition)
        if drawn is not transition:
            change.copy_(drawn - same)


def _network(kind: str, inputs: int, hidden: tuple[int, ...], scheduling: int, outputs: int) -> nn.Module:
    if kind not in PREDICTORS:
        raise SpecError(f"there is no predictor {kind}; there are {', '.join(PREDICTORS)}")
    if kind == MEAN:
        parts = zip(ALONE, (hidden[:-1], hidden[-1:]), strict=True)
        return MeanNetwork(_network(alone, inputs, widths, scheduling, outputs) for alone, widths in parts)
    if kind == "mlp":
        return smooth_network(inputs, hidden, outputs)
    if len(hidden) != 1:
        raise SpecError(f"a scheduled predictor has one count of gates; {len(hidden)} were given: {hidden}")
    return ScheduledNetwork(inputs=inputs, scheduling=scheduling, gates=hidden[0], outputs=outputs)
