"""How much an error band is to widen with disagreement and distance, from held-out time.

Normalised split conformal prediction (Papadopoulos, Proedrou, Vovk and Gammerman, Inductive confidence
machines for regression, ECML 2002, 345-356): errors are divided by a factor that says where large ones are to
be expected; the quantile of what is left, times that factor, is the band. How much each of the two signs
counts is what makes the held-out errors likeliest. Held-out time is mostly where the log was before, so it
asks for little.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from procwm.data.anchors import anchors
from procwm.data.window import Grid
from procwm.learning.calibration.feedback import MOST_ROWS
from procwm.learning.dataset.tensors import log_tensors, scattered
from procwm.world.confidence import confidence
from procwm.world.conformal import band
from procwm.world.model import WorldModel
from procwm.world.uncertainty import Uncertainty

WEIGHTS = (0.0, 0.1, 0.3, 1.0)
"""Tried of each sign."""
SELDOM = 2.0
"""Distance beyond which the log of the model seldom was."""
_MOST_SCORED = 1024
_CHUNK = 256
_LEAST = 1e-9


@torch.no_grad()
def learned_uncertainty(held_out: WorldModel, rows: Grid) -> Uncertainty | None:
    """The uncertainty of `held_out`, which has an ensemble and a cloud, from `rows` that it has not seen.

    In its own scale. `None` where it has no ensemble, or nothing was held out.
    """
    if not len(held_out.ensemble):
        return None
    errors, apart, away = errors_and_signs(held_out, rows.slice(max(0, len(rows) - MOST_ROWS), len(rows)))
    if not len(errors):
        return None
    uncertainty = Uncertainty(horizon=held_out.horizon, outputs=len(held_out.output_names)).double()
    uncertainty.usual = apart.square().mean(dim=0).sqrt().clamp(min=_LEAST)

    def unlikeliness(weights: tuple[float, float]) -> float:
        uncertainty.weights = torch.tensor(weights, dtype=torch.float64)
        factor = uncertainty.factor(apart, away)
        size = (errors.abs() / factor).nanmean(dim=0).clamp(min=_LEAST)
        return float((factor.log() + size.log()).nanmean())

    best = min(product(WEIGHTS, WEIGHTS), key=unlikeliness)
    uncertainty.weights = torch.tensor(best, dtype=torch.float64)
    uncertainty.band = torch.as_tensor(band((errors / uncertainty.factor(apart, away)).numpy()))
    return uncertainty


@dataclass(frozen=True, kw_only=True)
class BandScore:
    """How well a model's error band did on a log at one lead; shares are means over the CVs.

    Attributes:
        disagreement: of the ensemble, by output, engineering units, on average.
        distance: from the log of the model up to this lead, on average; 1 is usual there.
        correlation: rank correlation of the sizes of errors with the factor of the band; `None` where it is
            the same everywhere.
        coverage: share of measurements within the band that widens; `None` where there is none.
        half_width: of that band, by output, engineering units, on average.
        seldom: share of moments that are more than `SELDOM` away.
        seldom_coverage: `coverage` at those moments.
        seldom_constant: the same of the band that does not widen.
    """

    disagreement: Mapping[str, float]
    distance: float
    correlation: float | None
    coverage: float | None
    half_width: Mapping[str, float]
    seldom: float
    seldom_coverage: float | None
    seldom_constant: float | None


@torch.no_grad()
def band_scores(model: WorldModel, rows: Grid, leads: Sequence[int]) -> dict[int, BandScore]:
    """By lead within the horizon; nothing for a model without an uncertainty, or a log without a moment."""
    if model.uncertainty is None:
        return {}
    errors, apart, away = errors_and_signs(model, rows, most_moments=_MOST_SCORED)
    if not len(errors):
        return {}
    factor = model.uncertainty.factor(apart, away)
    widening = model.uncertainty.band * factor
    _, width = model.scaler.part(model.output_names)
    cvs, names = len(model.plant.cvs), model.output_names
    found = {}
    for at in (lead - 1 for lead in leads if lead <= model.horizon):
        missed, seldom = errors[:, at].abs(), away[:, at] > SELDOM
        band = widening[:, at] if bool(widening[:, at].isfinite().all()) else None
        constant = None if model.band is None or band is None else model.band[at].expand_as(missed)
        half_width = [] if band is None else (band.mean(dim=0).numpy() * width).tolist()
        found[at + 1] = BandScore(
            disagreement=dict(zip(names, (apart[:, at].mean(dim=0).numpy() * width).tolist(), strict=True)),
            distance=float(away[:, at].mean()),
            correlation=_correlation(missed[:, :cvs], factor[:, at, :cvs]),
            coverage=_share(missed, band, cvs),
            half_width=dict(zip(names, half_width, strict=False)),
            seldom=float(seldom.double().mean()),
            seldom_coverage=_share(missed[seldom], None if band is None else band[seldom], cvs),
            seldom_constant=_share(missed[seldom], None if constant is None else constant[seldom], cvs),
        )
    return found


def _share(
    missed: Float[Tensor, "moment output"], band: Float[Tensor, "moment output"] | None, cvs: int
) -> float | None:
    """Of the known errors of CVs, those within `band`; mean over the CVs that have any."""
    if band is None:
        return None
    known = missed[:, :cvs].isfinite()
    inside = (missed[:, :cvs] <= band[:, :cvs]) & known
    shares = inside.sum(dim=0)[known.any(dim=0)] / known.sum(dim=0)[known.any(dim=0)]
    return float(shares.double().mean()) if len(shares) else None


def _correlation(
    missed: Float[Tensor, "moment output"], factor: Float[Tensor, "moment output"]
) -> float | None:
    """Spearman's, mean over the CVs: that of ranks."""
    found = []
    for sizes, doubt in zip(missed.T.numpy(), factor.T.numpy(), strict=True):
        known = np.isfinite(sizes)
        if len(np.unique(doubt[known])) > 1 and len(np.unique(sizes[known])) > 1:
            found.append(float(np.corrcoef(_ranks(sizes[known]), _ranks(doubt[known]))[0, 1]))
    return float(np.mean(found)) if found else None


