"""The stretches of a long log that a model is learned from: most hours of a year teach nothing."""

import numpy as np
from jaxtyping import Bool, Float, Int64

from procwm.data.series import iso_utc
from procwm.data.window import Grid
from procwm.plant.tags import PlantSpec

_BLOCK = 480
"""Rows that are taken or left together: a few horizons, so that most moments keep what is around them."""
_MOVING_SHARE = 0.75
"""Of what is taken: the rest is spread over all of the log, and shows it as it ordinarily is."""
_BEFORE, _AFTER = 0.25, 0.5
"""What moves count for the block before theirs, which leads to them, and after, which answers."""
_STILL = 1e-3
"""Of the span: what changes by less in an interval does not move."""
_NAMED = 3


def telling(rows: Grid, plant: PlantSpec, most: int) -> Bool[np.ndarray, " row"]:
    """Rows to learn from: all of them, or about `most` of a longer log.

    Blocks in which MVs move most are taken, each MV's moves counting as a share of all that it makes, so
    that one which seldom moves is seen as well; and others at even distances.
    """
    if len(rows) <= most:
        return np.ones(len(rows), dtype=np.bool_)
    block = np.arange(len(rows)) // _BLOCK
    moved = _moved(rows, plant, block)
    count = max(most // _BLOCK, 2)
    busiest = np.argsort(-moved, kind="stable")[: round(_MOVING_SHARE * count)]
    taken = np.zeros(len(moved), dtype=np.bool_)
    taken[busiest[moved[busiest] > 0.0]] = True
    others = np.flatnonzero(~taken)
    spread = np.linspace(0, len(others) - 1, min(count - int(taken.sum()), len(others)))
    taken[others[spread.round().astype(np.int64)]] = True
    kept: Bool[np.ndarray, " row"] = taken[block]
    return kept


def telling_sentence(rows: Grid, kept: Bool[np.ndarray, " row"]) -> str:
    """How much of `rows` is `kept`, and when that was."""
    edges = np.flatnonzero(np.diff(kept, prepend=False, append=False)).tolist()
    stretches = sorted(zip(edges[::2], edges[1::2], strict=True), key=lambda ends: ends[0] - ends[1])
    named = sorted(stretches[:_NAMED])
    spans = ", ".join(
        f"{iso_utc(int(rows.time_ns[first]))} to {iso_utc(int(rows.time_ns[last - 1]))}"
        for first, last in named
    )
    longest = "the longest are " if len(stretches) > _NAMED else ""
    return (
        f"learned from {kept.sum()} of {len(kept)} rows ({kept.mean():.0%}), {len(stretches)} stretches in "
        f"which MVs move most or that show the plant between: {longest}{spans}"
    )


def _moved(rows: Grid, plant: PlantSpec, block: Int64[np.ndarray, " row"]) -> Float[np.ndarray, " block"]:
    """How much of all that the MVs move falls into each block, or beside it."""
    count = int(block[-1]) + 1
    moved = np.zeros(count)
    for tag in plant.mvs:
        change = np.abs(np.diff(rows.column(tag.name), prepend=np.nan))
        change = np.where(change > _STILL * tag.span, change, 0.0)
        moved += np.bincount(block, change, minlength=count) / max(float(change.sum()), 1e-12)
    found: Float[np.ndarray, " block"] = np.convolve(moved, (_BEFORE, 1.0, _AFTER))[1:-1]
    return found
