"""Samples received and not yet asked for: bounded, in order of source time, each at most once."""

import math
from collections import defaultdict, deque
from collections.abc import Iterable

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
        self._reported_ns: dict[str, int] = {}
        self._held: list[Sample] | None = None
        self._before_ns: dict[str, int] = {}
        self.dropped = 0

    @property
    def reported_ns(self) -> int | None:
        """Source time of the newest sample that was reported, UTC ns; `None` before the first.

        While the inbox holds, it is that of the newest before the gap.
        """
        return max((self._before_ns if self._held is not None else self._reported_ns).values(), default=None)

    def hold(self) -> None:
        """Keep what comes from now on for `release`: there is a gap before it, which may yet be filled."""
        if self._held is None:
            self._held = []
            self._before_ns = dict(self._reported_ns)

    def release(self, history: Iterable[Sample]) -> None:
        """Let what was held come out, merged by source time with the `history` of the gap before it."""
        held, self._held = self._held or [], None
        live = {(sample.tag, sample.source_ns) for sample in held}
        missed = {
            (sample.tag, sample.source_ns): sample
            for sample in history
            if sample.source_ns > self._before_ns.get(sample.tag, -1)
        }
        gap = [
            sample
            for key, sample in missed.items()
            if key not in live and _key(sample) not in self._recent[sample.tag]
        ]
        keys: defaultdict[str, list[_Key]] = defaultdict(list)
        for sample in gap:
            # A new subscription begins with the newest value, which may be on its way yet.
            keys[sample.tag].append(_key(sample))
        for tag, added in keys.items():
            known = sorted([*self._recent[tag], *added], key=lambda key: key[0])
            self._recent[tag] = deque(known, maxlen=_REMEMBERED)
        for sample in sorted(held + gap, key=lambda sample: sample.source_ns):
            self._append(sample)

    def put(self, sample: Sample, *, reported: bool = True) -> None:
        """Take a sample, unless it is one of the tag's last ones sent again.

        Args:
            sample: as the server has it.
            reported: whether it came by itself. One that was asked for says nothing about those between.
        """
        recent = self._recent[sample.tag]
        if reported:
            self._reported_ns[sample.tag] = max(sample.source_ns, self._reported_ns.get(sample.tag, -1))
        if _key(sample) not in recent:
            recent.append(_key(sample))
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
        if self._held is not None:
            self._held.append(sample)
            return
        self._newest_ns[sample.tag] = max(sample.source_ns, self._newest_ns.get(sample.tag, -1))
        if len(self._waiting) == self._limit:
            self._waiting.popleft()
            self.dropped += 1
        self._waiting.append(sample)


def _key(sample: Sample) -> _Key:
    return (sample.source_ns, sample.value if math.isfinite(sample.value) else None, sample.quality)
