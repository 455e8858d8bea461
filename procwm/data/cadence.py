"""How often a tag's samples come, as a log shows it: how long one counts, and when the next is overdue."""

import math

import numpy as np

from procwm.data.series import Log, TagSeries
from procwm.plant.tags import PlantSpec, Role

_NS = 1_000_000_000
_LONGEST_DEFAULT_HOLD_S = 86_400.0
_CYCLE = 1.5
"""Times the usual spacing, or the control interval: what comes later than that is not regular."""


def default_hold_s(plant: PlantSpec, log: Log) -> tuple[float, ...]:
    """A hold for every tag of `plant`, in file order.

    `Tag.max_hold_s` where given; an MV stays in force until it is written again, so it is held for ever. Any
    other tag is held for three times as long as its Good samples usually (in 95 of 100 cases) are apart,
    at least 10 intervals, at most a day.
    """
    return tuple(_default_hold_s(tag.role, tag.max_hold_s, plant, log.series[tag.name]) for tag in plant.tags)


def default_cyclic(plant: PlantSpec, log: Log) -> tuple[str, ...]:
    """Tags that are measured in cycles: nine of ten Good samples come 1.5 intervals or more after the last.

    A tag that is reported by exception has gaps too, but also samples in adjacent intervals; what is not
    reported there has not changed.
    """
    return tuple(
        tag.name for tag in plant.tags if tag.role is not Role.MV and _cyclic(plant, log.series[tag.name])
    )


def default_due_s(plant: PlantSpec, log: Log) -> tuple[float, ...]:
    """When the next sample of each tag is overdue, in file order.

    Where samples come regularly, 95 of 100 within one and a half times what is usual, it is as soon as one
    has failed to come; `inf` for a tag that is reported by exception, and for MVs.
    """
    return tuple(
        math.inf if tag.role is Role.MV else _due_s(plant.interval_s, log.series[tag.name])
        for tag in plant.tags
    )


def _due_s(interval_s: float, series: TagSeries) -> float:
    apart_s = np.diff(series.usable.time_ns) / _NS
    if not len(apart_s):
        return math.inf
    usual_s, long_s = np.quantile(apart_s, (0.5, 0.95)).tolist()
    return max(usual_s, interval_s) if long_s <= _CYCLE * max(usual_s, interval_s) else math.inf


def _cyclic(plant: PlantSpec, series: TagSeries) -> bool:
    apart_ns = np.diff(series.usable.time_ns)
    return len(apart_ns) > 0 and float(np.quantile(apart_ns, 0.1)) >= _CYCLE * plant.interval_s * _NS


def _default_hold_s(role: Role, given_s: float | None, plant: PlantSpec, series: TagSeries) -> float:
    if given_s is not None:
        return given_s
    if role is Role.MV:
        return math.inf
    shortest = 10 * plant.interval_s
    if len(series.usable) < 2:
        return shortest
    usual_s = float(np.quantile(np.diff(series.usable.time_ns), 0.95)) / _NS
    return max(shortest, min(3 * usual_s, _LONGEST_DEFAULT_HOLD_S))
