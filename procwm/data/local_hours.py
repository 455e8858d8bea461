"""An hour of local time that comes twice, in autumn: two histories under one time."""

from itertools import pairwise

import numpy as np
from jaxtyping import Int64

from procwm.data.joining import LogPart
from procwm.data.series import iso_utc
from procwm.errors import LogError

_HOUR_NS = 3_600_000_000_000
_REGULAR = 0.1
"""Of the usual spacing: within it, nine of ten samples come regularly."""
_LEAST = 10
"""Samples in an hour: fewer say nothing about how regularly they come."""


def check_local_hours(part: LogPart) -> None:
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
