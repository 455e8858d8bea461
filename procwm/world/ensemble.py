"""Several predictors of one latent state: how far they disagree tells how little the log says there."""

from collections.abc import Mapping, Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap


def stacked(predictors: Sequence[nn.Module]) -> dict[str, Tensor]:
    """Parameters of alike modules by name, with an axis `member` first; new leaves to be trained."""
    weights, _ = stack_module_state(list(predictors))
    return dict(weights)


def imagine_each(
    predictor: nn.Module,
    weights: Mapping[str, Tensor],
    latent: Float[Tensor, "member batch latent"],
    mv: Float[Tensor, "member batch horizon mv"],
    dv: Float[Tensor, "member batch horizon dv"],
) -> Float[Tensor, "member batch horizon latent"]:
    """Latent states ahead by every member, all of them in one pass.

    Args:
        predictor: whose structure the members have; its own weights do not count.
        weights: of the members, as from `stacked`.
        latent: now.
        mv, dv: scaled; row 0 is in force over the first interval.
    """

    def imagine(
        own: Mapping[str, Tensor], state: Tensor, moves: Tensor, disturbances: Tensor
    ) -> tuple[Tensor, ...]:
        states = []
        for k in range(moves.shape[1]):
            state = functional_call(predictor, dict(own), (state, moves[:, k], disturbances[:, k]))
            states.append(state)
        return tuple(states)

    return torch.stack(vmap(imagine)(dict(weights), latent, mv, dv), dim=2)
