"""Hours of local time: in autumn one is two histories under one time, and in spring one is missing."""

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pandas as pd
from jaxtyping import Int64

from procwm.data.joining import LogPart
from procwm.data.series import iso_utc
from procwm.errors import LogError

_HOUR_NS = 3_600_000_000_000
_REGULAR = 0.1
"""Of the usual spacing: within it, nine of ten samples come regularly."""
_SUNDAY, _FORWARD = 6, (3, 9, 10)
"""Day of the week, and months, in which clocks go forward: north of the equator, and south of it."""
_LEAST = 10
"""Samples in an hour: fewer say nothing about how regularly they come."""


def local_checked(part: LogPart) -> LogPart:
    """`part`, whose times may be local, with a note on an hour that is missing; a doubled one is refused."""
    _check_doubled(part)
    return replace(part, notes=(*part.notes, *_skipped(part)))


def _check_doubled(part: LogPart) -> None:
    """Refuse an hour in which a regular tag has two samples for every one in the hours before and after.

    For files whose times do not say how far they are from UTC: sorted by local time, the second hour lies
    between the samples of the first.
    """
    for name, series in part.series.items():
        for start_ns in _doubled(series.time_ns):
            raise LogError(
                f"{part.path}: {name} has two samples for one from {iso_utc(start_ns)} to "
                f"{iso_utc(start_ns + _HOUR_NS)}, as if an hour of local time came twice in autumn; write "
                "UTC, or times with their distance from it, as 2000-01-31T10:00:00+01:00"
            )


def _skipped(part: LogPart) -> Iterator[str]:
    """What to say of an hour that a regular tag misses as when clocks go forward: a full one, on a Sunday."""
    for name, series in part.series.items():
        apart_ns = np.diff(series.time_ns)
        usual_ns = int(np.median(apart_ns)) if len(apart_ns) >= _LEAST else 0
        if not 0 < usual_ns <= _HOUR_NS // 2:
            continue
        skipped = np.abs(apart_ns - usual_ns - _HOUR_NS) <= _REGULAR * usual_ns
        for place in np.flatnonzero(skipped):
            begins = pd.Timestamp(int(series.time_ns[place]) + usual_ns).floor("h")
            on_time = abs(begins.value - int(series.time_ns[place])) <= usual_ns
            if on_time and begins.weekday() == _SUNDAY and begins.month in _FORWARD:
                yield (
                    f"{part.path}: {name} misses the hour from {iso_utc(begins.value)}, a Sunday, as where "
                    "clocks go forward; if these are local times, all after that is an hour off: give "
                    "time_zone in [log] of the plant file"
                )
                return


def _doubled(time_ns: Int64[np.ndarray, " sample"]) -> list[int]:
    if not len(time_ns):
        return []
    hour = time_ns // _HOUR_NS
    counts = np.bincount(hour - hour[0])
    inner = counts[1:-1]
    doubled = (inner >= 1.9 * counts[:-2]) & (inner <= 2.1 * counts[:-2])
    doubled &= (inner >= 1.9 * counts[2:]) & (inner <= 2.1 * counts[2:]) & (counts[:-2] >= _LEAST)
    found = (hour[0] + 1 + np.flatnonzero(doubled)) * _HOUR_NS
    return [int(start_ns) for start_ns in found if _interleaved(time_ns, int(start_ns))]


def _interleaved(time_ns: Int64[np.ndarray, " sample"], start_ns: int) -> bool:
    """Whether every other sample of the hour comes as regularly as those of the hour before."""
    edges = np.searchsorted(time_ns, start_ns + _HOUR_NS * np.arange(-1, 2))
    before, within = (np.diff(time_ns[first:last]) for first, last in pairwise(edges))
    usual = float(np.median(before))
    pairs = within[:-1] + within[1:]
    regular = [float(np.mean(np.abs(apart - usual) <= _REGULAR * usual)) for apart in (before, pairs)]
    return min(regular) >= 0.9
