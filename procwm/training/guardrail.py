"""A guardrail from a handful of judged moments, on a frozen latent state, with a conformal margin."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int, Int64
from scipy.cluster.vq import kmeans2
from torch import Tensor

from procwm.data.series import Log, TagSeries
from procwm.data.window import Grid, grid, held
from procwm.errors import LogError, TrainingError
from procwm.training.head_fit import averaged_quadratic
from procwm.training.head_margin import strangeness, with_margin
from procwm.training.labels import Labels
from procwm.training.quadratic_form import View, as_network
from procwm.training.tensors import LogTensors, log_tensors
from procwm.world.calibration import least_count, margin
from procwm.world.heads import GuardHead
from procwm.world.model import WorldModel

GRADED_COVERAGE = (0.95, 0.9)
"""Where labels have a size: the first that so many labels can show, from 9 and 4 on."""
JUDGED_COVERAGE = 0.9
"""Where they are safe or unsafe."""
_SETTLED_LEAD = 5
_MOST_SAMPLED = 5000
"""Moments of the log that stand for all of it."""


@dataclass(frozen=True, kw_only=True)
class Coverage:
    """How a guardrail did on moments that it was not made from.

    Attributes:
        moments: how many were looked at.
        share: of them whose true value the guardrail, margin included, does not understate.
        unsafe: how many were truly unsafe.
        caught: share of those that the guardrail called unsafe; `None` where there were none.
        by_lead: `share` on latents predicted so many intervals ahead.
    """

    moments: int
    share: float
    unsafe: int
    caught: float | None
    by_lead: Mapping[int, float]


def learn_guardrail(
    model: WorldModel, log: Log, labels: Labels, *, name: str, coverage: float | None = None
) -> WorldModel:
    """`model` with a guardrail learned from judged moments of `log`.

    The head is a quadratic form: an average of forms of the frozen latent, and of the tags that a linear
    probe reads from it, weighted by what they say of left-out labels (`head_fit`). It is fitted and
    calibrated on the encoded latent of each moment and on the ones predicted for it from several intervals
    before, because a planner holds its predictions to it; the margin is taken from the errors at all of
    these leads (`head_margin`) or, where labels have no size, from those at the worst of them. A label
    counts for the root of how much of the log it is the nearest label of: moments worth judging are not
    typical ones, and a controller is at the edges more than the operators were.

    Args:
        log: holds the labelled moments and a window before them.
        name: of the guardrail; one of the same name is replaced.
        coverage: share of new moments whose true value, or whose being unsafe, must not be understated;
            `None` for `default_coverage`.

    Raises:
        TrainingError: too few labels, or only safe ones where sizes are unknown.
        LogError: a label stands where the log has no window.
    """
    if not name.strip():
        raise TrainingError("a guardrail needs a name")
    rows = grid(log, model.rule)
    leads = _leads(model)
    moments = _rows_of(labels, rows, leads[-1])
    values = torch.as_tensor(labels.value)
    coverage = default_coverage(labels) if coverage is None else coverage
    counted = values > 0 if not labels.graded else torch.ones_like(values, dtype=torch.bool)
    _refuse_too_few(labels, int(counted.sum()), coverage, name)
    tensors = log_tensors(rows, model.plant, model.scaler, torch.float64)
    latents = _latents(model, tensors, moments, leads)
    typical = _typical(model, rows, tensors, latents[:, 0])
    # Layers draw their first weights when built; the caller's random state is not ours to move.
    with torch.random.fork_rng(devices=[]):
        views = [_tags_of(model, rows, tensors)]
        form, held_out = averaged_quadratic(latents, values, typical, views)
        weights = typical[counted].numpy()
        if labels.graded:
            strange = strangeness(_predicted(model, tensors, _sampled(rows), 0))
            form, wanted = with_margin(form, values[:, None] - held_out, strange, latents, coverage, typical)
        else:
            wanted = max(margin(-column.numpy(), coverage, weights) for column in held_out[counted].T)
        network = as_network(form, latents)
    return model.with_guard(GuardHead(name=name, network=network, margin=wanted, coverage=coverage))


def default_coverage(labels: Labels) -> float:
    """The coverage that is asked for where nobody says: the largest of a few that the labels can show."""
    if not labels.graded:
        return JUDGED_COVERAGE
    shown = (each for each in GRADED_COVERAGE if least_count(2.0 * each - 1.0) <= len(labels))
    return next(shown, GRADED_COVERAGE[-1])


def suggest_label_times(model: WorldModel, log: Log, count: int) -> Int64[np.ndarray, " label"]:
    """The `count` moments of `log` that are most worth judging, UTC nanoseconds, oldest first.

    Half of them are where the plant seldom was: each the one least like those chosen already (Gonzalez
    1985, Clustering to minimize the maximum intercluster distance, Theoretical Computer Science 38,
    293-306). The others are where it mostly was, nearest to the centres of k-means, since a margin is to
    hold there too. Latents predicted from a few intervals before are used: measurement noise, which no one
    needs to judge, is not in them.

    Raises:
        LogError: the log has fewer usable moments.
    """
    rows = grid(log, model.rule)
    lead = _leads(model)[-1]
    usable = torch.as_tensor(np.flatnonzero(_reachable(rows, lead)))
    if not 1 <= count <= len(usable):
        raise LogError(f"{count} moments to judge were asked for; the log has {len(usable)} usable ones")
    tensors = log_tensors(rows, model.plant, model.scaler, torch.float64)
    latent = _predicted(model, tensors, usable, min(_SETTLED_LEAD, lead))
    chosen = _unlike_each_other(latent, (count + 1) // 2)
    centers, _ = kmeans2(latent.numpy(), max(1, count // 2), minit="++", rng=0)
    distance = torch.cdist(torch.as_tensor(centers), latent)
    for row in distance[: count - len(chosen)]:
        row[chosen] = torch.inf
        chosen.append(int(row.argmin()))
    times: Int64[np.ndarray, " label"] = np.sort(rows.time_ns[usable[chosen].numpy()])
    return times


def _unlike_each_other(latent: Float[Tensor, "moment latent"], count: int) -> list[int]:
    chosen = [int((latent - latent.mean(dim=0)).square().sum(dim=1).argmax())]
    distance = torch.full((len(latent),), torch.inf, dtype=torch.float64)
    while len(chosen) < count:
        distance = torch.minimum(distance, (latent - latent[chosen[-1]]).square().sum(dim=1))
        chosen.append(int(distance.argmax()))
    return chosen


def coverage(model: WorldModel, log: Log, truth: Mapping[str, TagSeries]) -> dict[str, Coverage]:
    """How every guardrail in `truth` does on `log`.

    Args:
        log: one that no label of it came from.
        truth: true values by name of the guardrail, safe where `<= 0`.

    Raises:
        LogError: the log is nowhere long enough, or a name is unknown.
    """
    rows = grid(log, model.rule)
    leads = _leads(model)
    usable = torch.as_tensor(np.flatnonzero(_reachable(rows, leads[-1])))
    if not len(usable):
        raise LogError(f"the log has no {model.rule.history + leads[-1]} rows in a row")
    tensors = log_tensors(rows, model.plant, model.scaler, torch.float64)
    guards = {lead: model.guard(_predicted(model, tensors, usable, lead)) for lead in leads}
    return {name: _covered(model, rows, usable, guards, name, series) for name, series in truth.items()}


def _covered(
    model: WorldModel,
    rows: Grid,
    usable: Int[Tensor, " moment"],
    guards: Mapping[int, Float[Tensor, "moment guard"]],
    name: str,
    series: TagSeries,
) -> Coverage:
    if name not in model.guard_names:
        raise LogError(f"the model has no guardrail {name}; it has {', '.join(model.guard_names) or 'none'}")
    column = model.guard_names.index(name)
    true = torch.as_tensor(held(series, rows.time_ns, np.inf))[usable]
    known = torch.isfinite(true)
    true = true[known]
    predicted = {lead: guard[known, column] for lead, guard in guards.items()}
    unsafe = true > 0
    return Coverage(
        moments=len(true),
        share=float((predicted[0] >= true).double().mean()),
        unsafe=int(unsafe.sum()),
        caught=float((predicted[0][unsafe] > 0).double().mean()) if bool(unsafe.any()) else None,
        by_lead={lead: float((guard >= true).double().mean()) for lead, guard in predicted.items()},
    )


def _leads(model: WorldModel) -> tuple[int, ...]:
    """The present, and up to half of the horizon ahead."""
    half = max(1, model.horizon // 2)
    return tuple(sorted({0, max(1, half // 2), half}))


def _reachable(rows: Grid, lead: int) -> np.ndarray:
    """Rows with a whole window `lead` rows before them and no jump in time since."""
    reachable = np.zeros(len(rows), dtype=np.bool_)
    for stretch in rows.stretches:
        reachable[stretch.start + rows.rule.history - 1 + lead : stretch.stop] = True
    return reachable


def _rows_of(labels: Labels, rows: Grid, lead: int) -> Int[Tensor, " label"]:
    """The row in force at each label's time."""
    row = np.searchsorted(rows.time_ns, labels.time_ns, side="right") - 1
    reachable = _reachable(rows, lead)
    for time_ns, at in zip(labels.time_ns.tolist(), row.tolist(), strict=True):
        late = at >= 0 and time_ns - int(rows.time_ns[at]) >= rows.rule.interval_ns
        if at < 0 or late or not reachable[at]:
            needed = (rows.rule.history + lead) * rows.rule.interval_s / 60.0
            raise LogError(
                f"label at {pd.Timestamp(time_ns, tz='UTC').isoformat()}: the log does not hold the "
                f"{needed:g} min without a gap that end there"
            )
    return torch.as_tensor(row)


