"""A guardrail from a handful of judged moments, on a frozen latent state, with a conformal margin."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from procwm.data.checks.shutdown import without_shutdowns
from procwm.data.series import Log
from procwm.data.window import Grid, grid
from procwm.errors import LogError, TrainingError
from procwm.learning.dataset.moments import predicted, reachable, sampled, settled_leads
from procwm.learning.dataset.tensors import LogTensors, log_tensors
from procwm.learning.labelled.distillation import distilled
from procwm.learning.labelled.guardrail_records import refuse_weaker, with_lineage
from procwm.learning.labelled.head_margin import readings, strangeness, with_margin
from procwm.learning.labelled.label_regression import labels_everywhere
from procwm.learning.labelled.labels import Labels
from procwm.learning.labelled.quadratic_form import Quadratic, as_network
from procwm.plant.account import account
from procwm.world.conformal import least_count, margin
from procwm.world.heads import GuardHead
from procwm.world.model import WorldModel

GRADED_COVERAGE = (0.95, 0.9)
"""Where labels have a size: the first that so many labels can show, from 9 and 4 on."""
JUDGED_COVERAGE = 0.9
"""Where they are safe or unsafe."""
AVERAGED_ROWS = (1, 4, 16)
"""A label is explained by means of every tag over so many of the last rows."""


def learn_guardrail(
    model: WorldModel,
    log: Log,
    labels: Labels,
    *,
    name: str,
    coverage: float | None = None,
    replace: bool = False,
    weaker: bool = False,
    by: str | None = None,
) -> WorldModel:
    """`model` with a guardrail learned from judged moments of `log`.

    Few labels cannot say how a value hangs on a latent of ten numbers, seen as it will be and not as it
    was. So they are first spread over the log, by regression on what was measured at their moments and on
    the latent (`label_regression`); from that, at thousands of moments, the head is learned, a quadratic
    form of the frozen latent (`distillation`): of the encoded one and of those predicted from several
    intervals before, because a planner holds its predictions to it. The margin is taken from the errors at
    all of these leads when a label is left out of both steps (`head_margin`) or, where labels have no
    size, from those at the worst of them. A label counts for the root of how much of the log it is the
    nearest label of: moments worth judging are not typical ones, and a controller is at the edges more
    than the operators were.

    Args:
        log: holds the labelled moments and a window before them.
        name: of the guardrail.
        coverage: share of new moments whose true value, or whose being unsafe, must not be understated;
            `None` for `default_coverage`.
        replace: whether it may take the place of one of the same name, which stays in the model's lineage.
        weaker: whether it may then keep less than that one on the labels that it was made from.
        by: whoever answers for the labels; whoever is logged in where `None`.

    Raises:
        TrainingError: too few labels, only safe ones where sizes are unknown, or a guardrail of that name
            that may not be replaced.
        LogError: a label stands where the log has no window.
    """
    if not name.strip():
        raise TrainingError("a guardrail needs a name")
    if name in model.guard_names and not replace:
        raise TrainingError(
            f"{name}: the model has a guardrail of this name; say that it is to be replaced, or give "
            "another name"
        )
    coverage = default_coverage(labels) if coverage is None else coverage
    counted = labels.value > 0 if not labels.graded else np.ones_like(labels.value, dtype=np.bool_)
    refuse_too_few(labels, int(counted.sum()), coverage, name)
    head = fitted_head(model, log, labels)
    form, residuals = head.form, head.values[:, None] - head.held_out
    if labels.graded:
        strange = strangeness(head.usual, readings(model, form, head.usual.mean(dim=0)))
        form, wanted = with_margin(form, residuals, strange, head.latents, coverage, head.typical)
    else:
        weights = head.typical[counted].numpy()
        wanted = max(margin(-column.numpy(), coverage, weights) for column in head.held_out[counted].T)
    # Layers draw their first weights when built; the caller's random state is not ours to move.
    with torch.random.fork_rng(devices=[]):
        network = as_network(form, head.latents)
    learned = GuardHead(name=name, network=network, margin=wanted, coverage=coverage).double()
    if name in model.guard_names and not weaker:
        refuse_weaker(model, learned, log)
    return with_lineage(model, learned, labels, account() if by is None else by)


def default_coverage(labels: Labels) -> float:
    """The coverage that is asked for where nobody says: the largest of a few that the labels can show."""
    if not labels.graded:
        return JUDGED_COVERAGE
    shown = (each for each in GRADED_COVERAGE if least_count(2.0 * each - 1.0) <= len(labels))
    return next(shown, GRADED_COVERAGE[-1])


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedHead:
    """A guardrail's value as a form of the latent, no margin included, and what it was fitted to.

    Attributes:
        form: the value.
        held_out: what is said of each label by a fit without it, at every lead.
        values, latents: of the labels.
        typical: weight of each label.
        usual: latents of the log, evenly spread.
    """

    form: Quadratic
    held_out: Float[Tensor, "label lead"]
    values: Float[Tensor, " label"]
    latents: Float[Tensor, "label lead latent"]
    typical: Float[Tensor, " label"]
    usual: Float[Tensor, "moment latent"]


def fitted_head(model: WorldModel, log: Log, labels: Labels, *, limited: bool = True) -> FittedHead:
    """What `learn_guardrail` makes of the labels before it adds a margin.

    Args:
        limited: whether there is a limit at 0, near which errors matter most.

    Raises:
        LogError: a label stands where the log has no window.
    """
    rows = without_shutdowns(grid(log, model.rule), model.plant)
    leads = settled_leads(model)
    moments = _rows_of(labels, rows, leads[-1])
    tensors = log_tensors(rows, model.plant, model.scaler, torch.float64)
    everywhere = torch.unique(torch.cat((sampled(rows, leads[-1]), moments)))
    labelled = torch.searchsorted(everywhere, moments)
    latents = torch.stack([predicted(model, tensors, everywhere, lead) for lead in leads], dim=1)
    values = torch.as_tensor(labels.value)
    usual = latents[:, 0]
    typical = _typical(usual, usual[labelled])
    views = [_standard(_trailing_means(tensors, everywhere)), _standard(usual)]
    scale = values.abs().median() if limited else torch.tensor(torch.inf)
    near = _nearness(values, scale)
    value, without = labels_everywhere(views, labelled, values, typical * near, near)
    form, *others = distilled(latents, torch.cat((value[None], without)).T, _nearness(value, scale))
    held_out = torch.stack([other(seen) for other, seen in zip(others, latents[labelled], strict=True)])
    return FittedHead(
        form=form,
        held_out=held_out,
        values=values,
        latents=latents[labelled],
        typical=typical * near,
        usual=usual,
    )


def _rows_of(labels: Labels, rows: Grid, lead: int) -> Int[Tensor, " label"]:
    """The row in force at each label's time."""
    row = np.searchsorted(rows.time_ns, labels.time_ns, side="right") - 1
    usable = reachable(rows, lead)
    for time_ns, at in zip(labels.time_ns.tolist(), row.tolist(), strict=True):
        late = at >= 0 and time_ns - int(rows.time_ns[at]) >= rows.rule.interval_ns
        if at < 0 or late or not usable[at]:
            needed = (rows.rule.history + lead) * rows.rule.interval_s / 60.0
            raise LogError(
                f"label at {pd.Timestamp(time_ns, tz='UTC').isoformat()}: the log does not hold the "
                f"{needed:g} min without a gap or a shutdown that end there"
            )
    return torch.as_tensor(row)


