"""Time in which the plant was not run: its MVs stood far from where a controller may put them."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool

from procwm.data.anchors import SHORTEST_HORIZON
from procwm.data.checks.screening import screen
from procwm.data.series import Log, iso_utc
from procwm.data.window import Grid, WindowRule, grid
from procwm.plant.tags import PlantSpec

_FAR = 0.1
"""Of the width of its limits: an MV that is this far beyond them is not run as the plant file means it."""
_LEAST_ROWS = SHORTEST_HORIZON
"""In a row: what is over sooner is a move like others, and without it the windows around it were lost."""
_MOST = 0.25
"""Of a log: what happens for longer is how the plant is run, whatever its limits are by now."""


def running(log: Log, plant: PlantSpec, rule: WindowRule) -> Grid:
    """What can be trusted of `log`, on the control grid, without the time in which the plant was shut down.

    Time jumps where rows are left out, so that no window and no prediction reaches across.
    """
    return without_shutdowns(grid(screen(log, plant).trusted(), rule), plant)


def without_shutdowns(rows: Grid, plant: PlantSpec) -> Grid:
    """`rows` but for those of `shut_down`."""
    return rows.where(~shut_down(rows, plant))


def shut_down(rows: Grid, plant: PlantSpec) -> Bool[np.ndarray, " row"]:
    """Rows at which an MV stays far outside its limits; none where they are more than a quarter of all."""
    off = np.zeros(len(rows), dtype=np.bool_)
    for tag in plant.mvs:
        if tag.limits is not None:
            low, high = tag.limits
            value = rows.column(tag.name)
            off |= (value < low - _FAR * (high - low)) | (value > high + _FAR * (high - low))
    edges = np.flatnonzero(np.diff(off, prepend=False, append=False))
    for first, last in zip(edges[::2], edges[1::2], strict=True):
        off[first:last] = last - first >= _LEAST_ROWS
    return off if off.sum() <= _MOST * len(off) else np.zeros_like(off)


def shutdown_sentences(rows: Grid, plant: PlantSpec) -> Iterator[str]:
    """What is left out of `rows`, in one sentence, if anything is."""
    off = shut_down(rows, plant)
    if off.any():
        hours = off.sum() * rows.rule.interval_s / 3600.0
        yield (
            f"{hours:.3g} h ({off.mean():.1%}) are left out as a shutdown, with an MV far outside its "
            f"limits, first at {iso_utc(int(rows.time_ns[np.argmax(off)]))}"
        )
