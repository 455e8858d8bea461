"""Predictions as the controller uses them: with the disturbance estimate that it would have had by then."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from procwm.learning.calibration.feedback import known_biases
from procwm.learning.evaluation.scoring import MOST_MOMENTS, Scoring

_STRETCHES = 8
"""Of neighbouring moments, in a log that is too long to look at all of them."""


def consecutive(held_to: Scoring) -> Int[Tensor, " moment"]:
    """Moments that a running correction can be followed over: all of them, or stretches all over the log."""
    if len(held_to.found) <= MOST_MOMENTS:
        return held_to.found
    parts = held_to.found.tensor_split(_STRETCHES)
    return torch.cat([part[: MOST_MOMENTS // _STRETCHES] for part in parts])


def as_corrected(
    predicted: Float[Tensor, "moment step output"],
    held_to: Scoring,
    moments: Int[Tensor, " moment"],
    feedback: Float[Tensor, "horizon output"],
    leads: Sequence[int],
) -> Float[Tensor, "moment step output"]:
    """`predicted` at `moments` with the errors that the controller would have believed by then added.

    Args:
        moments: in order of time, neighbours for the most part.
        feedback: share of a new error that is believed; leads beyond its rows are left as they are.
        leads: intervals ahead that are corrected.
    """
    within = [lead for lead in leads if lead <= len(feedback)]
    log = held_to.tensors
    arriving = np.full((len(log.outputs), len(within), predicted.shape[2]), np.nan)
    for column, lead in enumerate(within):
        at = moments + lead
        error = torch.where(log.outputs_valid[at] > 0, log.outputs[at] - predicted[:, lead - 1], torch.nan)
        arriving[at.numpy(), column] = error.numpy()
    rows = torch.tensor(within) - 1
    bias = torch.as_tensor(known_biases(arriving, feedback[rows].numpy()), dtype=predicted.dtype)
    corrected = predicted.clone()
    corrected[:, rows] += bias[moments]
    return corrected
