"""A part of a log as tensors, with the moments in it that can be learned from or scored."""

import math
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from jaxtyping import Int
from torch import Tensor

from procwm.data.anchors import LEAST_MOMENTS, anchors
from procwm.data.window import Grid
from procwm.errors import TrainingError
from procwm.learning.dataset.tensors import LogTensors, log_tensors, scattered
from procwm.plant.tags import PlantSpec
from procwm.world.scaler import Scaler

MOST_REGRESSED = 30_000
"""Moments that a linear model is identified from, at most, scattered over all of a longer log."""
_MOST_PASSIVE = 4000


@dataclass(frozen=True, eq=False)
class Part:
    """A part of the log: rows, tensors and usable moments."""

    grid: Grid
    tensors: LogTensors
    moments: Int[Tensor, " moment"]

    @cached_property
    def regressed(self) -> Int[Tensor, " moment"]:
        """Those moments, or `MOST_REGRESSED` of them, that a linear model is identified from."""
        return scattered(self.moments, MOST_REGRESSED)


def part(
    rows: Grid,
    plant: PlantSpec,
    scaler: Scaler,
    horizon: int,
    least: int = LEAST_MOMENTS,
    name: str = "training",
) -> Part:
    """`rows` and the moments in it; `TrainingError` where there are fewer than `least`, which are `name`."""
    found = anchors(rows, plant, history=rows.rule.history, horizon=horizon)
    if len(found) < least:
        needed = rows.rule.history + horizon
        hours = math.ceil(needed * rows.rule.interval_s / 36.0) / 100.0
        raise TrainingError(
            f"the log has {len(found)} {name} moments with {needed} rows ({hours:g} h) around them without "
            f"gaps; at least {least} are needed: give more hours, or a log with fewer gaps"
        )
    return Part(rows, log_tensors(rows, plant, scaler), torch.as_tensor(found))


def with_history(rows: Grid, history: int) -> Grid:
    """The same rows under a rule with another length of windows."""
    return replace(rows, rule=replace(rows.rule, history=history))


def passive_part(
    rows: Grid | None, beside: Part, plant: PlantSpec, scaler: Scaler, horizon: int
) -> Part | None:
    """A log in which MVs hardly move, some of its moments; `None` where there is no such log.

    Args:
        beside: of the log that it helps to understand: gives the length of windows.
    """
    if rows is None:
        return None
    found = part(with_history(rows, beside.grid.rule.history), plant, scaler, horizon, 1, "passive")
    tensors = replace(found.tensors, complete=beside.tensors.complete)
    return replace(found, tensors=tensors, moments=scattered(found.moments, _MOST_PASSIVE))
