"""What the moves of each MV were foreseen to bring, made and planned ones, and what came besides."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float

from procwm.control.adaptation.recollection import Recollection
from procwm.plant.tags import names_of
from procwm.world.model import WorldModel


@dataclass(frozen=True, eq=False)
class Brought:
    """At the end of a recollection, engineering units; by MV, and by all of them together for each output.

    Attributes:
        made: by the moves that were made.
        planned: by those that were planned at the oldest tick; as `made` where nobody planned.
        error: measured less foreseen; NaN where not measured.
    """

    made: Float[np.ndarray, "scale output"]
    planned: Float[np.ndarray, "scale output"]
    error: Float[np.ndarray, " output"]


def brought(model: WorldModel, past: Recollection, output: Float[np.ndarray, " output"]) -> Brought:
    """What the moves since the oldest tick of `past`, a full one, brought to the present `output`."""
    start, made = past.mv[0], past.mv[1:]
    written = bool(np.isfinite(past.planned[0]).all())
    planned = past.planned[0] if written else made
    trajectories = [made, planned]
    for index in range(len(start)):
        for moves in (made, planned):
            resting = moves.copy()
            resting[:, index] = start[index]
            trajectories.append(resting)
    reached = _reached(model, past, np.array(trajectories))
    return Brought(
        made=_by_scale(reached[0] - reached[2::2]),
        planned=_by_scale(reached[1] - reached[3::2]),
        error=output - reached[0] - past.bias[0],
    )


def _reached(
    model: WorldModel, past: Recollection, mv: Float[np.ndarray, "batch lead mv"]
) -> Float[np.ndarray, "batch output"]:
    """Outputs at the end of each trajectory from the oldest tick, uncorrected."""
    weight, dvs = model.readout.weight, names_of(model.plant.dvs)
    latent = torch.as_tensor(past.latent[0], dtype=weight.dtype, device=weight.device)
    with torch.inference_mode():
        latent = latent.expand(len(mv), -1)
        moves, disturbances = model.tensor(mv, model.plant.mv_names), model.tensor(past.dv[1:], dvs)
        states = model.imagine(latent, moves, disturbances.expand(len(mv), *disturbances.shape))
        return model.engineering(model.readout(states[:, -1]), model.output_names)


def _by_scale(by_mv: Float[np.ndarray, "mv output"]) -> Float[np.ndarray, "scale output"]:
    """An MV's factor counts in every output, an output's for all MVs together."""
    return np.concatenate((by_mv, np.diag(by_mv.sum(axis=0))))
