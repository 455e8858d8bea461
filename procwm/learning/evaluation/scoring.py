"""What predictions of a log are scored on: starting moments, values that came, and the unit of errors."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from procwm.data.anchors import anchors
from procwm.data.series import TagSeries
from procwm.data.window import Grid, held
from procwm.errors import LogError
from procwm.learning.dataset.tensors import LogTensors, log_tensors, scattered
from procwm.world.model import WorldModel

LEADS = (1, 5, 20)
"""Horizons that errors are stated at, besides the model's own."""

MOST_MOMENTS = 4096
_STILL = 1e-9


@dataclass(frozen=True, kw_only=True, eq=False)
class Scoring:
    """A log to be predicted, scaled as a model has it.

    Attributes:
        rows: the log.
        tensors: the same.
        found: every row that a prediction can be made at.
        moments: those of them that are scored.
        horizon: rows of a prediction.
        names: of the outputs.
        target, known: values due by row and output, and where there is one.
        spread: standard deviation of each output in this log.
    """

    rows: Grid
    tensors: LogTensors
    found: Int[Tensor, " moment"]
    moments: Int[Tensor, " moment"]
    horizon: int
    names: tuple[str, ...]
    target: Float[Tensor, "row output"]
    known: Float[Tensor, "row output"]
    spread: Float[Tensor, " output"]

    def nrmse(
        self,
        predicted: Float[Tensor, "moment step output"],
        lead: int,
        moments: Int[Tensor, " moment"] | None = None,
    ) -> Float[Tensor, " output"]:
        """Root mean squared error over `spread` at `lead`, of predictions made at `moments`.

        Args:
            predicted: the outputs, or the first of them.
            moments: `self.moments` where `None`.
        """
        error, known = self.normalised(predicted, lead, self.moments if moments is None else moments)
        return (error.square().sum(dim=0) / known.sum(dim=0).clamp(min=1.0)).sqrt()

    def normalised(
        self, predicted: Float[Tensor, "moment step output"], lead: int, moments: Int[Tensor, " moment"]
    ) -> tuple[Float[Tensor, "moment output"], Float[Tensor, "moment output"]]:
        """Errors over `spread` at `lead`, 0 where there is no value due, and where there is one."""
        outputs = predicted.shape[2]
        known = self.known[moments + lead, :outputs]
        error = predicted[:, lead - 1] - self.target[moments + lead, :outputs]
        return error * known / self.spread[:outputs], known


def scoring(model: WorldModel, rows: Grid, truth: Mapping[str, TagSeries] | None = None) -> Scoring:
    """`rows` as predictions of `model`, or of another in its place, are scored on.

    Args:
        model: a finished model.
        rows: by its rule.
        truth: true values of the outputs, where a simulator knows them; the measured ones where `None`.

    Raises:
        LogError: the log is nowhere long enough, or its CVs stand still.
    """
    horizon = max(*LEADS, model.horizon)
    found = torch.as_tensor(anchors(rows, model.plant, history=model.rule.history, horizon=horizon))
    if not len(found):
        needed = model.rule.history + horizon
        raise LogError(f"the log has no {needed} rows in a row, which scoring this model takes")
    tensors = log_tensors(rows, model.plant, model.scaler, model.readout.weight.dtype)
    target, known = _target(model, rows, truth, tensors.outputs, tensors.outputs_valid)
    return Scoring(
        rows=rows,
        tensors=tensors,
        found=found,
        moments=scattered(found, MOST_MOMENTS),
        horizon=horizon,
        names=model.output_names,
        target=target,
        known=known,
        spread=_spread(model, target, known, len(model.plant.cvs)),
    )


def _target(
    model: WorldModel,
    rows: Grid,
    truth: Mapping[str, TagSeries] | None,
    outputs: Float[Tensor, "row output"],
    outputs_valid: Float[Tensor, "row output"],
) -> tuple[Float[Tensor, "row output"], Float[Tensor, "row output"]]:
    if truth is None:
        return outputs, outputs_valid
    true = np.stack([held(truth[name], rows.time_ns, np.inf) for name in model.output_names], axis=1)
    known = np.isfinite(true)
    scaled = model.tensor(np.where(known, true, 0.0), model.output_names)
    return scaled, torch.as_tensor(known, dtype=scaled.dtype)


def _spread(
    model: WorldModel, target: Float[Tensor, "row output"], known: Float[Tensor, "row output"], cvs: int
) -> Float[Tensor, " output"]:
    count = known.sum(dim=0).clamp(min=1.0)
    mean = (target * known).sum(dim=0) / count
    spread = (((target - mean) * known).square().sum(dim=0) / count).sqrt()
    for name, value in zip(model.output_names[:cvs], spread[:cvs].tolist(), strict=True):
        if value < _STILL:
            raise LogError(
                f"{name} stands still in this log: an error relative to its movement has no meaning"
            )
    return spread.clamp(min=1e-12)
