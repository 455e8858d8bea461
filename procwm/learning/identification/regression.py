"""Outputs ahead by ridge regression on the window and on the inputs to come, all relative to the present.

What a log does not show shrinks to persistence under inputs that stay, as with ARIX models (Box and
Jenkins, Time series analysis, 1970), not to the mean of the log: a slow and quiet tag, whose changes are
small beside its spread, would otherwise lose to persistence one interval ahead.
"""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from procwm.learning.dataset.tensors import LogTensors

LEADS = 20
"""Steps ahead that are regressed, at most, evenly spread over the horizon."""
CHUNK = 2048
"""Moments whose windows are held at once."""
PASSIVE_WEIGHT = 0.1
"""Of a log in which MVs hardly move, however long it is, beside one in which they do: it shows how the plant
moves by itself, about one operating point, and nothing of what MVs do."""
_LEAST_SCALE = 0.01
"""A regressor that hardly ever differs, as the flag of a missing value, must not be blown up."""
_LEAST_ERROR = 1e-3
"""Of the largest spread of a change: an error below this is as good as none."""


@dataclass(frozen=True, eq=False)
class Sums:
    """Moments of relative regressors and targets, from which regressions of any weight follow.

    A target is the change of one output or companion from the present to one lead; of a cyclic output, its
    value there.

    Attributes:
        importance: of each target's error.
    """

    mean: Float[Tensor, " regressor"]
    target_mean: Float[Tensor, " target"]
    covariance: Float[Tensor, "regressor regressor"]
    cross: Float[Tensor, "regressor target"]
    target_variance: Float[Tensor, " target"]
    importance: Float[Tensor, " target"]


@dataclass(frozen=True, eq=False)
class Regression:
    """What relative regressors say about the changes to come.

    Attributes:
        coefficients: `change = regressors @ coefficients`, apart from an offset.
        error: standard deviation of what is left of each target, scaled, over its importance.
    """

    coefficients: Float[Tensor, "regressor target"]
    error: Float[Tensor, " target"]


def sums(
    log: LogTensors,
    moments: Int[Tensor, " moment"],
    horizon: int,
    companions: Int[Tensor, " companion"],
) -> Sums:
    """The sums over `moments` for leads within `horizon` rows.

    Args:
        companions: columns of the log's other PVs that are foreseen beside the outputs.
    """
    return sums_of_each(log, (moments,), horizon, companions)[0]


def sums_of_each(
    log: LogTensors,
    sets: Sequence[Tensor],
    horizon: int,
    companions: Int[Tensor, " companion"],
) -> list[Sums]:
    """The same for several sets of moments; what they share is gone through once."""
    moments = torch.unique(torch.cat(tuple(sets)))
    held_by = torch.stack([torch.isin(moments, own) for own in sets])
    owners, piece = torch.unique(held_by, dim=1, return_inverse=True)
    totals: list[_Totals | None] = [None] * len(sets)
    for number, owned in enumerate(owners.T.tolist()):
        found = _totals(log, moments[piece == number], horizon, companions)
        totals = [
            before if not own else found if before is None else before.with_(found)
            for before, own in zip(totals, owned, strict=True)
        ]
    importance = target_importance(log.outputs.shape[1], len(companions)).sqrt().repeat(min(horizon, LEADS))
    return [each.sums(importance) for each in totals if each is not None]


@dataclass(frozen=True, eq=False)
class _Totals:
    """What `Sums` are made of, which adds up over moments."""

    count: int
    total: Float[Tensor, " regressor"]
    target_total: Float[Tensor, " target"]
    square: Float[Tensor, "regressor regressor"]
    cross: Float[Tensor, "regressor target"]
    target_square: Float[Tensor, " target"]

    def with_(self, other: "_Totals") -> "_Totals":
        return _Totals(*(getattr(self, part.name) + getattr(other, part.name) for part in fields(self)))

    def sums(self, importance: Float[Tensor, " target"]) -> Sums:
        mean, target_mean = self.total / self.count, self.target_total / self.count
        return Sums(
            mean=mean,
            target_mean=target_mean,
            covariance=self.square / self.count - torch.outer(mean, mean),
            cross=self.cross / self.count - torch.outer(mean, target_mean),
            target_variance=(self.target_square / self.count - target_mean.square()).clamp(min=0.0),
            importance=importance,
        )


