"""Whether a guardrail covers what it was asked to, on moments that it was not made from."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from procwm.data.checks.shutdown import without_shutdowns
from procwm.data.series import Log, TagSeries
from procwm.data.window import Grid, grid, held
from procwm.errors import LogError
from procwm.learning.dataset.moments import predicted, reachable, settled_leads
from procwm.learning.dataset.tensors import log_tensors
from procwm.world.model import WorldModel


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


def coverage(model: WorldModel, log: Log, truth: Mapping[str, TagSeries]) -> dict[str, Coverage]:
    """How every guardrail in `truth` does on `log`.

    Args:
        log: one that no label of it came from.
        truth: true values by name of the guardrail, safe where `<= 0`.

    Raises:
        LogError: the log is nowhere long enough, or a name is unknown.
    """
    rows = without_shutdowns(grid(log, model.rule), model.plant)
    leads = settled_leads(model)
    usable = torch.as_tensor(np.flatnonzero(reachable(rows, leads[-1])))
    if not len(usable):
        raise LogError(f"the log has no {model.rule.history + leads[-1]} rows in a row")
    tensors = log_tensors(rows, model.plant, model.scaler, torch.float64)
    guards = {lead: model.guard(predicted(model, tensors, usable, lead)) for lead in leads}
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
    foreseen = {lead: guard[known, column] for lead, guard in guards.items()}
    unsafe = true > 0
    return Coverage(
        moments=len(true),
        share=float((foreseen[0] >= true).double().mean()),
        unsafe=int(unsafe.sum()),
        caught=float((foreseen[0][unsafe] > 0).double().mean()) if bool(unsafe.any()) else None,
        by_lead={lead: float((guard >= true).double().mean()) for lead, guard in foreseen.items()},
    )
