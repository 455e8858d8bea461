"""(history, future) pairs of a log: each about one moment, none across a gap."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int64

from procwm.data.window import Grid
from procwm.plant.tags import PlantSpec, names_of

SHORTEST_HISTORY, SHORTEST_HORIZON = 8, 20
"""Rows before and after a moment, the moment itself among the former, that a model needs at the least."""
LEAST_MOMENTS = 64
"""Fewer moments than this teach nothing that would hold on another day."""
HELD_OUT = 0.2
"""Of a log, at its end: what a model is judged on before its final weights come from all of it."""


@dataclass(frozen=True, eq=False)
class Pairs:
    """A batch of pairs, engineering units, NaN where not valid.

    Row -1 of the history is the moment itself; row 0 of the future is the end of the first interval after it,
    and its MVs are those in force during that interval.
    """

    history: Float64[np.ndarray, "batch history tag"]
    history_valid: Bool[np.ndarray, "batch history tag"]
    future: Float64[np.ndarray, "batch horizon tag"]
    future_valid: Bool[np.ndarray, "batch horizon tag"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Dataset:
    """Every usable moment of a log.

    Attributes:
        grid: the log on the control grid; the history's length is its rule's.
        horizon: count of rows in a future.
        anchors: rows of the moments, ascending.
    """

    grid: Grid
    horizon: int
    anchors: Int64[np.ndarray, " anchor"]

    def __len__(self) -> int:
        return len(self.anchors)

    def batch(self, index: Int64[np.ndarray, " batch"] | slice) -> Pairs:
        """The pairs of the moments `anchors[index]`."""
        history = self.grid.rule.history
        rows = self.anchors[index][:, None] + np.arange(1 - history, self.horizon + 1)
        values, valid = self.grid.values[rows], self.grid.valid[rows]
        return Pairs(values[:, :history], valid[:, :history], values[:, history:], valid[:, history:])


def dataset(grid: Grid, plant: PlantSpec, *, horizon: int, least_valid: float = 0.5) -> Dataset:
    """The moments of `grid` that a model of `plant` can learn from.

    Around such a moment the history and the future are free of gaps, every MV is known throughout, and at
    least the share `least_valid` of the future's outputs is valid.
    """
    found = anchors(grid, plant, history=grid.rule.history, horizon=horizon, least_valid=least_valid)
    return Dataset(grid=grid, horizon=horizon, anchors=found)


def anchors(
    grid: Grid, plant: PlantSpec, *, history: int, horizon: int, least_valid: float = 0.5
) -> Int64[np.ndarray, " anchor"]:
    """Rows of `grid` that `dataset` takes, for any length of history."""
    rows = np.arange(history - 1, len(grid) - horizon, dtype=np.int64)
    if not len(rows):
        return np.zeros(0, dtype=np.int64)
    first, last = rows + 1 - history, rows + horizon
    unbroken = grid.time_ns[last] - grid.time_ns[first] == (history + horizon - 1) * grid.rule.interval_ns
    mvs_valid = grid.valid[:, grid.columns(names_of(plant.mvs))].sum(axis=1)
    outputs_valid = grid.valid[:, grid.columns(names_of(plant.outputs))].sum(axis=1)
    known = _sums(mvs_valid, first, last) == (history + horizon) * len(plant.mvs)
    measured = _sums(outputs_valid, rows + 1, last) >= least_valid * horizon * len(plant.outputs)
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
