"""A log on the control grid as scaled tensors, gathered by moment."""

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from procwm.data.window import Grid
from procwm.plant.tags import PlantSpec, Tag, names_of
from procwm.world.model import fill_forward
from procwm.world.protocols import ModelInput
from procwm.world.scaler import Scaler

MOST_CHECKED = 512
"""Moments on which weights are scored and scales are taken."""


@dataclass(frozen=True, eq=False)
class Future:
    """What followed a batch of moments; row 0 is the end of the first interval."""

    mv: Float[Tensor, "batch step mv"]
    dv: Float[Tensor, "batch step dv"]
    outputs: Float[Tensor, "batch step output"]
    outputs_valid: Float[Tensor, "batch step output"]
    others: Float[Tensor, "batch step pv"]
    others_valid: Float[Tensor, "batch step pv"]

    def repeated(self, times: int) -> "Future":
        """The whole batch so often, one after the other."""
        parts = (getattr(self, field.name) for field in fields(self))
        return Future(*(part.repeat(times, 1, 1) for part in parts))


@dataclass(frozen=True, eq=False)
class LogTensors:
    """Scaled rows of a log. Missing values are filled by the last valid one before them.

    Attributes:
        history: rows of a window.
        values, valid: every tag of the model.
        mv, dv: columns of them.
        outputs, outputs_valid: between two measurements of a cyclic output on a straight line; where it
            was measured.
        others, others_valid: the same of the PVs that are no outputs.
        mv_columns, dv_columns, output_columns, other_columns: which columns of `values` they are.
        cyclic: whether each output is, so that its present value is none.
        complete: whether no value of any tag is missing, so that there is nothing to flag.
    """

    history: int
    values: Float[Tensor, "row tag"]
    valid: Float[Tensor, "row tag"]
    mv: Float[Tensor, "row mv"]
    dv: Float[Tensor, "row dv"]
    outputs: Float[Tensor, "row output"]
    outputs_valid: Float[Tensor, "row output"]
    others: Float[Tensor, "row pv"]
    others_valid: Float[Tensor, "row pv"]
    mv_columns: Int[Tensor, " mv"]
    dv_columns: Int[Tensor, " dv"]
    output_columns: Int[Tensor, " output"]
    other_columns: Int[Tensor, " pv"]
    cyclic: Bool[Tensor, " output"]
    complete: bool

    def windows(self, moments: Int[Tensor, " batch"]) -> ModelInput:
        """The windows that end at `moments` (row numbers)."""
        first = moments + 1 - self.history
        return ModelInput(*(_runs(rows, first, self.history) for rows in (self.values, self.valid)))

    def future(self, moments: Int[Tensor, " batch"], horizon: int) -> Future:
        """What followed `moments` (row numbers) for `horizon` rows."""
        parts = (self.mv, self.dv, self.outputs, self.outputs_valid, self.others, self.others_valid)
        return Future(*(_runs(rows, moments + 1, horizon) for rows in parts))


def log_tensors(
    grid: Grid, plant: PlantSpec, scaler: Scaler, dtype: torch.dtype = torch.float32
) -> LogTensors:
    """`grid` as tensors. Filling starts anew after every jump in time."""
    scaled = scaler.scale(grid.values, grid.rule.tags)
    filled = np.zeros_like(scaled)
    for stretch in grid.stretches:
        filled[stretch] = fill_forward(scaled[stretch], grid.valid[stretch])
    values = torch.as_tensor(filled, dtype=dtype)
    valid = torch.as_tensor(grid.valid, dtype=dtype)
    foreseen = torch.as_tensor(_between(grid, filled), dtype=dtype)
    measured = torch.as_tensor(grid.measured, dtype=dtype)
    others = others_of(plant, grid.rule.tags)
    mv, dv, outputs, rest = (
        torch.as_tensor(grid.columns(names_of(tags)), dtype=torch.long)
        for tags in (plant.mvs, plant.dvs, plant.outputs, others)
    )
    return LogTensors(
        history=grid.rule.history,
        values=values,
        valid=valid,
        mv=values[:, mv],
        dv=values[:, dv],
        outputs=foreseen[:, outputs],
        outputs_valid=measured[:, outputs],
        others=foreseen[:, rest],
        others_valid=measured[:, rest],
        mv_columns=mv,
        dv_columns=dv,
        output_columns=outputs,
        other_columns=rest,
        cyclic=torch.tensor([tag.name in grid.rule.cyclic for tag in plant.outputs]),
        complete=bool(grid.valid.all()),
    )


def others_of(plant: PlantSpec, tags: Sequence[str]) -> tuple[Tag, ...]:
    """Those of `tags` that are PVs and no outputs."""
    known = {tag.name for tag in (*plant.mvs, *plant.dvs, *plant.outputs)}
    return tuple(plant.tag(name) for name in tags if name not in known)


def scattered(moments: Int[Tensor, " moment"], count: int) -> Int[Tensor, " chosen"]:
    """At most `count` of `moments`, in order: one of each of so many equal parts, drawn at random.

    At even distances they might keep step with a cycle in the log: every second moment, say, is never
    followed at an even lead by the answer of an analyser that comes every fourth row.
    """
    if len(moments) <= count:
        return moments
    ends = torch.arange(count + 1) * len(moments) // count
    drawn = torch.rand(count, generator=torch.Generator().manual_seed(0))
    return moments[ends[:-1] + (drawn * ends.diff()).long()]


def _runs(
    rows: Float[Tensor, "row column"], first: Int[Tensor, " batch"], count: int
) -> Float[Tensor, "batch run column"]:
    """`count` rows from each of `first` on: runs are copied whole, not gathered row by row."""
    down, right = rows.stride()
    starts = max(0, len(rows) - count + 1)
    every = rows.as_strided((starts, count, rows.shape[1]), (down, down, right))
    return every[first]


def _between(grid: Grid, filled: Float[np.ndarray, "row tag"]) -> Float[np.ndarray, "row tag"]:
    """What is to be foreseen: a staircase of held values would teach that nothing moves."""
    known = filled.copy()
    for column in grid.columns(grid.rule.cyclic):
        for stretch in grid.stretches:
            at = np.flatnonzero(grid.measured[stretch, column])
            if len(at):
                rows = np.arange(stretch.stop - stretch.start)
                known[stretch, column] = np.interp(rows, at, filled[stretch, column][at])
    return known