def _refuse_too_few(labels: Labels, counted: int, coverage: float, name: str) -> None:
    lowest = 0.5 if labels.graded else 0.0
    if not lowest < coverage < 1.0:
        raise TrainingError(f"{name}: coverage is {coverage}; it must be between {lowest:g} and 1")
    kind = "labels" if labels.graded else "labels of unsafe moments"
    needed = least_count(2.0 * coverage - 1.0 if labels.graded else coverage)
    if counted < needed:
        raise TrainingError(
            f"{name}: {counted} {kind} cannot show a coverage of {coverage:g}; at least {needed} are needed"
        )
    if float(labels.value.std()) == 0.0:
        raise TrainingError(
            f"{name}: all {len(labels)} labels are the same, so nothing can be learned from them"
        )


@torch.no_grad()
def _predicted(
    model: WorldModel, log: LogTensors, moments: Int[Tensor, " moment"], lead: int
) -> Float[Tensor, "moment latent"]:
    """Latents of `moments`, predicted from `lead` rows before with the recorded MVs and DVs."""
    latent = model.encode(log.windows(moments - lead))
    if lead == 0:
        return latent
    future = log.future(moments - lead, lead)
    return model.imagine(latent, future.mv, future.dv)[:, -1]


def _latents(
    model: WorldModel, log: LogTensors, moments: Int[Tensor, " label"], leads: tuple[int, ...]
) -> Float[Tensor, "label lead latent"]:
    return torch.stack([_predicted(model, log, moments, lead) for lead in leads], dim=1)


