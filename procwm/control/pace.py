"""Which control interval a step belongs to: steps come a little early or late, twice, or not at all.

A model knows rows one interval apart. Software that embeds the controller calls it a moment early or late, so
a row of the past is looked at when its step was taken, not whole intervals before the present one: a row
that is a microsecond too early sees the sample before its own, and the whole past is one interval late.

Where a step is due follows the caller's own clock, as a phase-locked loop does: by a share of how far each
step is off. The share is small, so that what is due is known better than any one step tells; where steps are
off to one side for long, as those of a loop that sleeps for an interval and takes a moment besides, it is
large. Steps that are each up to 40 % of an interval early or late, at random, are told apart so, and loops
that are up to 5 % slow or quick followed. Beyond that a step may be taken for the one before or for the next
but one: at 45 % one of 600, and at 49 % one of 20.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

import numpy as np

from procwm.data.series import series_of
from procwm.data.window import WindowRule, phase
from procwm.plant.samples import Sample

_SOONEST_SHARE = 0.1
"""Of the control interval: what comes sooner after a step is the same step again, whatever was due."""
_SLOW_SHARE, _QUICK_SHARE = 0.02, 0.25
"""Of how far a step is off, by which the ones after it are due later or earlier: as a rule, and where steps
have been off to one side."""
_MEAN_SHARE, _ONE_SIDE = 0.1, 0.2
"""Of a step in the mean of how far off they are; the share of an interval from which on that is one side."""

_STALE_SHARE = 0.1
"""Of the control interval: by how much older samples may be than they need to be."""


@dataclass(frozen=True)
class Pace:
    """When steps were taken.

    Attributes:
        due_ns: when the last step was due, UTC.
        rows: times of the rows of a window up to the last step, oldest first; those of steps that were
            missed lie evenly between those that were taken.
        steps: how many were taken.
        late_ns: mean time by which the last ones came after they were due.
    """

    due_ns: int
    rows: tuple[int, ...]
    steps: int = 1
    late_ns: int = 0

    def passed(self, now_ns: int, rule: WindowRule) -> int:
        """Intervals since the last step; 0 where a step at `now_ns` is in the same one."""
        since_ns, half_ns = now_ns - self.rows[-1], rule.interval_ns // 2
        if since_ns < _SOONEST_SHARE * rule.interval_ns:
            return 0
        # Half an interval after the last step it is not that one again, whatever was due.
        least = 1 if since_ns >= half_ns else 0
        return max((now_ns - self.due_ns + half_ns) // rule.interval_ns, least)

    def after(self, now_ns: int, rule: WindowRule) -> "Pace":
        """The pace with a step at `now_ns`, in place of the last one where that was in the same interval."""
        passed = self.passed(now_ns, rule)
        if passed == 0:
            return replace(self, rows=(*self.rows[:-1], now_ns))
        if passed >= rule.history:
            return Pace(now_ns, (now_ns,))
        late_ns = now_ns - self.due_ns - passed * rule.interval_ns
        rows = (*self.rows, *_between(self.rows[-1], now_ns, passed))[-rule.history :]
        mean_ns = self.late_ns + round(_MEAN_SHARE * (late_ns - self.late_ns))
        one_side = abs(mean_ns) > _ONE_SIDE * rule.interval_ns
        # The first steps tell together when steps are due: a mean of what has come so far.
        share = max(_QUICK_SHARE if one_side else _SLOW_SHARE, 1.0 / (self.steps + 1))
        half_ns = rule.interval_ns // 2
        left_ns = min(max(late_ns - round(share * late_ns), -half_ns), half_ns)
        return Pace(now_ns - left_ns, rows, self.steps + 1, mean_ns)


def aligned(now_ns: int, samples: Iterable[Sample], interval_ns: int) -> int:
    """From when to count back in whole intervals, so that rows see `samples` fresh, as those of a log do.

    That is `now_ns`, unless it comes just before the samples do: then the time next to it that does not.
    """
    series: dict[str, list[Sample]] = {}
    for sample in samples:
        series.setdefault(sample.tag, []).append(sample)
    heard = [found for found in (series_of(received).usable for received in series.values()) if len(found)]
    if not heard:
        return now_ns
    times_ns, freshest_ns = np.concatenate([found.time_ns for found in heard]), phase(heard, interval_ns)
    age_ns, least_ns = (float(((then - times_ns) % interval_ns).mean()) for then in (now_ns, freshest_ns))
    if age_ns <= least_ns + _STALE_SHARE * interval_ns:
        return now_ns
    half_ns = interval_ns // 2
    return now_ns - (now_ns - freshest_ns + half_ns) % interval_ns + half_ns


def _between(before_ns: int, now_ns: int, passed: int) -> Sequence[int]:
    """Times after `before_ns` up to `now_ns`, evenly apart."""
    return [before_ns + (now_ns - before_ns) * row // passed for row in range(1, passed + 1)]
