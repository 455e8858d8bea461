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
