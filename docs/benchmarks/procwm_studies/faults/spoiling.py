"""What an instrument that fails reports in place of a sample."""

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from types import MappingProxyType
from typing import Any

import numpy as np

from procwm.plant.samples import Quality, Sample
from procwm.plant.tags import Tag

_INSIDE = 0.01
"""Of its span: how far inside its range a value is frozen or spiked."""
_DAY_S = 86_400
_STAMPS_S: Mapping[str, int] = MappingProxyType(
    {
        "1601": -134_774 * _DAY_S,
        "1650": -116_878 * _DAY_S,
        "2300": 120_530 * _DAY_S,
        "9999": 2_932_532 * _DAY_S,
    }
)
"""The first day of these years, since 1970; OPC UA begins in 1601, and many a clock ends in 9999."""
_HUGE: Any = 10**400
"""No float."""


def spoilt(sample: Sample, tag: Tag, acts: Callable[[str], bool], rng: np.random.Generator) -> Sample:
    """`sample` of `tag` as the fault that `acts` leaves it."""
    low, high = tag.range
    for name, quality in (("value Bad", Quality.BAD), ("value Uncertain", Quality.UNCERTAIN)):
        if acts(name):
            return replace(sample, quality=quality)
    for year in _STAMPS_S:
        if acts(f"value stamped {year}"):
            return stamped(sample, year)
    values: tuple[tuple[str, Any], ...] = (
        ("value NaN", math.nan),
        ("value infinite", math.inf),
        ("value beyond the instrument", 1e6),
        ("value of 10**400", _HUGE),
        ("value True", True),
        ("value as text", str(sample.value)),
        ("value of the wrong type", "unreadable"),
        ("value spiked to the end of its range", low + _INSIDE * tag.span),
    )
    for name, value in values:
        if acts(name):
            return valued(sample, value)
    return replace(sample, value=float(rng.uniform(low, high))) if acts("value spiked") else sample


def valued(sample: Sample, value: Any) -> Sample:
    """`sample` with a `value` of any type: a link in another language's hands may hand out anything."""
    changed = replace(sample)
    object.__setattr__(changed, "value", value)
    return changed


def stamped(sample: Sample, year: str) -> Sample:
    """`sample` some time into a `year` of `_STAMPS_S`, which the calendar of 64 bits may not have."""
    return replace(sample, source_ns=round(_STAMPS_S[year] * 1e9) + sample.source_ns % round(_DAY_S * 1e9))


def inside(value: float, tag: Tag) -> float:
    """`value` where `tag` may not stand still: at an end of its range an instrument may."""
    low, high = tag.range
    return min(max(value, low + _INSIDE * tag.span), high - _INSIDE * tag.span)
