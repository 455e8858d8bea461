"""The error band of a prediction, and the ensemble's disagreement and the distance from the log behind it."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from procwm.plant.tags import names_of
from procwm.world.disagreement import disagreement
from procwm.world.model import WorldModel


@dataclass(frozen=True, eq=False)
class Confidence:
    """What is known of the errors of a batch of predictions; scaled.

    Attributes:
        disagreement: of the ensemble; 0 without one.
        distance: of the latents up to each lead from those of the log, on average; 1 is usual, NaN unknown.
        half_width: that holds `BAND_COVERAGE` of measurements; +inf where nothing is known.
    """

    disagreement: Float[Tensor, "batch horizon output"]
    distance: Float[Tensor, "batch horizon"]
    half_width: Float[Tensor, "batch horizon output"]


@torch.no_grad()
def confidence(
    model: WorldModel,
    latent: Float[Tensor, "batch latent"],
    mv: Float[Tensor, "batch horizon mv"],
    dv: Float[Tensor, "batch horizon dv"],
) -> Confidence:
    """The confidence in `model.rollout(latent, mv, dv)`; the horizon is at most the model's."""
    apart = disagreement(model, latent, mv, dv)
    horizon = mv.shape[1]
    if model.cloud is None:
        away = apart.new_full(apart.shape[:2], torch.nan)
    else:
        counts = torch.arange(1, horizon + 1, dtype=apart.dtype, device=apart.device)
        away = model.cloud(model.imagine(latent, mv, dv)).cumsum(dim=1) / counts
    if model.uncertainty is not None:
        factor = model.uncertainty.factor(apart, away)
        return Confidence(apart, away, model.uncertainty.band[:horizon] * factor)
    band = torch.full_like(apart[0], torch.inf) if model.band is None else model.band[:horizon]
    return Confidence(apart, away, band.expand_as(apart))


def half_width_held(
    model: WorldModel,
    latent: Float[np.ndarray, " latent"],
    mv: Float[np.ndarray, " mv"],
    dv: Float[np.ndarray, "horizon dv"],
) -> Float[np.ndarray, "horizon output"]:
    """The error band ahead while MVs stay as they are; everything in engineering units, the latent apart."""
    held = np.repeat(mv[None], len(dv), axis=0)
    found = confidence(
        model,
        torch.as_tensor(latent, dtype=model.readout.weight.dtype, device=model.readout.weight.device)[None],
        model.tensor(held, model.plant.mv_names)[None],
        model.tensor(dv, names_of(model.plant.dvs))[None],
    )
    _, width = model.scaler.part(model.output_names)
    half: np.ndarray = found.half_width[0].cpu().numpy() * width
    return half
