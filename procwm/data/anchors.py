"""Moments of a log that a model can learn from: a history and a future around each, and no gap in them."""

import numpy as np
from jaxtyping import Int64

from procwm.data.window import Grid
from procwm.plant.tags import PlantSpec, names_of

SHORTEST_HISTORY, SHORTEST_HORIZON, LONGEST_HORIZON = 8, 20, 60
"""Rows before and after a moment, the moment itself among the former, that a model needs at the least, and
the most rows after it that one is learned over."""
LEAST_MOMENTS = 64
"""Fewer moments than this teach nothing that would hold on another day."""
_LEAST_VALID = 0.5
"""Share of a future's outputs."""
HELD_OUT = 0.2
"""Of a log, at its end: what a model is judged on before its final weights come from all of it."""


def anchors(grid: Grid, plant: PlantSpec, *, history: int, horizon: int) -> Int64[np.ndarray, " anchor"]:
    """Rows of `grid` that a model of `plant` can learn from, ascending.

    Around such a moment the history, itself its last row, and the future are free of gaps, every MV is known
    throughout, and at least half of the future's outputs is valid.

    Args:
        history: rows of a window.
        horizon: rows after the moment.
    """
    rows = np.arange(history - 1, len(grid) - horizon, dtype=np.int64)
    if not len(rows):
        return np.zeros(0, dtype=np.int64)
    first, last = rows + 1 - history, rows + horizon
    unbroken = grid.time_ns[last] - grid.time_ns[first] == (history + horizon - 1) * grid.rule.interval_ns
    mvs_valid = grid.valid[:, grid.columns(names_of(plant.mvs))].sum(axis=1)
    outputs_valid = grid.valid[:, grid.columns(names_of(plant.outputs))].sum(axis=1)
    known = _sums(mvs_valid, first, last) == (history + horizon) * len(plant.mvs)
    measured = _sums(outputs_valid, rows + 1, last) >= _LEAST_VALID * horizon * len(plant.outputs)
    usable: Int64[np.ndarray, " anchor"] = rows[unbroken & known & measured]
    return usable


def _sums(
    count: Int64[np.ndarray, " row"],
    first: Int64[np.ndarray, " anchor"],
    last: Int64[np.ndarray, " anchor"],
) -> Int64[np.ndarray, " anchor"]:
    """Sum of `count` over the rows `first` to `last`, both included."""
    total = np.append(0, np.cumsum(count, dtype=np.int64))
    sums: Int64[np.ndarray, " anchor"] = total[last + 1] - total[first]
    return sums


def enough(
    grid: Grid, plant: PlantSpec, *, history: int = SHORTEST_HISTORY, horizon: int = SHORTEST_HORIZON
) -> bool:
    """Whether `grid` holds moments enough to learn from when its end is held out."""
    seen = grid.slice(0, int((1.0 - HELD_OUT) * len(grid)))
    return len(anchors(seen, plant, history=history, horizon=horizon)) >= LEAST_MOMENTS
