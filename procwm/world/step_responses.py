"""How a model's outputs answer a step of every MV, made from where its log mostly was."""

import torch
from jaxtyping import Float
from torch import Tensor

from procwm.world.model import WorldModel
from procwm.world.protocols import ModelInput

ANSWERED = 0.1
"""Share of its largest change at which an output has begun to answer."""
STEP = 0.5
"""By which an MV is moved, scaled: half the width of what it does in the log."""


@torch.no_grad()
def step_responses(model: WorldModel) -> Float[Tensor, "horizon mv output"]:
    """Scaled changes of the outputs per scaled unit of each MV, stepped and held, every tag at its median.

    Row 0 is the end of the interval in which the step is made.
    """
    weight, mvs = model.readout.weight, len(model.plant.mvs)
    usual = weight.new_zeros((1, model.rule.history, len(model.rule.tags)))
    latent = model.encode(ModelInput(usual, torch.ones_like(usual))).expand(1 + mvs, -1)
    dv = weight.new_zeros((1 + mvs, model.horizon, len(model.plant.dvs)))
    moved = STEP * torch.cat((weight.new_zeros((1, mvs)), torch.eye(mvs).to(weight)))
    outputs = model.readout(model.imagine(latent, moved[:, None].expand(-1, model.horizon, -1), dv))
    change: Tensor = (outputs[1:] - outputs[0]) / STEP
    return change.transpose(0, 1)


def rows_until(share: float, change: Float[Tensor, " horizon"]) -> int:
    """Rows before `change` comes to `share` of its largest; all where there is none."""
    size = change.abs()
    return int((size.cummax(dim=0).values < max(share * float(size.max()), 1e-12)).sum())
