"""Whether a latent state holds the true states of a simulated plant, measured or not."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch

from procwm.data.checks.screening import screen
from procwm.data.series import Log
from procwm.data.window import grid
from procwm.learning.dataset.moments import predicted
from procwm.learning.dataset.tensors import log_tensors
from procwm.learning.evaluation.diagnostics import collapse
from procwm.plant.scenario import TruthRow
from procwm.world.model import WorldModel

_STILL = 1e-9


def state_probes(
    model: WorldModel, log: Log, truth: Sequence[TruthRow], names: Sequence[str]
) -> Mapping[str, float]:
    """Share of each true state's variance that a linear probe finds in the latent.

    The probe is fitted on the first half of `log` and scored on the second. A state that stands still has no
    share.

    Args:
        log: one that the model has not seen.
        truth: behind it.
        names: of the states.
    """
    rows = grid(screen(log, model.plant).trusted(), model.rule)
    moments = np.flatnonzero(rows.ready)
    time_ns = np.array([row.time_ns for row in truth])
    # The plant is sampled at its ticks, and a row of the grid is one of them.
    at = np.searchsorted(time_ns, rows.time_ns[moments], side="right") - 1
    states = np.array([row.state for row in truth])[at]
    moved = states.std(axis=0)
    standard = (states - states.mean(axis=0)) / np.where(moved > _STILL, moved, 1.0)
    tensors = log_tensors(rows, model.plant, model.scaler, torch.float64)
    latent = predicted(model, tensors, torch.as_tensor(moments), 0)
    return collapse(latent, torch.as_tensor(standard), tuple(names)).probe_r2
