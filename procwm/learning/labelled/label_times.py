"""Which moments of a log are worth judging."""

import numpy as np
import torch
from jaxtyping import Float, Int64
from scipy.cluster.vq import kmeans2
from torch import Tensor

from procwm.data.checks.shutdown import without_shutdowns
from procwm.data.series import Log
from procwm.data.window import grid
from procwm.errors import LogError
from procwm.learning.dataset.moments import predicted, reachable, settled_leads
from procwm.learning.dataset.tensors import log_tensors
from procwm.learning.labelled.guardrail import fitted_head
from procwm.learning.labelled.labels import Labels
from procwm.world.model import WorldModel

_SETTLED_LEAD = 5
_NEAR = 0.1
"""Share of the log's moments that count as near the limit."""


def suggest_label_times(
    model: WorldModel, log: Log, count: int, *, judged: Labels | None = None
) -> Int64[np.ndarray, " label"]:
    """The `count` moments of `log` that are most worth judging, UTC nanoseconds, oldest first.

    Where nothing is judged yet, half of them are where the plant seldom was: each the one least like those
    chosen already (Gonzalez 1985, Clustering to minimize the maximum intercluster distance, Theoretical
    Computer Science 38, 293-306). The others are where it mostly was, nearest to the centres of k-means,
    since a margin is to hold there too. Where some moments are judged, the next ones are among the tenth
    of the log for which these labels put the plant nearest to the limit, again each the one least like
    those before it: an error matters where the limit is (uncertainty sampling: Lewis and Gale, A sequential
    algorithm for training text classifiers, SIGIR 1994). Latents predicted from a few intervals before are
    used: measurement noise, which no one needs to judge, is not in them.

    Args:
        judged: labels of the same guardrail from moments of `log`; none of them is suggested again.

    Raises:
        LogError: the log has fewer usable moments, or a label stands where it has no window.
    """
    rows = without_shutdowns(grid(log, model.rule), model.plant)
    lead = settled_leads(model)[-1]
    usable = torch.as_tensor(np.flatnonzero(reachable(rows, lead)))
    known = 0 if judged is None else len(judged)
    if not 1 <= count <= len(usable) - known:
        raise LogError(
            f"{count} moments to judge were asked for; the log has {max(0, len(usable) - known)} usable ones"
        )
    tensors = log_tensors(rows, model.plant, model.scaler, torch.float64)
    latent = predicted(model, tensors, usable, min(_SETTLED_LEAD, lead))
    if judged is None:
        chosen = _seldom_and_mostly(latent, count)
    else:
        at = np.searchsorted(rows.time_ns, judged.time_ns, side="right") - 1
        taken = np.searchsorted(usable.numpy(), at)
        nearness = fitted_head(model, log, judged).form(latent).abs()
        nearness[taken] = torch.inf
        near = torch.argsort(nearness)[: max(count, round(_NEAR * (len(usable) - known)))]
        chosen = near[_unlike(latent[near], latent[taken], count)].tolist()
    times: Int64[np.ndarray, " label"] = np.sort(rows.time_ns[usable[chosen].numpy()])
    return times


def _seldom_and_mostly(latent: Float[Tensor, "moment latent"], count: int) -> list[int]:
    center = latent.mean(dim=0, keepdim=True)
    chosen = _unlike(latent, center, 1)
    chosen += _unlike(latent, latent[chosen], (count + 1) // 2 - 1)
    centers, _ = kmeans2(latent.numpy(), max(1, count // 2), minit="++", rng=0)
    distance = torch.cdist(torch.as_tensor(centers), latent)
    for row in distance[: count - len(chosen)]:
        row[chosen] = torch.inf
        chosen.append(int(row.argmin()))
    return chosen


def _unlike(
    latent: Float[Tensor, "moment latent"], known: Float[Tensor, "known latent"], count: int
) -> list[int]:
    """`count` rows of `latent`, each the one farthest from `known` and those before it."""
    distance = torch.cdist(latent, known).amin(dim=1)
    chosen: list[int] = []
    for _ in range(count):
        chosen.append(int(distance.argmax()))
        distance = torch.minimum(distance, (latent - latent[chosen[-1]]).norm(dim=1))
    return chosen
