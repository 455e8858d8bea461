"""Which unlimited PVs a model should look at, and which of them it should keep in its latent.

A latent that foresees the outputs alone forgets what it does not need for them, such as a coolant's
temperature, and a guardrail may need just that. A latent that foresees every tag spends itself on
whatever else the historian holds. Between the two stand the PVs that move with the process: its
companions. Others may be no part of it and yet tell of what comes to it, such as an analyser of the feed.
The rest only disturbs: each tag adds a window's length of regressors to those of a linear start.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from procwm.learning.dataset.tensors import LogTensors, scattered
from procwm.learning.identification.state_space import ridge

LEAST_EXPLAINED = 0.4
"""Share of a PV's variance that must be explained in each half of the log by the other half: drifts of
their own explain each other by chance, but seldom twice."""
MOST_FOLLOWED = 0.97
"""Share of it that MVs and DVs alone may explain: a flow that only follows its setpoint tells nothing of the
state."""
LEAST_TOLD = 0.1
"""Share of what windows and future inputs leave of an output that a PV must tell in each half."""
_RIDGE = 1e-3
_MOST_MOMENTS = 4000
_AVERAGED_ROWS = (1, 4, 16)
"""What a PV tells is looked for in its means over so many of the last rows."""


def companions(log: LogTensors, moments: Int[Tensor, " moment"]) -> Int[Tensor, " companion"]:
    """Columns of `log.others` that windows of outputs, MVs and DVs explain, and MVs and DVs alone do not.

    Args:
        moments: ascending.
    """
    if not log.others.shape[1]:
        return torch.zeros(0, dtype=torch.long)
    chosen = scattered(moments, _MOST_MOMENTS)
    others = log.others[chosen].double()
    by_process, by_inputs = (
        _in_both_halves(_windows(log, chosen, parts), others)
        for parts in ((log.outputs, log.mv, log.dv), (log.mv, log.dv))
    )
    return torch.nonzero((by_process > LEAST_EXPLAINED) & (by_inputs < MOST_FOLLOWED)).flatten()


def informative(log: LogTensors, moments: Int[Tensor, " moment"], horizon: int) -> Int[Tensor, " column"]:
    """Columns of `log.others` that tell of outputs to come what outputs, MVs and DVs do not.

    Args:
        moments: ascending.
        horizon: rows ahead to which outputs are looked at.
    """
    if not log.others.shape[1]:
        return torch.zeros(0, dtype=torch.long)
    chosen = scattered(moments, _MOST_MOMENTS)
    windows = _windows(log, chosen, (log.outputs, log.mv, log.dv))
    future = log.future(chosen, horizon)
    known = torch.cat((windows, future.mv.flatten(1).double(), future.dv.flatten(1).double()), dim=1)
    leads = sorted({0, horizon // 4, horizon - 1})
    outputs = future.outputs[:, leads].flatten(1).double()
    left = torch.empty_like(outputs)
    for fitted, tried in _halves(len(chosen)):
        weights, offset = ridge(known[fitted], outputs[fitted], _RIDGE)
        left[tried] = outputs[tried] - (known[tried] @ weights + offset)
    rows = chosen[:, None] + torch.arange(1 - log.history, 1)
    telling = []
    for column in range(log.others.shape[1]):
        recent = log.others[:, column][rows].double()
        means = torch.stack([recent[:, -count:].mean(dim=1) for count in _AVERAGED_ROWS], dim=1)
        if float(_in_both_halves(means, left).max()) > LEAST_TOLD:
            telling.append(column)
    return torch.tensor(telling, dtype=torch.long)


def _windows(
    log: LogTensors, moments: Int[Tensor, " moment"], parts: Sequence[Tensor]
) -> Float[Tensor, "moment feature"]:
    """Windows of the columns of `parts` that end at `moments`."""
    return (
        torch.cat(tuple(parts), dim=1)
        .double()[moments[:, None] + torch.arange(1 - log.history, 1)]
        .flatten(1)
    )


def _in_both_halves(
    inputs: Float[Tensor, "row feature"], values: Float[Tensor, "row column"]
) -> Float[Tensor, " column"]:
    """Share of the variance of `values` that each half of the rows explains of the other, the lesser one."""
    shares = [
        _explained(inputs[fitted], values[fitted], inputs[tried], values[tried])
        for fitted, tried in _halves(len(values))
    ]
    return torch.stack(shares).amin(dim=0)


def _halves(count: int) -> tuple[tuple[slice, slice], tuple[slice, slice]]:
    early, late = slice(0, count // 2), slice(count // 2, count)
    return (early, late), (late, early)


def _explained(
    windows: Float[Tensor, "fitted feature"],
    values: Float[Tensor, "fitted column"],
    new_windows: Float[Tensor, "tried feature"],
    new_values: Float[Tensor, "tried column"],
) -> Float[Tensor, " column"]:
    """Share of the variance of new values, about their own mean, that a ridge regression explains."""
    weights, offset = ridge(windows, values, _RIDGE)
    errors = new_values - (new_windows @ weights + offset)
    spread = new_values.var(dim=0, correction=0).clamp(min=1e-12)
    return 1.0 - errors.square().mean(dim=0) / spread
