"""What OPC UA values mean to procwm: status, time, number and unit. Part 8 and Part 4 of the standard."""

import math
from datetime import UTC, datetime, timedelta
from typing import Any

from asyncua import ua

from procwm.errors import LinkRefusedError
from procwm.plant.samples import Outlook, Quality, Sample
from procwm.plant.units import canonical_unit

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_UNKNOWN_YEARS = (1601, 9999)
"""OPC UA's smallest and largest DateTime; servers send them for "no time known"."""

_INTEGER_BITS = {
    ua.VariantType.SByte: (8, True),
    ua.VariantType.Byte: (8, False),
    ua.VariantType.Int16: (16, True),
    ua.VariantType.UInt16: (16, False),
    ua.VariantType.Int32: (32, True),
    ua.VariantType.UInt32: (32, False),
    ua.VariantType.Int64: (64, True),
    ua.VariantType.UInt64: (64, False),
}
_FLOATING = (ua.VariantType.Float, ua.VariantType.Double)
WHOLE = frozenset({ua.VariantType.Boolean, *_INTEGER_BITS})
"""Built-in types whose values are whole numbers to procwm, and"""
NUMERIC = frozenset({*WHOLE, *_FLOATING})
"""those whose values are numbers."""

_LARGEST_FLOAT = 3.4028234663852886e38
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
    """UTC nanoseconds since 1970; `None` for no time, and for the ends of the OPC UA calendar."""
    if time is None or time.year in _UNKNOWN_YEARS:
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


def outlook_of(tag: str, value: Any) -> Outlook:
    """A `DataValue` that holds an array as what is known ahead of `tag`; no values where it holds none.

    Its time is SourceTimestamp alone: any other says when the server was asked, and makes an old one new.
    """
    held = None if value.Value is None else value.Value.Value
    values = held if isinstance(held, list) and all(isinstance(x, bool | int | float) for x in held) else ()
    return Outlook(
        tag, tuple(float(x) for x in values), quality_of(value.StatusCode), nanoseconds(value.SourceTimestamp)
    )


def variant_of(tag: str, value: float, kind: Any) -> Any:
    """`value` as a `Variant` of the built-in type `kind`; `LinkRefusedError` where it does not fit."""
    if not math.isfinite(value):
        raise LinkRefusedError(f"{tag}: {value} cannot be written; a setpoint is a finite number")
    if kind in _INTEGER_BITS:
        bits, signed = _INTEGER_BITS[kind]
        low, high = (-(2 ** (bits - 1)), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
        whole = round(value)
        if not low <= whole <= high:
            raise LinkRefusedError(
                f"{tag}: {value} does not fit the node's type {kind.name} ({low} to {high})"
            )
        return ua.Variant(whole, kind)
    if kind is ua.VariantType.Boolean:
        return ua.Variant(bool(round(value)), kind)
    if kind is ua.VariantType.Float and abs(value) > _LARGEST_FLOAT:
        raise LinkRefusedError(f"{tag}: {value} does not fit the node's type Float")
    return ua.Variant(float(value), kind)


def same_unit(ours: str, theirs: str) -> bool:
    """Whether two unit texts mean the same; an empty one says nothing and contradicts nothing."""
    return not ours.strip() or not theirs.strip() or canonical_unit(ours) == canonical_unit(theirs)
