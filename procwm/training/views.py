"""What to look at in a latent when labels are few: found on the log, where no label is spent."""

import torch
from jaxtyping import Int
from torch import Tensor

from procwm.training.head_fit import View
from procwm.training.tensors import LogTensors
from procwm.world.model import WorldModel

_NUDGE = 1e-2
"""Change of a latent that outputs are differentiated by; latents have unit spread."""
_MOST_NUDGED = 64
_LEAST_SALIENT = 1e-9
"""Of the most salient direction's energy."""


@torch.no_grad()
def tags_shown(model: WorldModel, log: LogTensors, moments: Int[Tensor, " moment"]) -> View:
    """Every tag as the latent shows it, by least squares on the log."""
    latent = model.encode(log.windows(moments))
    mean = latent.mean(dim=0)
    inputs = torch.cat((latent - mean, torch.ones_like(latent[:, :1])), dim=1)
    # Latents may be collinear: the driver must be one that does not need full rank.
    solution = torch.linalg.lstsq(inputs, log.values[moments], driver="gelsd").solution
    return View(solution[:-1].T, solution[-1] - mean @ solution[:-1])


@torch.no_grad()
def salient(model: WorldModel, log: LogTensors, moments: Int[Tensor, " moment"]) -> View:
    """The latent with every direction scaled by what the outputs will show of it.

    With `J` the sensitivity of the outputs over the horizon to the latent, MVs and DVs held, `W = E J'J`
    is the observability Gramian, averaged over moments since the model is nonlinear (Lall, Marsden and
    Glavaski, Int. J. Robust Nonlinear Control 12, 519-535, 2002). The view is `W^(1/4) z`, half way
    between the latent and its effect: a ridge regression in it is shaped first by what the plant will
    show, and last by directions that hold little but noise.
    """
    chosen = moments[:: len(moments) // _MOST_NUDGED + 1]
    latent = model.encode(log.windows(chosen))
    mv, dv = (part[chosen][:, None].expand(-1, model.horizon, -1) for part in (log.mv, log.dv))
    base = model.readout(model.imagine(latent, mv, dv))
    nudges = _NUDGE * torch.eye(latent.shape[1], dtype=latent.dtype)
    effects = [(model.readout(model.imagine(latent + nudge, mv, dv)) - base) / _NUDGE for nudge in nudges]
    sensitivity = torch.stack([effect.flatten() for effect in effects], dim=-1)
    energies, directions = torch.linalg.eigh(sensitivity.T @ sensitivity)
    energies = energies.clamp(min=_LEAST_SALIENT * float(energies[-1])) / energies[-1]
    weight = (directions * energies**0.25) @ directions.T
    everywhere = model.encode(log.windows(moments))
    mean = everywhere.mean(dim=0)
    weight = weight / ((everywhere - mean) @ weight).var(dim=0).mean().sqrt()
    return View(weight, -weight @ mean)
