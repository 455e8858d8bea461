"""Several files as one log: what is repeated is dropped, what contradicts is refused."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Bool, Float64, Int64

from procwm.data.series import TagSeries, iso_utc
from procwm.errors import LogError

_GAP = 3.0
"""Times the spacing that 95 of 100 samples keep: what is longer is a gap, which another file may fill."""


@dataclass(frozen=True, kw_only=True, eq=False)
class LogPart:
    """What one file holds of a plant's tags.

    Attributes:
        series: of every tag that the file has samples of.
        found: what the file offers as tags: columns, or the names in its column `tag`.
        used: which of those belong to the plant.
        duplicates: how many exact repetitions of a sample were dropped.
        notes: sentences about the file that are no errors.
    """

    path: Path
    series: Mapping[str, TagSeries]
    found: tuple[str, ...]
    used: frozenset[str]
    duplicates: int
    notes: tuple[str, ...] = ()

    @property
    def start_ns(self) -> int:
        """Time of the first sample."""
        return min((int(series.time_ns[0]) for series in self.series.values() if len(series)), default=0)


def joined(name: str, parts: Sequence[LogPart]) -> tuple[TagSeries, int]:
    """One tag's samples of all files, and how many repetitions were dropped where files overlap.

    Raises:
        LogError: two files have different samples of one stretch of time.
    """
    holders = [part for part in parts if name in part.series]
    pieces = [part.series[name] for part in holders]
    if len(pieces) == 1:
        return pieces[0], 0
    empty = np.zeros(0)
    time_ns = np.concatenate([empty.astype(np.int64), *(piece.time_ns for piece in pieces)])
    value = np.concatenate([empty, *(piece.value for piece in pieces)])
    quality = np.concatenate([empty.astype(np.int8), *(piece.quality for piece in pieces)])
    order = np.argsort(time_ns, kind="stable")
    whole = TagSeries(time_ns[order], value[order], quality[order])
    series, contradiction = without_repetitions(whole)
    if contradiction is not None:
        sentence = contradicted(name, whole.time_ns, whole.value, contradiction)
        raise LogError(f"{', '.join(str(part.path) for part in parts)}: the files overlap, and {sentence}")
    for one, other in _overlapping(name, holders):
        _check_apart(name, one, other)
        _check_apart(name, other, one)
    return series, len(whole) - len(series)


def without_repetitions(series: TagSeries) -> tuple[TagSeries, int | None]:
    """`series` with repetitions dropped, and the first sample that contradicts the one before."""
    again = np.append(False, np.diff(series.time_ns) == 0)[: len(series)]
    if not again.any():
        return series, None
    before = np.flatnonzero(again) - 1
    alike = (series.quality[before] == series.quality[before + 1]) & (
        (series.value[before] == series.value[before + 1])
        | (np.isnan(series.value[before]) & np.isnan(series.value[before + 1]))
    )
    contradiction = None if bool(alike.all()) else int(before[~alike][0]) + 1
    return series.where(~again), contradiction


def contradicted(
    name: str, time_ns: Int64[np.ndarray, " sample"], value: Float64[np.ndarray, " sample"], at: int
) -> str:
    """What to say of two samples of `name` at one time, the second of them at place `at`."""
    return f"{name} has two samples at {iso_utc(int(time_ns[at]))}: {value[at - 1]:g} and {value[at]:g}"


def _overlapping(name: str, holders: Sequence[LogPart]) -> Iterator[tuple[LogPart, LogPart]]:
    """Pairs of files whose samples of one tag begin before those of the other end."""
    filled = [part for part in holders if len(part.series[name])]
    going: list[LogPart] = []
    for part in sorted(filled, key=lambda part: int(part.series[name].time_ns[0])):
        start_ns = part.series[name].time_ns[0]
        going = [before for before in going if before.series[name].time_ns[-1] > start_ns]
        for before in going:
            yield before, part
        going.append(part)


def _check_apart(name: str, holder: LogPart, other: LogPart) -> None:
    """Refuse Good samples of `other` that lie within a stretch of `holder` and say something else."""
    mine, theirs = holder.series[name].usable, other.series[name].usable
    shared = np.isin(mine.time_ns, theirs.time_ns)
    among = _among(mine, theirs)
    # A file that is a part of the other says nothing of the time between its own samples.
    if among.any() and not shared[_span(mine, theirs)].all():
        first, last = np.flatnonzero(among)[[0, -1]]
        held = mine.value[np.searchsorted(mine.time_ns, theirs.time_ns[first]) - 1]
        between = f"from {iso_utc(int(theirs.time_ns[first]))} to {iso_utc(int(theirs.time_ns[last]))}"
        raise LogError(
            f"{other.path}: {int(among.sum())} samples of {name} {between} lie among other ones of "
            f"{holder.path}, the first {theirs.value[first]:g} after {held:g}; keep one file for that time, "
            "and write UTC: an hour of local time comes twice in autumn"
        )


def _span(mine: TagSeries, theirs: TagSeries) -> slice:
    """Those of `mine` that are neither before the first of `theirs` nor after the last."""
    first = int(np.searchsorted(mine.time_ns, theirs.time_ns[0], side="left"))
    return slice(first, int(np.searchsorted(mine.time_ns, theirs.time_ns[-1], side="right")))


def _among(mine: TagSeries, theirs: TagSeries) -> Bool[np.ndarray, " sample"]:
    """Which of `theirs` stand between two of `mine` that no gap parts, and are not what `mine` hold there."""
    if len(mine) < 2:
        return np.zeros(len(theirs), dtype=np.bool_)
    apart_ns = np.diff(mine.time_ns)
    after = np.searchsorted(mine.time_ns, theirs.time_ns, side="left")
    inside = (after > 0) & (after < len(mine))
    before = np.clip(after - 1, 0, len(apart_ns) - 1)
    same_time = mine.time_ns[np.clip(after, 0, len(mine) - 1)] == theirs.time_ns
    alike = (mine.value[before] == theirs.value) & (mine.quality[before] == theirs.quality)
    within: Bool[np.ndarray, " sample"] = (
        inside & ~same_time & ~alike & (apart_ns[before] <= _GAP * np.quantile(apart_ns, 0.95))
    )
    return within
