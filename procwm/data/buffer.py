"""The recent samples of a live plant, put on rows by the windowing rule."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import MappingProxyType

import numpy as np
from jaxtyping import Bool

from procwm.data.series import TagSeries, in_order, series_of
from procwm.data.window import Window, WindowRule, held, hold_ns, on_rows
from procwm.plant.samples import Sample


@dataclass(frozen=True, eq=False)
class SampleBuffer:
    """The recent samples of a live plant: a value that `push` makes the next one of.

    Samples may come late, out of order or more than once; of several Good ones for one tag and time the last
    one received counts. Only what a window can still see is kept.
    """

    rule: WindowRule
    _usable: Mapping[str, TagSeries] = field(default_factory=lambda: MappingProxyType({}))
    _latest: Mapping[str, Sample] = field(default_factory=lambda: MappingProxyType({}))

    def push(self, samples: Iterable[Sample], *, now_ns: int | None = None) -> "SampleBuffer":
        """This buffer with `samples` added; tags outside the rule are passed over.

        Args:
            samples: in order of arrival.
            now_ns: the present. Samples that only windows before it could see are forgotten, and so is a
                sample stamped more than a window's length after it: its clock is wrong. Where `None`, the
                newest sample of each tag is its present.
        """
        arrived: dict[str, list[Sample]] = {}
        known = frozenset(self.rule.tags)
        for sample in samples:
            ahead = now_ns is not None and sample.source_ns > now_ns + self.rule.span_ns
            if sample.tag in known and not ahead:
                arrived.setdefault(sample.tag, []).append(sample)
        usable, latest = dict(self._usable), dict(self._latest)
        for tag, received in arrived.items():
            for sample in received:
                if tag not in latest or sample.source_ns >= latest[tag].source_ns:
                    latest[tag] = sample
            usable[tag] = self._merged(usable.get(tag), series_of(received).usable, now_ns)
        return SampleBuffer(self.rule, MappingProxyType(usable), MappingProxyType(latest))

    def _merged(self, old: TagSeries | None, new: TagSeries, now_ns: int | None) -> TagSeries:
        if old is not None:
            new = in_order(
                np.concatenate((old.time_ns, new.time_ns)),
                np.concatenate((old.value, new.value)),
                np.concatenate((old.quality, new.quality)),
            )
        if not len(new):
            return new
        present = int(new.time_ns[-1]) if now_ns is None else now_ns
        # The last sample at or before a window's first row is what that row sees: it must stay.
        oldest_ns = present - self.rule.span_ns - self.rule.slack_ns
        first = int(np.searchsorted(new.time_ns, oldest_ns, side="right")) - 1
        return new.where(slice(max(first, 0), None))

    def window(self, end_ns: int, past: Sequence[int] = ()) -> Window:
        """The window that ends at `end_ns`, which is not before the present of the last `push`.

        Args:
            end_ns: the present.
            past: as in `WindowRule.row_times`; steps that were a little early or late.
        """
        rows = self.rule.row_times(end_ns, past)
        values, measured = on_rows(self._usable, rows, self.rule)
        return Window(end_ns, values, np.isfinite(values), measured)

    def overdue(self, end_ns: int, past: Sequence[int] = ()) -> Bool[np.ndarray, "history tag"]:
        """Where in the window that ends at `end_ns` a sample should have come by then and had not."""
        rows, rule = self.rule.row_times(end_ns, past), self.rule
        overdue = np.zeros((len(rows), len(rule.tags)), dtype=np.bool_)
        # There is one for every tag, or none at all.
        for column, (tag, due_s) in enumerate(zip(rule.tags, rule.due_s, strict=False)):
            if tag in self._usable and math.isfinite(due_s):
                recent = held(self._usable[tag], rows, float(np.nextafter(due_s, 0.0)))
                overdue[:, column] = ~np.isfinite(recent)
        return overdue

    def lost_ns(self, tag: str, now_ns: int) -> int:
        """For how long `tag` has had no valid value: 0 while its newest sample is Good and not too old."""
        series = self._usable.get(tag)
        heard = 0 if series is None else int(np.searchsorted(series.time_ns, now_ns, side="right"))
        if series is None or heard == 0:
            return now_ns
        age_ns = now_ns - int(series.time_ns[heard - 1])
        newest = self._latest[tag]
        superseded = int(series.time_ns[heard - 1]) < newest.source_ns <= now_ns
        longest_ns = hold_ns(self.rule.hold_s[self.rule.tags.index(tag)])
        return max(age_ns, 1) if superseded or age_ns > longest_ns else 0

    def latest(self, tag: str) -> Sample | None:
        """The sample of `tag` with the newest source time, whatever its quality."""
        return self._latest.get(tag)
