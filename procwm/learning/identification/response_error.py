"""How well a log shows what the MVs do: the standard error of every step response.

The linear model is identified again and again, each time without another stretch of the log. What its step
responses differ by tells how far they would differ in another log (delete-a-group jackknife: Quenouille,
Notes on bias in estimation, Biometrika 43 (1956), 353-360). Stretches are long, so that what lasts, as a load
or an operating point, is left out as a whole. On a plant whose gains change with the operating point this
error holds that change too, as far as a linear model cannot follow it.
"""

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from procwm.learning.identification.preparation import Material
from procwm.learning.identification.regression import regress, sums_of_each
from procwm.learning.identification.state_space import state_space, states

GROUPS = 8
"""Stretches of the log that are left out in turn."""


def response_error(material: Material) -> Float[Tensor, "horizon mv output"]:
    """Standard error of the scaled step response of every output to every MV; row 0 is one interval ahead.

    It is no larger, over all rows and outputs, than the response to the MV itself: one that is not known at
    all is all that can be said, and a response that runs away must not forbid every move.

    Args:
        material: what the linear model was identified from.
    """
    log, horizon, moments = material.part.tensors, material.horizon, material.part.regressed
    whole = material.reference.step_response(log.mv.shape[1], horizon)
    kept = [moments[~torch.isin(moments, left_out)] for left_out in moments.tensor_split(GROUPS)]
    found = []
    for rest, gathered in zip(kept, sums_of_each(log, kept, horizon, material.companions), strict=True):
        foreseen = regress(gathered, material.ridge)
        model = state_space(log, states(log, rest, foreseen, material.latent), material.latent)
        found.append(model.step_response(log.mv.shape[1], horizon))
    error = torch.stack(found).std(dim=0, unbiased=False) * (GROUPS - 1) ** 0.5
    size, largest = (part.square().mean(dim=(0, 2), keepdim=True).sqrt() for part in (error, whole))
    told: Tensor = error * (largest / size.clamp(min=1e-12)).clamp(max=1.0)
    return told


def with_unseen(
    error: Float[Tensor, "horizon mv output"],
    response: Float[Tensor, "horizon mv output"],
    unseen: Bool[Tensor, "mv output"],
) -> Float[Tensor, "horizon mv output"]:
    """`error` where the outputs that answer an MV only after the horizon are not known to answer at all.

    What a model has of such an answer is made of what MVs that stand for long have to do with themselves, and
    stretches of the log agree on that.
    """
    found: Tensor = torch.where(unseen, torch.maximum(error, response.abs()), error)
    return found
