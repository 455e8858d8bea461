"""What a plant reports, and what it is told."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

Setpoints = Mapping[str, float]
"""Values for MVs by tag name, in engineering units."""


class Quality(StrEnum):
    """The three severities of an OPC UA status code."""

    GOOD = "Good"
    UNCERTAIN = "Uncertain"
    BAD = "Bad"


_LAST_NS = 2**63 - 1
"""Of the calendar: times are kept as 64-bit numbers, which end in 2262."""


@dataclass(frozen=True, slots=True)
class Sample:
    """One reported value.

    Attributes:
        tag: the name in the plant file.
        value: engineering units; may be non-finite where the quality is not Good.
        quality: as the plant reported it.
        source_ns: when the source measured it, UTC nanoseconds since 1970.
    """

    tag: str
    value: float
    quality: Quality
    source_ns: int


def readable(samples: Sequence[Sample]) -> tuple[Sample, ...]:
    """`samples` with a number for a value, and a time that can be kept, whatever their link says.

    One without a number is Bad; a time before 1970 or after 2262 is that end of the calendar.
    """
    return tuple(_readable(sample) for sample in samples)


def read_number(value: Any) -> float | None:
    """A `value` from a link as a number; `None` where it is none, or too large to be one."""
    try:
        return float(value)
    except (TypeError, ValueError, OverflowError):
        return None


def _readable(sample: Sample) -> Sample:
    source_ns = min(max(sample.source_ns, 0), _LAST_NS)
    value = read_number(sample.value)
    if value is None:
        return Sample(sample.tag, float("nan"), Quality.BAD, source_ns)
    if value is sample.value and source_ns == sample.source_ns:
        return sample
    return Sample(sample.tag, value, sample.quality, source_ns)


@dataclass(frozen=True, slots=True)
class ForecastSample:
    """What is coming of one tag, as reported: nothing about it has been checked.

    Attributes:
        tag: the name in the plant file.
        values: at the ends of the control intervals after `source_ns`, engineering units.
        quality: as reported.
        source_ns: when it was made, UTC nanoseconds since 1970; `None` where it does not say.
    """

    tag: str
    values: tuple[float, ...]
    quality: Quality
    source_ns: int | None
