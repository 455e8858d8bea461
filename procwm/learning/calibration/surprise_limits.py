"""When readings count as a surprise: how large prediction errors of every tag are in ordinary operation."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from procwm.data.anchors import anchors
from procwm.data.window import Grid
from procwm.learning.dataset.tensors import log_tensors
from procwm.learning.identification.state_space import ridge
from procwm.plant.tags import names_of
from procwm.world.conformal import return_level
from procwm.world.model import WorldModel
from procwm.world.surprise import Surprise

_LEADS = (1, 5, 20)
_RIDGE = 1e-3
_SHRUNK = 0.1
"""Share by which covariances of errors are drawn to their diagonal: a log holds few independent errors."""
_LEAST_BLOCKS = 10
"""Held-out stretches, each a horizon long, without which nothing is known of what is ordinary."""
_DAY_S = 86_400.0
_CHUNK = 512
_AT_ONCE = 16_384
"""Rows that are judged at once: memory does not grow with what is beyond."""


@dataclass(frozen=True, eq=False)
class _Moments:
    """Moments with what was predicted for them; see `Surprise.errors`."""

    rows: Int[Tensor, " moment"]
    latent: Float[Tensor, "moment lead latent"]
    moved: Float[Tensor, "moment moved"]
    values: Float[Tensor, "moment tag"]


def learned_surprise(
    held_out: WorldModel, training: Grid, validation: Grid, model: WorldModel, whole: Grid
) -> Surprise | None:
    """The surprise of `model`; `None` where too little was held out to know what is ordinary.

    Its limits come from `validation`, which `held_out` has not seen; its probes and covariances from all
    of the log. Errors of unit size make limits the same for both models.

    Args:
        held_out: learned from `training` alone.
        model: learned from `whole`.
    """
    expected = _expected(held_out, training)
    seen = _moments(held_out, validation, expected.leads, expected.tags)
    sizes = expected.sizes(expected.errors(seen.latent, seen.moved, seen.values))
    per_day = _DAY_S / model.rule.interval_s / model.horizon
    if len(sizes) < _LEAST_BLOCKS * model.horizon:
        return None
    # All leads together are to be exceeded once a day; they mostly are at the same time.
    limits = [
        return_level(column.numpy(), model.horizon, per_day * len(expected.leads)) for column in sizes.T
    ]
    found = _expected(model, whole)
    found.limit = torch.as_tensor(limits, dtype=found.limit.dtype)
    return found


@torch.no_grad()
def surprises(model: WorldModel, rows: Grid) -> tuple[Float[np.ndarray, " row"], Int[np.ndarray, " row"]]:
    """The surprise of every row, and which of the model's surprise's tags told most of it.

    1 is what ordinary operation reaches once a day; NaN, and tag -1, where it is unknown.
    """
    ratio, tag = np.full(len(rows), np.nan), np.full(len(rows), -1)
    if model.surprise is None:
        return ratio, tag
    leads, tags = model.surprise.leads, model.surprise.tags
    for first in range(0, len(rows), _AT_ONCE):
        last = first + _AT_ONCE
        # What stands around these rows is looked at once more, for what it tells of them.
        start = max(0, first - model.rule.history - max(leads))
        seen = _moments(model, rows.slice(start, last + max(leads)), leads, tags)
        found = model.surprise(seen.latent, seen.moved, seen.values)
        at = seen.rows.numpy() + start
        new = (at >= first) & (at < last)
        ratio[at[new]], tag[at[new]] = found.ratio.numpy()[new], found.tag.numpy()[new]
    return ratio, tag


def _leads(model: WorldModel) -> tuple[int, ...]:
    """Shorter than the horizon, over which the controller carries latents along."""
    return tuple(sorted({min(lead, max(1, model.horizon - 1)) for lead in _LEADS}))


@torch.no_grad()
def _expected(model: WorldModel, rows: Grid) -> Surprise:
    """Probes and covariances from `rows`, limits left at 1."""
    moved = {*names_of(model.plant.mvs), *names_of(model.plant.dvs)}
    tags = [tag for tag in model.rule.tags if tag not in moved]
    leads = _leads(model)
    seen = _moments(model, rows, leads, tags)
    width = seen.latent.shape[2] + seen.moved.shape[1] + 1
    found = Surprise(tags=tags, leads=leads, inputs=width).to(seen.latent.dtype)
    for lead in range(len(leads)):
        inputs = torch.cat((seen.latent[:, lead], seen.moved), dim=1)
        for tag in range(len(tags)):
            known = torch.isfinite(inputs).all(dim=1) & torch.isfinite(seen.values[:, tag])
            weight, bias = ridge(inputs[known], seen.values[known, tag : tag + 1], _RIDGE)
            found.probe[lead, :, tag] = torch.cat((weight[:, 0], bias))
    for lead, errors in enumerate(found.errors(seen.latent, seen.moved, seen.values).unbind(dim=1)):
        found.whiten[lead] = _whitening(errors)
    return found


def _whitening(errors: Float[Tensor, "moment tag"]) -> Float[Tensor, "tag tag"]:
    """The symmetric inverse root of the errors' second moments, over what is known of each pair."""
    known = torch.isfinite(errors).to(errors.dtype)
    errors = errors.nan_to_num(0.0)
    second = (errors.T @ errors) / (known.T @ known).clamp(min=1.0)
    second = second * (1.0 - _SHRUNK) + _SHRUNK * torch.diag(second.diagonal())
    values, vectors = torch.linalg.eigh(second)
    # An instrument that nothing ever moved has no errors to be measured by.
    root: Tensor = (vectors / values.clamp(min=1e-8).sqrt()) @ vectors.T
    return root


@torch.no_grad()
def _moments(model: WorldModel, rows: Grid, leads: Sequence[int], tags: Sequence[str]) -> _Moments:
    """Every row that something was predicted for: latents by lead, NaN where that lead has none."""
    tensors = log_tensors(rows, model.plant, model.scaler, model.readout.weight.dtype)
    furthest = max(leads)
    start = torch.as_tensor(anchors(rows, model.plant, history=model.rule.history, horizon=furthest))
    latent = torch.full((len(rows), len(leads), model.readout.in_features), torch.nan, dtype=torch.float64)
    for moments in torch.split(start, _CHUNK):
        future = tensors.future(moments, furthest)
        imagined = model.imagine(model.encode(tensors.windows(moments)), future.mv, future.dv)
        for column, lead in enumerate(leads):
            latent[moments + lead, column] = imagined[:, lead - 1].double()
    found = torch.nonzero(torch.isfinite(latent).all(dim=2).any(dim=1)).squeeze(1)
    columns = rows.columns(tags)
    values = torch.where(
        torch.as_tensor(rows.measured[:, columns]), tensors.values[:, columns].double(), torch.nan
    )
    moved = torch.cat((tensors.mv, tensors.dv), dim=1).double()
    return _Moments(found, latent[found], moved[found], values[found])