def _sampled(rows: Grid) -> Int[Tensor, " moment"]:
    """Moments of the log with a window, evenly spread."""
    moments = torch.as_tensor(np.flatnonzero(_reachable(rows, 0)))
    return moments[:: len(moments) // _MOST_SAMPLED + 1]


@torch.no_grad()
def _tags_of(model: WorldModel, rows: Grid, log: LogTensors) -> View:
    """Every tag as the latent shows it, by least squares on the log: no label is spent on it."""
    moments = _sampled(rows)
    latent = _predicted(model, log, moments, 0)
    mean = latent.mean(dim=0)
    inputs = torch.cat((latent - mean, torch.ones_like(latent[:, :1])), dim=1)
    # Latents may be collinear: the driver must be one that does not need full rank.
    solution = torch.linalg.lstsq(inputs, log.values[moments], driver="gelsd").solution
    return View(solution[:-1].T, solution[-1] - mean @ solution[:-1])


@torch.no_grad()
def _typical(
    model: WorldModel, rows: Grid, log: LogTensors, labelled: Float[Tensor, "label latent"]
) -> Float[Tensor, " label"]:
    """Root of how many moments of the log each label is the nearest one of; at least 1."""
    nearest = torch.cdist(_predicted(model, log, _sampled(rows), 0), labelled).argmin(dim=1)
    return torch.bincount(nearest, minlength=len(labelled)).clamp(min=1).to(labelled.dtype).sqrt()
