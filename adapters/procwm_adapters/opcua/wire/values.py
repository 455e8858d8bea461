"""What OPC UA values mean to procwm: status, time, number and unit. Part 8 and Part 4 of the standard."""

import math
import sys
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncua import ua

from procwm.errors import LinkRefusedError
from procwm.plant.samples import ForecastSample, Quality, Sample
from procwm.plant.units import canonical_unit

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_KNOWN_YEARS = range(1970, 2262)
"""Of times that can have been: servers send the ends of OPC UA's calendar, 1601 and 9999, for no time known,
and clocks that were never set give others; the numbers that times are kept in end in 2262."""

_WHOLE_RANGE = {
    ua.VariantType.Boolean: (0, 1),
    ua.VariantType.SByte: (-(2**7), 2**7 - 1),
    ua.VariantType.Byte: (0, 2**8 - 1),
    ua.VariantType.Int16: (-(2**15), 2**15 - 1),
    ua.VariantType.UInt16: (0, 2**16 - 1),
    ua.VariantType.Int32: (-(2**31), 2**31 - 1),
    ua.VariantType.UInt32: (0, 2**32 - 1),
    ua.VariantType.Int64: (-(2**63), 2**63 - 1),
    ua.VariantType.UInt64: (0, 2**64 - 1),
}
_FLOATING_RANGE = {
    ua.VariantType.Float: (-3.4028234663852886e38, 3.4028234663852886e38),
    ua.VariantType.Double: (-sys.float_info.max, sys.float_info.max),
}
_COUNTED = {ua.VariantType.Float: 2**24, ua.VariantType.Double: 2**53}
"""Whole numbers from 0 on that differ from the one before them (IEEE 754, significands of 24 and 53 bits)."""
WHOLE = frozenset(_WHOLE_RANGE)
"""Built-in types whose values are whole numbers to procwm, and"""
NUMERIC = frozenset({*_WHOLE_RANGE, *_FLOATING_RANGE})
"""those whose values are numbers."""

_QUEUE_OVERFLOWED = 0x0480
"""InfoType DataValue with the Overflow bit (Part 4, 7.39.1): the server dropped values before this one."""


def quality_of(status: Any) -> Quality:
    """The severity of a `StatusCode`; an absent one means Good (Part 4, 7.11)."""
    if status is None or status.is_good():
        return Quality.GOOD
    return Quality.UNCERTAIN if status.is_uncertain() else Quality.BAD


def status_of(quality: Quality) -> Any:
    """The plain `StatusCode` of a severity."""
    codes = {Quality.GOOD: "Good", Quality.UNCERTAIN: "Uncertain", Quality.BAD: "Bad"}
    return ua.StatusCode(getattr(ua.StatusCodes, codes[quality]))


def overflowed(status: Any) -> bool:
    """Whether the server says that it dropped values of this item before this one."""
    return status is not None and status.value & _QUEUE_OVERFLOWED == _QUEUE_OVERFLOWED


def nanoseconds(time: datetime | None) -> int | None:
    """UTC nanoseconds since 1970; `None` for no time, and for one that cannot have been."""
    if time is None or time.year not in _KNOWN_YEARS:
        return None
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return (aware - _EPOCH) // _MICROSECOND * 1000


def opcua_time(time_ns: int) -> datetime:
    """The first instant, not before `time_ns`, that the OPC UA library can write (whole microseconds)."""
    return _EPOCH + timedelta(microseconds=-(-time_ns // 1000))


def data_value(sample: Sample) -> Any:
    """A sample as a `DataValue` of type Double, its source time as both times."""
    time = opcua_time(sample.source_ns)
    return ua.DataValue(
        ua.Variant(sample.value, ua.VariantType.Double),
        StatusCode=status_of(sample.quality),
        SourceTimestamp=time,
        ServerTimestamp=time,
    )


def number_of(value: Any) -> float:
    """The value of a `DataValue` as a float; NaN where it holds no number."""
    held = None if value.Value is None else value.Value.Value
    return float(held) if isinstance(held, bool | int | float) else math.nan


def sample_of(tag: str, value: Any, received_ns: int) -> Sample:
    """A `DataValue` as a sample.

    Its time is SourceTimestamp, else ServerTimestamp, else `received_ns`. A value that is not a
    finite number is Bad whatever the server calls it.
    """
    source_ns = nanoseconds(value.SourceTimestamp)
    if source_ns is None:
        source_ns = nanoseconds(value.ServerTimestamp)
    number = number_of(value)
    quality = quality_of(value.StatusCode) if math.isfinite(number) else Quality.BAD
    return Sample(tag, number, quality, received_ns if source_ns is None else source_ns)


def forecast_of(tag: str, value: Any) -> ForecastSample:
    """A `DataValue` that holds an array as what is known ahead of `tag`; no values where it holds none.

    Its time is SourceTimestamp alone: any other says when the server was asked, and makes an old one new.
    """
    held = None if value.Value is None else value.Value.Value
    values = held if isinstance(held, list) and all(isinstance(x, bool | int | float) for x in held) else ()
    return ForecastSample(
        tag, tuple(float(x) for x in values), quality_of(value.StatusCode), nanoseconds(value.SourceTimestamp)
    )


def held_range(kind: Any) -> tuple[Any, Any]:
    """The least and the largest number that a node of the numeric type `kind` holds."""
    return _WHOLE_RANGE.get(kind) or _FLOATING_RANGE[kind]


def counted(count: int, kind: Any) -> int:
    """A counter at `count` as a node of the numeric type `kind` shows it: there it begins again from 0."""
    shown: int = count % _COUNTED.get(kind, min(held_range(kind)[1] + 1, _COUNTED[ua.VariantType.Double]))
    return shown


def variant_of(tag: str, value: float, kind: Any) -> Any:
    """`value` as a `Variant` of the numeric type `kind`; `LinkRefusedError` where it does not fit."""
    if not math.isfinite(value):
        raise LinkRefusedError(f"{tag}: {value} cannot be written; a setpoint is a finite number")
    held: float = round(value) if kind in WHOLE else float(value)
    low, high = held_range(kind)
    if not low <= held <= high:
        raise LinkRefusedError(f"{tag}: {value} does not fit the node's type {kind.name} ({low} to {high})")
    return ua.Variant(bool(held) if kind is ua.VariantType.Boolean else held, kind)


def same_unit(ours: str, theirs: str) -> bool:
    """Whether two unit texts mean the same; an empty one says nothing and contradicts nothing."""
    return not ours.strip() or not theirs.strip() or canonical_unit(ours) == canonical_unit(theirs)
