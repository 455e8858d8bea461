"""How well a model predicts a log, beside persistence and a linear model, and whether it is sound."""

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from procwm.data.excitation import excitation
from procwm.data.series import Log, TagSeries
from procwm.data.shutdown import running
from procwm.data.window import Grid
from procwm.errors import TrainingError
from procwm.learning.calibration.band_widening import Doubts, doubts
from procwm.learning.calibration.feedback import corrected
from procwm.learning.calibration.surprise_limits import surprises
from procwm.learning.dataset.tensors import LogTensors, scattered
from procwm.learning.evaluation.diagnostics import collapse, shuffled
from procwm.learning.evaluation.gains import gains
from procwm.learning.evaluation.scoring import LEADS, MOST_MOMENTS, Scoring, scoring
from procwm.learning.evaluation.traces import TRACES, share_seen
from procwm.learning.evaluation.verdict import Diagnosis, Fitness, judged
from procwm.learning.evaluation.whiteness import Whiteness, whiteness
from procwm.world.conformal import BAND_COVERAGE
from procwm.world.linear import LinearDynamics
from procwm.world.model import WorldModel

_DIAGNOSED = 512


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How a model did on a log.

    Attributes:
        moments: how many predictions were scored at each lead.
        nrmse, persistence, linear: by lead in intervals, error divided by the standard deviation in this
            log, mean over the CVs; `linear` is empty where the model carries no linear reference.
        by_output: the model's own, by lead and output.
        coverage: share of the CVs within the model's band, by lead; no entry where the band is not known.
        half_width: of the band, by lead and output, engineering units.
        doubts: how disagreement and distance did, by lead; empty where the model has none.
        surprised: share of rows that are further from what was expected than ordinary operation brings once
            a day; NaN where the model does not know.
        diagnosis: what it is worth apart from its errors.
        fitness: what the model may be used for.
        reason: why, as a sentence.
        seen: share of the log's rows that the model was learned from, where errors say little of another
            day; NaN where that is not known.
    """

    moments: int
    nrmse: Mapping[int, float]
    persistence: Mapping[int, float]
    linear: Mapping[int, float]
    by_output: Mapping[int, Mapping[str, float]]
    coverage: Mapping[int, float]
    half_width: Mapping[int, Mapping[str, float]]
    doubts: Mapping[int, Doubts]
    surprised: float
    diagnosis: Diagnosis
    fitness: Fitness
    reason: str
    seen: float = math.nan

    @property
    def verdict(self) -> str:
        """One plain sentence."""
        return f"{self.fitness}: {self.reason}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON: leads become text."""
        return {
            "moments": self.moments,
            "nrmse": _text_keys(self.nrmse),
            "persistence": _text_keys(self.persistence),
            "linear": _text_keys(self.linear),
            "by_output": {str(lead): dict(errors) for lead, errors in self.by_output.items()},
            "band": {
                "coverage_target": BAND_COVERAGE,
                "coverage": _text_keys(self.coverage),
                "half_width": {str(lead): dict(widths) for lead, widths in self.half_width.items()},
            },
            "doubts": {str(lead): asdict(found) for lead, found in self.doubts.items()},
            "surprised": self.surprised if math.isfinite(self.surprised) else None,
            "seen": self.seen if math.isfinite(self.seen) else None,
            **self.diagnosis.as_dict(),
            "fitness": self.fitness.value,
            "verdict": self.verdict,
        }


def evaluate(model: WorldModel, log: Log, truth: Mapping[str, TagSeries] | None = None) -> Evaluation:
    """Score `model` on `log`.

    Args:
        model: a finished model.
        log: one that it was not trained on.
        truth: true values of the outputs, where a simulator knows them; the measured ones where `None`.

    Raises:
        LogError: the log is nowhere long enough, or its CVs stand still.
        TrainingError: the model predicts what is not finite.
    """
    rows = running(log, model.plant, model.rule)
    seen = share_seen(model.metrics.get(TRACES), log, rows.time_ns)
    return replace(score(model, rows, truth), seen=seen)


