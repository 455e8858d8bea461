"""Which unlimited PVs belong to the process: those that its inputs and outputs foretell.

A latent that foresees the outputs alone forgets what it does not need for them, such as a coolant's
temperature, and a guardrail may need just that. A latent that foresees every tag spends itself on
whatever else the historian holds. Between the two stand the PVs that move with the process.
"""

import torch
from jaxtyping import Float, Int
from torch import Tensor

from procwm.training.identification import ridge
from procwm.training.tensors import LogTensors

LEAST_EXPLAINED = 0.4
"""Share of a PV's variance that must be explained in each half of the log by the other half: drifts of
their own explain each other by chance, but seldom twice."""
_RIDGE = 1e-3
_MOST_MOMENTS = 4000


def companions(log: LogTensors, moments: Int[Tensor, " moment"]) -> Int[Tensor, " companion"]:
    """Columns of `log.others` that windows of outputs, MVs and DVs explain.

    Args:
        moments: ascending.
    """
    if not log.others.shape[1]:
        return torch.zeros(0, dtype=torch.long)
    chosen = moments[:: len(moments) // _MOST_MOMENTS + 1]
    half = len(chosen) // 2
    process = torch.cat((log.outputs, log.mv, log.dv), dim=1).double()
    rows = chosen[:, None] + torch.arange(1 - log.history, 1)
    windows, others = process[rows].flatten(1), log.others[chosen].double()
    early, late = slice(0, half), slice(half, len(chosen))
    explained = [
        _explained(windows[fitted], others[fitted], windows[tried], others[tried])
        for fitted, tried in ((early, late), (late, early))
    ]
    return torch.nonzero(torch.stack(explained).amin(dim=0) > LEAST_EXPLAINED).flatten()


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
