"""Which reported values are believed: quality, clocks, instrument range, frozen instruments."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from procwm.plant.samples import Quality, Sample
from procwm.plant.tags import PlantSpec, Role, Tag

Steady = Mapping[str, tuple[float, int]]
"""By tag that can freeze: its last value, and the source time since when it has been that."""

NO_STEADY: Steady = MappingProxyType({})

_BELOW, _ABOVE = 0.0125, 0.03125
"""Of the span: how far beyond its range an analogue signal still measures (NAMUR NE 43: 3.8 to 20.5 mA)."""


def admitted(
    samples: Sequence[Sample], plant: PlantSpec, steady: Steady, now_ns: int
) -> tuple[tuple[Sample, ...], Steady, tuple[str, ...]]:
    """`samples` as they are to be believed, what is steady now, and a sentence for each tag that is doubted.

    A value that is not believed becomes Bad; so does one stamped further ahead of `now_ns` than the plant's
    `clock_skew_s`. What is stamped ahead at all is stamped `now_ns`, as it is here already: a row that waits
    for it sees every value of that instrument an interval late. An MV's own time tells its reports apart.
    """
    ahead_ns = round((plant.control.clock_skew_s or plant.interval_s) * 1e9)
    since = dict(steady)
    doubts: dict[str, str] = {}
    believed = []
    for sample in samples:
        tag = plant.tag(sample.tag)
        if sample.quality is Quality.UNCERTAIN and tag.use_uncertain:
            sample = replace(sample, quality=Quality.GOOD)
        doubt = ""
        if sample.source_ns > now_ns + ahead_ns:
            lead_s = (sample.source_ns - now_ns) / 1e9
            doubt = f"{tag.name}: stamped {lead_s:.3g} s ahead of our clock; compare the clocks"
            sample = replace(sample, source_ns=now_ns)
        elif sample.quality is Quality.GOOD:
            doubt = _beyond(tag, sample.value) or _frozen(tag, sample, since)
        if tag.role is not Role.MV and sample.source_ns > now_ns:
            sample = replace(sample, source_ns=now_ns)
        if doubt:
            sample = replace(sample, quality=Quality.BAD)
            doubts[tag.name] = doubt
        believed.append(sample)
    return tuple(believed), MappingProxyType(since), tuple(doubts.values())


def _beyond(tag: Tag, value: float) -> str:
    """Why `value` cannot be a measurement; what an MV is told is none."""
    low, high = tag.range[0] - _BELOW * tag.span, tag.range[1] + _ABOVE * tag.span
    if tag.role is Role.MV or low <= value <= high or not np.isfinite(value):
        return ""
    return f"{tag.name}: {value:g} {tag.unit} is beyond its instrument"


def _frozen(tag: Tag, sample: Sample, since: dict[str, tuple[float, int]]) -> str:
    """Why `sample` is taken for frozen; notes in `since` from when its value has been the same.

    At an end of its range an instrument that works repeats itself, as that of a full tank does. Shedding for
    it would leave the plant there for ever.
    """
    if tag.frozen_after_s is None or not tag.range[0] < sample.value < tag.range[1]:
        since.pop(tag.name, None)
        return ""
    value, first_ns = since.get(tag.name, (np.nan, sample.source_ns))
    if sample.value != value:
        since[tag.name] = (sample.value, sample.source_ns)
        return ""
    same_s = (sample.source_ns - first_ns) / 1e9
    if same_s <= tag.frozen_after_s:
        return ""
    return f"{tag.name}: exactly {value:g} {tag.unit} for {same_s:g} s; it is taken for frozen"