@torch.no_grad()
def score(model: WorldModel, rows: Grid, truth: Mapping[str, TagSeries] | None = None) -> Evaluation:
    """The same for a log that is on the control grid already."""
    plant, held_to = model.plant, scoring(model, rows, truth)
    moments, tensors, horizon = held_to.moments, held_to.tensors, held_to.horizon
    cvs = len(plant.cvs)
    leads = tuple(sorted({*LEADS, model.horizon}))
    window = tensors.windows(moments)
    future = tensors.future(moments, horizon)
    latent = model.encode(window)
    predictions = {
        "model": model.readout(model.imagine(latent, future.mv, future.dv)),
        "persistence": tensors.values[moments][:, None, tensors.output_columns].expand(-1, horizon, -1),
    }
    if not bool(torch.isfinite(predictions["model"]).all()):
        raise TrainingError("the model's predictions of this log are not finite: it is not fit for anything")
    if isinstance(model.reference, LinearDynamics):
        predictions["linear"] = model.reference.predict(window, future.mv, future.dv)
    errors = {
        name: {lead: held_to.nrmse(rows_of, lead) for lead in leads} for name, rows_of in predictions.items()
    }
    mean = {
        name: {lead: float(error[:cvs].mean()) for lead, error in by_lead.items()}
        for name, by_lead in errors.items()
    }
    known_leads = [k for k in leads if k <= model.horizon and np.isfinite(model.half_width[k - 1]).all()]
    few = scattered(moments, _DIAGNOSED)

    def missed(predicted: Float[Tensor, "moment horizon output"]) -> Float[Tensor, " lead"]:
        within = [lead for lead in leads if lead <= model.horizon]
        return torch.stack([held_to.nrmse(predicted, lead, few)[:cvs].mean() for lead in within])

    diagnosis = Diagnosis(
        collapse=collapse(latent, tensors.values[moments], rows.rule.tags),
        gains=gains(model, tensors, few, held_to.spread),
        shuffled=shuffled(model, tensors, few, missed),
        whiteness=_whiteness(model, tensors, held_to.found[:MOST_MOMENTS]),
    )
    by_output = {
        name: {
            lead: dict(zip(model.output_names, error.tolist(), strict=True))
            for lead, error in by_lead.items()
        }
        for name, by_lead in errors.items()
    }
    together = {frozenset((mv.tag, *mv.together)) for mv in excitation(rows, plant) if mv.together}
    fitness, reason = judged(plant, mean, by_output, diagnosis, together)
    return Evaluation(
        moments=len(moments),
        nrmse=mean["model"],
        persistence=mean["persistence"],
        linear=mean.get("linear", {}),
        by_output=by_output["model"],
        coverage={lead: _covered(model, predictions["model"], held_to, lead) for lead in known_leads},
        half_width={
            lead: dict(zip(model.output_names, model.half_width[lead - 1].tolist(), strict=True))
            for lead in known_leads
        },
        doubts=doubts(model, rows, leads),
        surprised=_surprised(model, rows),
        diagnosis=diagnosis,
        fitness=fitness,
        reason=reason,
    )


def _surprised(model: WorldModel, rows: Grid) -> float:
    found = surprises(model, rows)
    known = found[np.isfinite(found)]
    return float((known > 1.0).mean()) if len(known) else math.nan


def _covered(
    model: WorldModel, predicted: Float[Tensor, "moment step output"], held_to: Scoring, lead: int
) -> float:
    """Share of the known CVs at `lead` that lie within the model's band, mean over the CVs."""
    assert model.band is not None, "leads without a band are not asked for"
    at = held_to.moments + lead
    inside = (predicted[:, lead - 1] - held_to.target[at]).abs() <= model.band[lead - 1]
    counted = held_to.known[at]
    shares = (inside * counted).sum(dim=0) / counted.sum(dim=0).clamp(min=1.0)
    return float(shares[: len(model.plant.cvs)].mean())


def _whiteness(model: WorldModel, tensors: LogTensors, rows: Int[Tensor, " moment"]) -> tuple[Whiteness, ...]:
    """Of what the controller's correction leaves of errors one interval after `rows`, in order of time."""
    future = tensors.future(rows, 1)
    latent = model.encode(tensors.windows(rows))
    error = future.outputs[:, 0] - model.readout(model.imagine(latent, future.mv, future.dv))[:, 0]
    known = torch.where(future.outputs_valid[:, 0] > 0, error, torch.nan).double().numpy()
    left = corrected(known, model.feedback[0].double().numpy())
    return tuple(whiteness(name, column) for name, column in zip(model.output_names, left.T, strict=True))


def _text_keys(errors: Mapping[int, float]) -> dict[str, float]:
    return {str(lead): error for lead, error in errors.items()}
