"""How much of a new prediction error the controller should believe, chosen on held-out time.

The disturbance estimate (`control.disturbance`) is, for every lead, an exponential filter of the errors
made at that lead. What the encoder has seen of a load already is in its predictions, so the best share of a
new error differs between plants, outputs and leads: here it is the one whose filtered errors would have
foreseen the errors of the held-out part of the log best. A log tells little of where the operators did not
go, and the model may be wrong there for as long as a controller stays: so an error that lasts is believed
within about a horizon in any case.
"""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from procwm.data.anchors import anchors
from procwm.data.window import Grid
from procwm.learning.dataset.tensors import log_tensors
from procwm.world.averaging import gain
from procwm.world.model import WorldModel

SHARES = (0.02, 0.05, 0.1, 0.2, 0.4)
"""Tried."""
MOST_ROWS = 4000
_CHUNK = 512


def chosen_feedback(arriving: Float[np.ndarray, "row horizon output"]) -> Float[Tensor, "horizon output"]:
    """The share of a new error to believe, by lead and output; never larger at a longer lead.

    None is so small that a lasting error is filtered with a time constant longer than the horizon,
    `1 - exp(-n / horizon)` where an output is measured every `n` intervals.

    Args:
        arriving: `arriving_errors` of held-out time.
    """
    horizon, outputs = arriving.shape[1:]
    leads = np.arange(horizon)
    shares = np.array(SHARES)[:, None, None]
    bias = np.zeros((len(SHARES), horizon, outputs))
    missed = np.zeros_like(bias)
    for row in range(len(arriving)):
        # What was predicted at lead k+1 from here arrives k+1 rows later.
        later = row + leads + 1
        to_come = np.where((later < len(arriving))[:, None], arriving[later % len(arriving), leads], np.nan)
        missed += np.nan_to_num(np.abs(to_come - bias))
        bias += shares * np.nan_to_num(arriving[row] - bias)
    best = np.minimum.accumulate(np.array(SHARES)[missed.argmin(axis=0)], axis=0)
    measured = np.isfinite(arriving[:, 0]).mean(axis=0).clip(1.0 / horizon, 1.0)
    return torch.as_tensor(np.maximum(best, 1.0 - np.exp(-1.0 / (measured * horizon))))


def corrected(
    errors: Float[np.ndarray, "row output"], share: Float[np.ndarray, " output"]
) -> Float[np.ndarray, "row output"]:
    """What is left of errors at one lead, in order of time, once each is foreseen from those before it.

    As the controller does it, but for its clipping of outliers. NaN where nothing was measured.

    Args:
        share: of a new error that is believed.
    """
    left = np.empty_like(errors)
    bias, count = np.zeros(errors.shape[1]), np.zeros(errors.shape[1])
    for row, error in enumerate(errors):
        left[row] = error - bias
        bias += gain(share, count) * np.nan_to_num(left[row])
        count += np.isfinite(error)
    return left


def known_biases(
    arriving: Float[np.ndarray, "row lead output"], share: Float[np.ndarray, "lead output"]
) -> Float[np.ndarray, "row lead output"]:
    """What the controller takes for its error at every lead, by the row at which it does so.

    As the controller does it, but for its clipping of outliers.

    Args:
        arriving: errors by the row that they arrive at; NaN where nothing was predicted or measured.
        share: of a new error that is believed.
    """
    found = np.empty_like(arriving)
    bias, count = np.zeros(share.shape), np.zeros(share.shape)
    for row, errors in enumerate(arriving):
        bias = bias + gain(share, count) * np.nan_to_num(errors - bias)
        count += np.isfinite(errors)
        found[row] = bias
    return found


@torch.no_grad()
def arriving_errors(model: WorldModel, rows: Grid) -> Float[np.ndarray, "row horizon output"]:
    """Scaled errors by the row they arrive at and their lead; NaN where nothing was predicted or measured."""
    rows = rows.slice(max(0, len(rows) - MOST_ROWS), len(rows))
    horizon = model.horizon
    tensors = log_tensors(rows, model.plant, model.scaler, model.readout.weight.dtype)
    found = torch.as_tensor(anchors(rows, model.plant, history=model.rule.history, horizon=horizon))
    arriving = np.full((len(rows), horizon, len(model.output_names)), np.nan)
    leads = np.arange(horizon)
    for moments in torch.split(found, _CHUNK):
        future = tensors.future(moments, horizon)
        latent = model.encode(tensors.windows(moments))
        predicted = model.readout(model.imagine(latent, future.mv, future.dv))
        error = torch.where(future.outputs_valid > 0, future.outputs - predicted, torch.nan)
        arriving[moments.numpy()[:, None] + leads + 1, leads] = error.numpy()
    return arriving
