"""How far an ensemble of predictors disagrees: little where the log says much."""

from collections.abc import Mapping, Sequence
from typing import cast

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from procwm.world.model import WorldModel
from procwm.world.protocols import Predictor


def stacked(predictors: Sequence[Predictor]) -> dict[str, Tensor]:
    """Parameters of alike predictors by name, with an axis `member` first; new leaves to be trained."""
    weights, _ = stack_module_state([cast(nn.Module, predictor) for predictor in predictors])
    return dict(weights)


def imagine_each(
    predictor: Predictor,
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

    module = cast(nn.Module, predictor)

    def imagine(
        own: Mapping[str, Tensor], state: Tensor, moves: Tensor, disturbances: Tensor
    ) -> tuple[Tensor, ...]:
        states = []
        for k in range(moves.shape[1]):
            state = functional_call(module, dict(own), (state, moves[:, k], disturbances[:, k]))
            states.append(state)
        return tuple(states)

    return torch.stack(vmap(imagine)(dict(weights), latent, mv, dv), dim=2)


@torch.no_grad()
def disagreement(
    model: WorldModel,
    latent: Float[Tensor, "batch latent"],
    mv: Float[Tensor, "batch horizon mv"],
    dv: Float[Tensor, "batch horizon dv"],
) -> Float[Tensor, "batch horizon output"]:
    """Root mean squared distance of the outputs that the ensemble predicts from those of `model`; scaled.

    About the model's own prediction and not about their mean: what all members have learned otherwise is a
    doubt about it, too. 0 for a model without an ensemble.
    """
    outputs = model.readout(model.imagine(latent, mv, dv))
    if not len(model.ensemble):
        return torch.zeros_like(outputs)
    members = model.ensemble_predictors
    own, moves, disturbances = (value.expand(len(members), *value.shape) for value in (latent, mv, dv))
    each = model.readout(imagine_each(members[0], stacked(members), own, moves, disturbances))
    distance: Tensor = (each - outputs).square().mean(dim=0).sqrt()
    return distance
