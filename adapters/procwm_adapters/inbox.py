"""Samples received and not yet asked for: bounded, in order of source time, each at most once."""

import math
from collections import defaultdict, deque

from procwm.plant.samples import Quality, Sample

_Key = tuple[int, float | None, Quality]
_REMEMBERED = 64
"""Samples of a tag that are remembered, so that one sent again after a reconnect is known."""


class Inbox:
    """What a link has received since it was last drained.

    Attributes:
        dropped: samples lost because nobody drained in time; the oldest go first.
    """

    def __init__(self, limit: int) -> None:
        """Args: limit: how many samples wait at most."""
        self._waiting: deque[Sample] = deque()
        self._limit = limit
        self._recent: defaultdict[str, deque[_Key]] = defaultdict(lambda: deque(maxlen=_REMEMBERED))
        self._newest_ns: dict[str, int] = {}
        self.dropped = 0

    def put(self, sample: Sample) -> None:
        """Take a reported sample, unless it is one of the tag's last ones sent again."""
        recent = self._recent[sample.tag]
        key = (sample.source_ns, sample.value if math.isfinite(sample.value) else None, sample.quality)
        if key not in recent:
            recent.append(key)
            self._append(sample)

    def affirm(self, sample: Sample) -> None:
        """Take the confirmation of a value that has not changed, if it is newer than all that is known."""
        if sample.source_ns > self._newest_ns.get(sample.tag, -1):
            self._append(sample)

    def drain(self) -> list[Sample]:
        """All waiting samples, oldest source time first."""
        samples = sorted(self._waiting, key=lambda sample: sample.source_ns)
        self._waiting.clear()
        return samples

    def _append(self, sample: Sample) -> None:
        self._newest_ns[sample.tag] = max(sample.source_ns, self._newest_ns.get(sample.tag, -1))
        if len(self._waiting) == self._limit:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(sample)