def refuse_too_few(labels: Labels, counted: int, coverage: float, name: str) -> None:
    """`TrainingError` where `counted` of the labels cannot show `coverage`, or nothing can be learned."""
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


def _nearness(values: Float[Tensor, " moment"], scale: Float[Tensor, ""]) -> Float[Tensor, " moment"]:
    """How much an error matters: 1 at the limit, a half at `scale` from it."""
    return 1.0 / (1.0 + (values / scale).square())


def _trailing_means(log: LogTensors, moments: Int[Tensor, " moment"]) -> Float[Tensor, "moment feature"]:
    """Means of every tag over the last rows of each moment's window."""
    total = torch.cat((torch.zeros_like(log.values[:1]), log.values.cumsum(dim=0)))
    counts = [count for count in AVERAGED_ROWS if count <= log.history]
    return torch.cat([(total[moments + 1] - total[moments + 1 - count]) / count for count in counts], dim=1)


def _standard(features: Float[Tensor, "moment feature"]) -> Float[Tensor, "moment feature"]:
    """Of mean 0 and deviation 1; what never changes stays 0."""
    centered = features - features.mean(dim=0)
    deviation = centered.square().mean(dim=0).sqrt()
    return centered / torch.where(deviation > 1e-9, deviation, 1.0)


def _typical(
    usual: Float[Tensor, "moment latent"], labelled: Float[Tensor, "label latent"]
) -> Float[Tensor, " label"]:
    """Root of how many moments of the log each label is the nearest one of; at least 1."""
    nearest = torch.cdist(usual, labelled).argmin(dim=1)
    return torch.bincount(nearest, minlength=len(labelled)).clamp(min=1).to(labelled.dtype).sqrt()
