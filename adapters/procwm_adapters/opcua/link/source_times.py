"""The times that sources stamp: what cannot be right is told of once, and loses no value."""

import logging
from collections import Counter
from typing import Any, NamedTuple

from procwm.plant.samples import Quality, Sample
from procwm_adapters.opcua.wire.values import nanoseconds, sample_of

_LOGGER = logging.getLogger(__name__)

_STUCK_CHANGES = 3
"""Changes of a value under one source time, one after the other: two may well have happened at once."""
_LATE_S = 60.0
"""For how long a changed value may have been under way; 10 control intervals if they are more."""
_NAMED = 5
"""Tags that are named, of each thing that can be wrong."""

_STUCK = "its value changes and its SourceTimestamp does not; the server's time is taken in its place"
_AHEAD = (
    "it is stamped {:.3g} s ahead of the server's time, and samples count by their source's; set its clock"
)
_BEHIND = (
    "it is stamped {:.3g} s behind the server's time, and samples count by their source's; set its clock"
)
_OUTSIDE = "the source's time is not in the time that was asked for; the server's time is taken in its place"


class _Seen(NamedTuple):
    """The newest value of a tag: as its source stamped it, the time it got, and changes since that moved."""

    sample: Sample
    given_ns: int
    changes: int


class SourceTimes:
    """Gives every value of a server its time, and tells of sources whose clocks cannot be right."""

    def __init__(self, endpoint: str, *, interval_s: float, skew_s: float | None = None) -> None:
        """Args: endpoint: of the server. skew_s: how far a source may be ahead; `None` is an interval."""
        self._endpoint = endpoint
        self._late_s = max(_LATE_S, 10.0 * interval_s)
        self._skew_s = skew_s or interval_s
        self._seen: dict[str, _Seen] = {}
        self._told: Counter[str] = Counter()
        self._named: set[tuple[str, str]] = set()

    def live(self, tag: str, value: Any, received_ns: int) -> Sample:
        """A `DataValue` that has just come as a sample.

        Its time is that of `sample_of`, but where the value before had the same and was another.
        """
        sample = sample_of(tag, value, received_ns)
        server_ns = nanoseconds(value.ServerTimestamp) or received_ns
        before = self._seen.get(tag)
        ahead_s = (sample.source_ns - server_ns) / 1e9
        if ahead_s > self._skew_s:
            self._tell(tag, _AHEAD, ahead_s)
        elif before is not None and sample.source_ns > before.sample.source_ns and -ahead_s > self._late_s:
            self._tell(tag, _BEHIND, -ahead_s)
        return self._apart(sample, server_ns)

    def past(self, tag: str, value: Any, start_ns: int, end_ns: int) -> Sample | None:
        """A `DataValue` of a history that was asked for from `start_ns` until before `end_ns` as a sample.

        `None` where neither its source nor the server has a time in there.
        """
        sample = sample_of(tag, value, -1)
        server_ns = nanoseconds(value.ServerTimestamp)
        if not start_ns <= sample.source_ns < end_ns:
            if server_ns is None or not start_ns <= server_ns < end_ns:
                return None
            self._tell(tag, _OUTSIDE)
            return self._apart(Sample(tag, sample.value, sample.quality, server_ns), server_ns)
        return self._apart(sample, sample.source_ns if server_ns is None else server_ns)

    def forget(self) -> None:
        """What comes next may have come before."""
        self._seen.clear()

    def _apart(self, sample: Sample, server_ns: int) -> Sample:
        """`sample`, at a time of its own where its source gave the one before the same and another value."""
        before = self._seen.get(sample.tag)
        if before is None or before.sample.source_ns != sample.source_ns:
            self._seen[sample.tag] = _Seen(sample, sample.source_ns, 0)
            return sample
        if _same(before.sample, sample):
            return Sample(sample.tag, sample.value, sample.quality, before.given_ns)
        given_ns = server_ns if server_ns != sample.source_ns else before.given_ns + 1
        changes = before.changes + (before.sample.value != sample.value and sample.quality is Quality.GOOD)
        self._seen[sample.tag] = _Seen(sample, given_ns, changes)
        if changes >= _STUCK_CHANGES:
            self._tell(sample.tag, _STUCK)
        return Sample(sample.tag, sample.value, sample.quality, given_ns)

    def _tell(self, tag: str, what: str, *figures: float) -> None:
        if (tag, what) in self._named or self._told[what] >= _NAMED:
            return
        self._named.add((tag, what))
        self._told[what] += 1
        more = "; further tags like these are not named" if self._told[what] == _NAMED else ""
        _LOGGER.warning("%s: %s: %s%s", self._endpoint, tag, what.format(*figures), more)


def _same(one: Sample, other: Sample) -> bool:
    values = one.value == other.value or (one.value != one.value and other.value != other.value)
    return values and one.quality is other.quality
