"""Predictors applied interval after interval, whole or one of their parts alone."""

import torch
from jaxtyping import Float
from torch import Tensor

from procwm.errors import SpecError
from procwm.world.protocols import Predictor


def imagined(
    predictor: Predictor,
    latent: Float[Tensor, "batch latent"],
    mv: Float[Tensor, "batch step mv"],
    dv: Float[Tensor, "batch step dv"],
) -> Float[Tensor, "batch step latent"]:
    """Latent states ahead; row 0 is the end of the first interval."""
    states = []
    for k in range(mv.shape[1]):
        latent = predictor(latent, mv[:, k], dv[:, k])
        states.append(latent)
    return torch.stack(states, dim=1)


def alone(predictor: Predictor, kind: str) -> Predictor:
    """The part of `predictor` of that kind, itself where it is of it; the weights are the same tensors.

    Raises:
        SpecError: it has no such part.
    """
    for part in (predictor, *predictor.parts()):
        if part.spec.kind == kind:
            return part
    raise SpecError(f"a predictor {predictor.spec.kind} has no part {kind}")
