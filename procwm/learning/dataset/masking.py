"""Stretches of tags hidden from the encoder, so that it learns to do without them."""

import torch
from jaxtyping import Int
from torch import Tensor

from procwm.world.protocols import ModelInput


def with_hidden_stretches(
    window: ModelInput, probability: float, spared: Int[Tensor, " mv"], generator: torch.Generator
) -> ModelInput:
    """`window` as if some tags had failed for a while: held at the last value before, and not valid.

    Masking in time (V-JEPA: Bardes et al., arXiv 2404.08471), between two rows drawn evenly.

    Args:
        probability: that a tag of a window is hidden for a while.
        spared: columns that always come, which are the MVs.
    """
    batch, history, tags = window.values.shape
    ends = torch.randint(0, history + 1, (2, batch, tags), generator=generator).sort(dim=0).values
    failing = torch.rand((batch, tags), generator=generator) < probability
    failing[:, spared] = False
    rows = torch.arange(history)[None, :, None]
    hidden = (rows >= ends[0][:, None]) & (rows < ends[1][:, None]) & failing[:, None]
    last = torch.where(hidden, -1, rows).cummax(dim=1).values
    filled = window.values.gather(1, last.clamp(min=0))
    values = torch.where(last >= 0, filled, 0.0)
    return ModelInput(values, window.valid * ~hidden)