def _ranks(values: Float[np.ndarray, " value"]) -> Float[np.ndarray, " value"]:
    """From 1; equal values share the mean of theirs."""
    _, place, count = np.unique(values, return_inverse=True, return_counts=True)
    ranks: np.ndarray = (np.cumsum(count) - 0.5 * (count - 1))[place]
    return ranks


@torch.no_grad()
def errors_and_signs(
    model: WorldModel, rows: Grid, most_moments: int | None = None
) -> tuple[
    Float[Tensor, "moment horizon output"],
    Float[Tensor, "moment horizon output"],
    Float[Tensor, "moment horizon"],
]:
    """Errors at every moment, NaN where nothing was measured, with disagreement and distance; scaled.

    Args:
        most_moments: moments to look at; all where `None`.
    """
    tensors = log_tensors(rows, model.plant, model.scaler, model.readout.weight.dtype)
    moments = torch.as_tensor(anchors(rows, model.plant, history=model.rule.history, horizon=model.horizon))
    moments = moments if most_moments is None else scattered(moments, most_moments)
    parts = [_nothing(model)]
    for some in torch.split(moments, _CHUNK):
        future = tensors.future(some, model.horizon)
        latent = model.encode(tensors.windows(some))
        predicted = model.readout(model.imagine(latent, future.mv, future.dv))
        error = torch.where(future.outputs_valid > 0, future.outputs - predicted, torch.nan)
        found = confidence(model, latent, future.mv, future.dv)
        parts.append((error, found.disagreement, found.distance))
    errors, apart, away = (torch.cat(part) for part in zip(*parts, strict=True))
    return errors, apart, away


def _nothing(model: WorldModel) -> tuple[Tensor, Tensor, Tensor]:
    """Of no moment."""
    outputs = model.readout.weight.new_zeros((0, model.horizon, len(model.output_names)))
    return outputs, outputs, outputs[..., 0]
