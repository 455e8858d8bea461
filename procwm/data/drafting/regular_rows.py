"""A log whose tags have no roles yet, on rows as far apart as its fastest tag is usually sampled."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float64

from procwm.data.series import Log, TagSeries
from procwm.data.window import WindowRule, grid
from procwm.errors import LogError

_ROUND_S = (
    *(first * 10.0**power for power in range(-3, 2) for first in (1.0, 2.0, 5.0)),
    *(15.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0, 7200.0, 86_400.0),
)
_NEAR = 0.05
"""Of a round time: what is as near to it as this was meant to be it."""
_SHORTEST_S = 1e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class RegularRows:
    """Values of every tag on regular rows; what was not reported again is taken to have stayed.

    Attributes:
        names: of the tags.
        apart_s: time between rows.
        values: engineering units; NaN before the first sample.
    """

    names: tuple[str, ...]
    apart_s: float
    values: Float64[np.ndarray, "row tag"]

    def column(self, name: str) -> Float64[np.ndarray, " row"]:
        """Values of one tag."""
        return self.values[:, self.names.index(name)]


def regular_rows(log: Log) -> RegularRows:
    """`log` on regular rows; `LogError` where no tag has two Good samples."""
    names = tuple(log.series)
    usable = {name: log.series[name].usable for name in names}
    apart = [_usual_s(series) for series in usable.values() if len(series) > 1]
    if not apart:
        raise LogError("the log has no tag with two Good samples; a longer one is needed")
    apart_s = _rounded(min(apart))
    holds = tuple(_hold_s(usable[name], apart_s) for name in names)
    rows = grid(log, WindowRule(tags=names, interval_s=apart_s, history=1, hold_s=holds))
    return RegularRows(names=names, apart_s=apart_s, values=pd.DataFrame(rows.values).ffill().to_numpy())


def _usual_s(series: TagSeries) -> float:
    return max(float(np.median(np.diff(series.time_ns))) / 1e9, _SHORTEST_S)


def _rounded(apart_s: float) -> float:
    nearest = min(_ROUND_S, key=lambda round_s: abs(round_s - apart_s))
    return nearest if abs(nearest - apart_s) <= _NEAR * nearest else float(f"{apart_s:.3g}")


def _hold_s(series: TagSeries, apart_s: float) -> float:
    if len(series) < 2:
        return 10.0 * apart_s
    return max(10.0 * apart_s, 3.0 * float(np.quantile(np.diff(series.time_ns), 0.95)) / 1e9)
