"""How well a model predicts a log, beside persistence and a linear model, and whether it is sound."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from procwm.data.checks.shutdown import running
from procwm.data.series import Log, TagSeries
from procwm.data.window import Grid, grid
from procwm.errors import TrainingError
from procwm.learning.calibration.band_widening import BandScore, band_scores
from procwm.learning.calibration.feedback import corrected
from procwm.learning.calibration.surprise_limits import surprises
from procwm.learning.dataset.tensors import LogTensors, scattered
from procwm.learning.evaluation.correction import as_corrected, consecutive
from procwm.learning.evaluation.diagnosis import Diagnosis
from procwm.learning.evaluation.diagnostics import collapse, shuffled
from procwm.learning.evaluation.effect_objections import effect_objections
from procwm.learning.evaluation.error_differences import ErrorDifference, foreseen_beside
from procwm.learning.evaluation.gains import gains
from procwm.learning.evaluation.log_objections import log_objections
from procwm.learning.evaluation.objection import Objection
from procwm.learning.evaluation.scoring import LEADS, MOST_MOMENTS, Scoring, scoring
from procwm.learning.evaluation.soundness import Errors
from procwm.learning.evaluation.traces import TRACES, share_seen
from procwm.learning.evaluation.verdict import judged
from procwm.learning.evaluation.whiteness import Whiteness, whiteness
from procwm.plant.tags import PlantSpec
from procwm.world.conformal import BAND_COVERAGE
from procwm.world.fitness import Verdict
from procwm.world.linear import LinearDynamics
from procwm.world.model import WorldModel
from procwm.world.unlike import unlike

_DIAGNOSED = 512


@dataclass(frozen=True, kw_only=True)
class Evaluation:
    """How a model did on a log.

    Attributes:
        moments: how many predictions were scored at each lead.
        nrmse, persistence, linear: by lead in intervals, error divided by the standard deviation in this
            log, mean over the CVs; `linear` is empty where the model carries no linear reference.
        used: by model (`model`, `persistence` and, where there is one, `linear`) and lead, with the
            correction that the controller applies, on stretches of neighbouring moments; the verdict goes by
            these.
        used_by_output: the same by output.
        beside: of these errors the model's own less that of each other model, at the longest lead.
        by_output: the model's own, by lead and output.
        coverage: share of the CVs within the model's band, by lead; no entry where the band is not known.
        half_width: of the band, by lead and output, engineering units.
        band_scores: how the error band did, and its two signs, by lead; empty where the model has none.
        surprised: share of rows that are further from what was expected than ordinary operation brings once
            a day; NaN where the model does not know.
        diagnosis: what it is worth apart from its errors.
        verdict: what the model may be used for, why, and what to do next.
        seen: share of the log's rows that the model was learned from, where errors say little of another
            day; NaN where that is not known.
        unlike: sentences on tags that cannot be those that the model learned from.
    """

    moments: int
    nrmse: Mapping[int, float]
    persistence: Mapping[int, float]
    linear: Mapping[int, float]
    used: Mapping[str, Mapping[int, float]]
    used_by_output: Errors
    beside: Mapping[str, ErrorDifference]
    by_output: Mapping[int, Mapping[str, float]]
    coverage: Mapping[int, float]
    half_width: Mapping[int, Mapping[str, float]]
    band_scores: Mapping[int, BandScore]
    surprised: float
    diagnosis: Diagnosis
    verdict: Verdict
    seen: float = math.nan
    unlike: tuple[str, ...] = ()

    @property
    def curves(self) -> dict[str, dict[str, float]]:
        """`used`, for a page: `nrmse` is the model's own, leads are text."""
        return {
            "nrmse" if name == "model" else name: _text_keys(by_lead) for name, by_lead in self.used.items()
        }

    def counts(self, kept: Verdict | None) -> bool:
        """Whether the verdict is to replace the one that is `kept` with the model.

        A log that did not test the model says nothing against it, and one that it was learned from nothing
        for it; where there is no verdict yet, any is better.
        """
        return kept is None or (self.verdict.tested and not self.seen > 0.0)

    def as_dict(self) -> dict[str, Any]:
        """For JSON: leads become text."""
        return {
            "moments": self.moments,
            "nrmse": _text_keys(self.nrmse),
            "persistence": _text_keys(self.persistence),
            "linear": _text_keys(self.linear),
            "corrected": _text_keys(self.used["model"]),
            "linear_corrected": _text_keys(self.used.get("linear", {})),
            "corrected_by_output": {
                name: {str(lead): dict(errors) for lead, errors in by_lead.items()}
                for name, by_lead in self.used_by_output.items()
            },
            "beside": {name: found.as_dict() for name, found in self.beside.items()},
            "by_output": {str(lead): dict(errors) for lead, errors in self.by_output.items()},
            "band": {
                "coverage_target": BAND_COVERAGE,
                "coverage": _text_keys(self.coverage),
                "half_width": {str(lead): dict(widths) for lead, widths in self.half_width.items()},
            },
            "doubts": {str(lead): asdict(found) for lead, found in self.band_scores.items()},
            "surprised": self.surprised if math.isfinite(self.surprised) else None,
            "seen": self.seen if math.isfinite(self.seen) else None,
            "unlike": list(self.unlike),
            **self.diagnosis.as_dict(),
            **self.verdict.as_dict(),
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
    against = (*log_objections(rows, model.plant), *effect_objections(model))
    # As it came: what is in another unit is out of range, and left out of what is scored.
    others = unlike(grid(log, model.rule), model.scaler)
    return replace(score(model, rows, truth, against), seen=seen, unlike=others)


@torch.no_grad()
def score(
    model: WorldModel,
    rows: Grid,
    truth: Mapping[str, TagSeries] | None = None,
    against: Iterable[Objection] = (),
) -> Evaluation:
    """The same for a log that is on the control grid already.

    Args:
        against: what is known to speak against the model besides.
    """
    plant, held_to = model.plant, scoring(model, rows, truth)
    moments, tensors = held_to.moments, held_to.tensors
    leads = tuple(sorted({*LEADS, model.horizon}))
    predictions = _predictions(model, held_to, moments)
    errors = _errors(predictions, held_to, moments, leads)
    mean = _over_cvs(errors, plant)
    # A running correction takes neighbouring moments; few moments are neighbours anyway.
    following = consecutive(held_to)
    raw = predictions if len(following) == len(moments) else _predictions(model, held_to, following)
    used = {
        name: predicted
        if name == "persistence"
        else as_corrected(predicted, held_to, following, model.feedback, leads)
        for name, predicted in raw.items()
    }
    judged_by = _errors(used, held_to, following, leads)
    known_leads = [k for k in leads if k <= model.horizon and np.isfinite(model.half_width[k - 1]).all()]
    few = scattered(moments, _DIAGNOSED)

    def normalised_error(predicted: Float[Tensor, "moment horizon output"]) -> Float[Tensor, " lead"]:
        within = [lead for lead in leads if lead <= model.horizon]
        return torch.stack([held_to.nrmse(predicted, lead, few)[: len(plant.cvs)].mean() for lead in within])

    diagnosis = Diagnosis(
        collapse=collapse(model.encode(tensors.windows(moments)), tensors.values[moments], rows.rule.tags),
        gains=gains(model, tensors, few, held_to.spread),
        shuffled=shuffled(model, tensors, few, normalised_error),
        whiteness=_whiteness(model, tensors, held_to.found[:MOST_MOMENTS]),
    )
    as_used = _over_cvs(judged_by, plant)
    return Evaluation(
        moments=len(moments),
        nrmse=mean["model"],
        persistence=mean["persistence"],
        linear=mean.get("linear", {}),
        used=as_used,
        used_by_output=judged_by,
        beside=foreseen_beside(used, held_to, following, max(leads), len(plant.cvs)),
        by_output=errors["model"],
        coverage={lead: _covered(model, predictions["model"], held_to, lead) for lead in known_leads},
        half_width={
            lead: dict(zip(model.output_names, model.half_width[lead - 1].tolist(), strict=True))
            for lead in known_leads
        },
        band_scores=band_scores(model, rows, leads),
        surprised=_surprised(model, rows),
        diagnosis=diagnosis,
        verdict=judged(plant, as_used, judged_by, diagnosis, against),
    )


def _predictions(
    model: WorldModel, held_to: Scoring, moments: Int[Tensor, " moment"]
) -> dict[str, Float[Tensor, "moment step output"]]:
    """What the model, persistence and, where there is one, the linear model foresee at `moments`, scaled."""
    log = held_to.tensors
    window, future = log.windows(moments), log.future(moments, held_to.horizon)
    found = {
        "model": model.readout(model.imagine(model.encode(window), future.mv, future.dv)),
        "persistence": log.values[moments][:, None, log.output_columns].expand(-1, held_to.horizon, -1),
    }
    if not bool(torch.isfinite(found["model"]).all()):
        raise TrainingError("the model's predictions of this log are not finite: it is not fit for anything")
    if isinstance(model.reference, LinearDynamics):
        found["linear"] = model.reference.predict(window, future.mv, future.dv)
    return found


def _errors(
    predictions: Mapping[str, Float[Tensor, "moment step output"]],
    held_to: Scoring,
    moments: Int[Tensor, " moment"],
    leads: Sequence[int],
) -> dict[str, dict[int, dict[str, float]]]:
    """Normalised, by model, lead and output."""
    names = held_to.names
    return {
        name: {
            lead: dict(zip(names, held_to.nrmse(predicted, lead, moments).tolist(), strict=True))
            for lead in leads
        }
        for name, predicted in predictions.items()
    }


def _over_cvs(errors: Errors, plant: PlantSpec) -> dict[str, dict[int, float]]:
    """Mean over the CVs, by model and lead."""
    return {
        name: {
            lead: math.fsum(of[tag.name] for tag in plant.cvs) / len(plant.cvs)
            for lead, of in by_lead.items()
        }
        for name, by_lead in errors.items()
    }


def _surprised(model: WorldModel, rows: Grid) -> float:
    found, _ = surprises(model, rows)
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
