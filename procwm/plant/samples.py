"""What a plant reports, and what it is told."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

Setpoints = Mapping[str, float]
"""Values for MVs by tag name, in engineering units."""


class Quality(StrEnum):
    """The three severities of an OPC UA status code."""

    GOOD = "Good"
    UNCERTAIN = "Uncertain"
    BAD = "Bad"


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
