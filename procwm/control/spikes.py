"""One sample that leaps is held back until the next one says whether it was a spike or a step.

What the check of a log calls a spike of one sample (`data.checks.screening`) is found here as it comes: a
Hampel test on the samples before it alone (Hampel, J. American Statistical Association 69, 1974). If the next
sample stays where the leap went, both count, each at its own time; if it is back, the leap was a spike. A tag
that has no other sample by the time one is due is believed.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import pairwise
from types import MappingProxyType

import numpy as np

from procwm.data.window import WindowRule
from procwm.plant.samples import Quality, Sample
from procwm.plant.tags import PlantSpec, Role, Tag

Recent = Mapping[str, tuple[int, tuple[float, ...]]]
"""By tag: source time of its newest sample that was looked at, and the last values that were believed."""
Withheld = Mapping[str, Sample]
"""By tag: the sample that waits for the next one."""

NONE_RECENT: Recent = MappingProxyType({})
NONE_WITHHELD: Withheld = MappingProxyType({})

_KEPT, _ENOUGH = 24, 12
"""Values that are remembered, and how many are needed to know what is usual."""
_MIDDLE = 5
_FOLLOWS = 1.5
"""Of the time in which a sample is due: later ones do not follow the one before."""
_TIMES, _SPAN = 5.0, 0.02
"""How far from the median of the last values a leap is: in largest usual changes; of the span at least."""


def settled(
    samples: Sequence[Sample],
    plant: PlantSpec,
    rule: WindowRule,
    recent: Recent,
    withheld: Withheld,
    now_ns: int,
) -> tuple[tuple[Sample, ...], Recent, Withheld, tuple[str, ...]]:
    """`samples` without what is held back and with what was; what is remembered; what there is to tell.

    Args:
        samples: admitted ones, in order of arrival.
        rule: says when the next sample of a tag is due.
        now_ns: of the tick.
    """
    known, waiting = dict(recent), dict(withheld)
    told: list[str] = []
    passed: list[Sample] = []
    for sample in samples:
        tag = plant.tag(sample.tag)
        newest_ns, values = known.get(tag.name, (-1, ()))
        looked_at = sample.quality is Quality.GOOD and bool(np.isfinite(sample.value))
        if tag.role is Role.MV or not looked_at or sample.source_ns <= newest_ns:
            passed.append(sample)
            continue
        leap = waiting.pop(tag.name, None)
        # After a gap a tag may be anywhere, and what reports by exception has nothing but leaps.
        follows = sample.source_ns - newest_ns <= _FOLLOWS * _due_ns(rule, tag.name)
        if leap is None and follows and _leaps(tag, values, sample.value):
            waiting[tag.name] = sample
            told.append(f"{tag.name}: leaps to {sample.value:g} {tag.unit}; it waits for the next sample")
            known[tag.name] = (sample.source_ns, values)
            continue
        if leap is not None:
            spike = abs(sample.value - leap.value) > abs(sample.value - values[-1])
            if spike:
                told.append(f"{tag.name}: {leap.value:g} {tag.unit} was a spike of one sample")
            passed.append(replace(leap, quality=Quality.BAD) if spike else leap)
            values = values if spike else (*values, leap.value)
        passed.append(sample)
        known[tag.name] = (sample.source_ns, (*values, sample.value)[-_KEPT:])
    for name, leap in withheld.items():
        if waiting.get(name) is leap and now_ns - leap.source_ns >= _due_ns(rule, name):
            del waiting[name]
            passed.append(leap)
            newest_ns, values = known[name]
            known[name] = (newest_ns, (*values, leap.value)[-_KEPT:])
            value = f"{leap.value:g} {plant.tag(name).unit}"
            told.append(f"{name}: no other sample has come although one was due; {value} counts from now on")
    return tuple(passed), MappingProxyType(known), MappingProxyType(waiting), tuple(told)


def _leaps(tag: Tag, values: Sequence[float], value: float) -> bool:
    """Whether `value` is further from the last `values` than these ever are from each other."""
    if len(values) < _ENOUGH:
        return False
    # For two dozen numbers an array costs more than the work.
    usual = max(abs(after - before) for before, after in pairwise(values))
    distance = abs(value - sorted(values[-_MIDDLE:])[_MIDDLE // 2])
    return distance > max(_TIMES * usual, _SPAN * tag.span)


def _due_ns(rule: WindowRule, name: str) -> int:
    """Age by which another sample of the tag must have come; an interval where they come irregularly."""
    due_s = dict(zip(rule.tags, rule.due_s, strict=False)).get(name, np.inf)
    return rule.interval_ns if not np.isfinite(due_s) else round(1e9 * due_s)
