"""Latent states at moments of a log: encoded there, or predicted from a few intervals before."""

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from procwm.data.window import Grid
from procwm.learning.dataset.tensors import LogTensors, log_tensors, scattered
from procwm.world.model import WorldModel

_MOST_SAMPLED = 5000
"""Moments of the log that stand for all of it."""


def settled_leads(model: WorldModel) -> tuple[int, ...]:
    """The present, and up to half of the horizon ahead."""
    half = max(1, model.horizon // 2)
    return tuple(sorted({0, max(1, half // 2), half}))


def reachable(rows: Grid, lead: int) -> Bool[np.ndarray, " row"]:
    """Rows with a whole window `lead` rows before them and no jump in time since."""
    found: Bool[np.ndarray, " row"] = np.zeros(len(rows), dtype=np.bool_)
    for stretch in rows.stretches:
        found[stretch.start + rows.rule.history - 1 + lead : stretch.stop] = True
    return found


def sampled(rows: Grid, lead: int) -> Int[Tensor, " moment"]:
    """Moments of the log with a window `lead` rows before them."""
    return scattered(torch.as_tensor(np.flatnonzero(reachable(rows, lead))), _MOST_SAMPLED)


@torch.no_grad()
def predicted(
    model: WorldModel, log: LogTensors, moments: Int[Tensor, " moment"], lead: int
) -> Float[Tensor, "moment latent"]:
    """Latents of `moments`, predicted from `lead` rows before with the recorded MVs and DVs."""
    latent = model.encode(log.windows(moments - lead))
    if lead == 0:
        return latent
    future = log.future(moments - lead, lead)
    return model.imagine(latent, future.mv, future.dv)[:, -1]


def visited(model: WorldModel, rows: Grid) -> Float[Tensor, "moment latent"]:
    """Latents of the whole log: as encoded, and as foreseen from several intervals before."""
    leads = settled_leads(model)
    moments = sampled(rows, leads[-1])
    tensors = log_tensors(rows, model.plant, model.scaler, torch.float64)
    return torch.cat([predicted(model, tensors, moments, lead) for lead in leads])