def _totals(
    log: LogTensors,
    moments: Int[Tensor, " moment"],
    horizon: int,
    companions: Int[Tensor, " companion"],
) -> _Totals:
    first, change = _relative(log, moments[:1], horizon, companions)
    total = torch.zeros(first.shape[1], dtype=torch.float64)
    target_total = torch.zeros(change.shape[1], dtype=torch.float64)
    square = torch.zeros((len(total), len(total)), dtype=torch.float64)
    cross = torch.zeros((len(total), len(target_total)), dtype=torch.float64)
    target_square = torch.zeros_like(target_total)
    for part in torch.split(moments, CHUNK):
        regressors, targets = _relative(log, part, horizon, companions)
        total += regressors.sum(dim=0)
        target_total += targets.sum(dim=0)
        square.addmm_(regressors.T, regressors)
        cross.addmm_(regressors.T, targets)
        target_square += targets.square().sum(dim=0)
    return _Totals(len(moments), total, target_total, square, cross, target_square)


def pooled(one: Float[Tensor, "*shape"], passive: Float[Tensor, "*shape"]) -> Float[Tensor, "*shape"]:
    """Covariances of a log and of a passive one, which weighs `PASSIVE_WEIGHT` of it."""
    return (one + PASSIVE_WEIGHT * passive) / (1.0 + PASSIVE_WEIGHT)


def with_passive(found: Sums, passive: Sums | None) -> Sums:
    """`found`, made surer by a log in which MVs hardly move; each is taken about its own mean."""
    if passive is None:
        return found
    return replace(
        found,
        covariance=pooled(found.covariance, passive.covariance),
        cross=pooled(found.cross, passive.cross),
        target_variance=pooled(found.target_variance, passive.target_variance),
    )


def regress(found: Sums, weight: float) -> Regression:
    """Ridge regression; `weight` is relative to the variance of each regressor."""
    scale = found.covariance.diagonal().clamp(min=0.0).sqrt().clamp(min=_LEAST_SCALE)
    correlation = found.covariance / torch.outer(scale, scale)
    correlation.diagonal().add_(weight)
    solution = torch.linalg.solve(correlation, found.cross / scale[:, None]) / scale[:, None]
    explained = 2.0 * solution * found.cross - solution * (found.covariance @ solution)
    left = (found.target_variance - explained.sum(dim=0)).clamp(min=0.0).sqrt()
    least = _LEAST_ERROR * float(found.target_variance.max().sqrt().clamp(min=1e-9))
    return Regression(solution, left.clamp(min=least) / found.importance)


def free_weights(found: Regression, log: LogTensors) -> Float[Tensor, "feature target"]:
    """What windows alone say of the changes to come: weights of `window_features`, not relative."""
    tags = log.values.shape[1]
    size = log.history * tags
    coefficients, targets = found.coefficients, found.coefficients.shape[1]
    rows = coefficients[:size].clone().reshape(log.history, tags, targets)
    rows[-1] -= rows[:-1].sum(dim=0)
    first = size if log.complete else 2 * size
    missing = torch.zeros_like(coefficients[:size]) if log.complete else coefficients[size:first]
    horizon = (len(coefficients) - first) // (len(log.mv_columns) + len(log.dv_columns))
    for columns in (log.mv_columns, log.dv_columns):
        last = first + horizon * len(columns)
        rows[-1, columns] -= coefficients[first:last].reshape(horizon, len(columns), targets).sum(dim=0)
        first = last
    return torch.cat((rows.flatten(0, 1), missing))


def target_importance(outputs: int, companions: int) -> Float[Tensor, " column"]:
    """Weights of squared errors: together companions weigh as much as outputs, none more than one."""
    share = min(1.0, outputs / max(1, companions))
    return torch.tensor([1.0] * outputs + [share] * companions, dtype=torch.float64)


def _relative(
    log: LogTensors,
    moments: Int[Tensor, " moment"],
    horizon: int,
    companions: Int[Tensor, " companion"],
) -> tuple[Float[Tensor, "moment regressor"], Float[Tensor, "moment target"]]:
    """Regressors and targets: rows of the window, flags where anything is missing, MVs, DVs; changes."""
    window = log.windows(moments)
    values = window.values.double()
    past = torch.cat((values[:, :-1] - values[:, -1:], values[:, -1:]), dim=1).flatten(1)
    missing = [] if log.complete else [1.0 - window.valid.double().flatten(1)]
    future = log.future(moments, horizon)
    inputs = [
        (to_come - present[moments][:, None]).double().flatten(1)
        for to_come, present in ((future.mv, log.mv), (future.dv, log.dv))
    ]
    foreseen = torch.cat((log.outputs, log.others[:, companions]), dim=1)
    leads = torch.linspace(1, horizon, min(horizon, LEADS)).long()
    # The present value of a cyclic output is an old one: what is foreseen of it is no change.
    held = torch.cat((log.values[:, log.output_columns], log.values[:, log.other_columns[companions]]), dim=1)
    since = torch.cat((~log.cyclic, torch.ones(len(companions), dtype=torch.bool)))
    changes = foreseen[moments[:, None] + leads] - (held * since)[moments][:, None]
    return torch.cat((past, *missing, *inputs), dim=1), changes.double().flatten(1)
