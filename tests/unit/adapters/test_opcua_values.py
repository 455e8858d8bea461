import math
from datetime import UTC, datetime

import pytest
from asyncua import ua
from hypothesis import given
from hypothesis import strategies as st

from procwm.errors import LinkError
from procwm.plant.samples import Quality
from procwm_adapters.opcua.wire.values import (
    nanoseconds,
    opcua_time,
    overflowed,
    quality_of,
    same_unit,
    sample_of,
    status_of,
    variant_of,
)

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
NOON_NS = int(NOON.timestamp()) * 10**9


def data_value(held, **changes):
    return ua.DataValue(ua.Variant(held), **({"SourceTimestamp": NOON} | changes))


@pytest.mark.parametrize(
    ("code", "quality"),
    [
        ("Good", Quality.GOOD),
        ("GoodLocalOverride", Quality.GOOD),
        ("UncertainLastUsableValue", Quality.UNCERTAIN),
        ("BadSensorFailure", Quality.BAD),
        ("BadNoCommunication", Quality.BAD),
    ],
)
def test_the_severity_of_a_status_code_is_the_quality(code, quality):
    assert quality_of(ua.StatusCode(getattr(ua.StatusCodes, code))) is quality


def test_reserved_severity_is_bad_and_no_status_is_good():
    assert quality_of(ua.StatusCode(0xC0000000)) is Quality.BAD
    assert quality_of(None) is Quality.GOOD


@pytest.mark.parametrize("quality", Quality)
def test_a_quality_survives_the_way_through_a_status_code(quality):
    assert quality_of(status_of(quality)) is quality


def test_the_source_time_counts_before_the_server_time_and_that_before_the_time_of_receipt():
    later = datetime(2024, 5, 1, 13, tzinfo=UTC)
    assert sample_of("a", data_value(1.0, ServerTimestamp=later), 7).source_ns == NOON_NS
    only_server = data_value(1.0, SourceTimestamp=None, ServerTimestamp=NOON)
    assert sample_of("a", only_server, 7).source_ns == NOON_NS
    assert sample_of("a", data_value(1.0, SourceTimestamp=None), 7).source_ns == 7


@pytest.mark.parametrize(
    "end",
    [
        datetime(9999, 12, 31, 23, 59, 59, tzinfo=UTC),
        datetime(1601, 1, 1, tzinfo=UTC),
        datetime(1650, 6, 1, tzinfo=UTC),
        datetime(1969, 12, 31, tzinfo=UTC),
        datetime(2262, 6, 1, tzinfo=UTC),
        datetime(2300, 1, 1),
    ],
)
def test_a_time_that_cannot_have_been_is_no_time(end):
    assert nanoseconds(end) is None
    assert sample_of("a", data_value(1.0, SourceTimestamp=end, ServerTimestamp=NOON), 7).source_ns == NOON_NS


def test_a_time_without_a_zone_is_utc():
    assert nanoseconds(NOON.replace(tzinfo=None)) == NOON_NS


@given(st.integers(0, 2**62))
def test_a_time_is_written_as_the_next_microsecond_and_never_earlier(time_ns):
    assert 0 <= nanoseconds(opcua_time(time_ns)) - time_ns < 1000


@pytest.mark.parametrize(("held", "number"), [(1.5, 1.5), (3, 3.0), (True, 1.0), (False, 0.0)])
def test_any_number_or_boolean_is_a_float(held, number):
    sample = sample_of("a", data_value(held), 7)
    assert (sample.value, sample.quality) == (number, Quality.GOOD)


@pytest.mark.parametrize("held", [math.nan, math.inf, None, "text"])
def test_what_is_not_a_finite_number_is_bad_whatever_the_server_calls_it(held):
    assert sample_of("a", data_value(held), 7).quality is Quality.BAD


def test_an_overflowed_queue_on_the_server_is_noticed():
    assert overflowed(ua.StatusCode(0x00000480))
    assert not overflowed(ua.StatusCode(0x00000400))
    assert not overflowed(None)


@pytest.mark.parametrize(
    ("value", "kind", "written"),
    [
        (2.6, ua.VariantType.Int16, 3),
        (255.0, ua.VariantType.Byte, 255),
        (1.0, ua.VariantType.Boolean, True),
        (2.5, ua.VariantType.Double, 2.5),
        (2.0, ua.VariantType.Float, 2.0),
    ],
)
def test_a_setpoint_is_cast_to_the_type_of_its_node(value, kind, written):
    variant = variant_of("a", value, kind)
    assert (variant.Value, variant.VariantType) == (written, kind)
    assert type(variant.Value) is type(written)


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        (256.0, ua.VariantType.Byte),
        (-1.0, ua.VariantType.UInt32),
        (1e39, ua.VariantType.Float),
        (math.nan, ua.VariantType.Double),
        (math.inf, ua.VariantType.Int32),
    ],
)
def test_a_setpoint_that_does_not_fit_is_refused_by_name(value, kind):
    with pytest.raises(LinkError, match=r"P1\.SP"):
        variant_of("P1.SP", value, kind)


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [("degC", "°C"), ("m3/h", "m³/h"), ("%", "percent"), ("cm", " cm "), ("", "bar"), ("V", "")],
)
def test_spellings_of_one_unit_agree(ours, theirs):
    assert same_unit(ours, theirs)
    assert same_unit(theirs, ours)


@pytest.mark.parametrize(("ours", "theirs"), [("degC", "degF"), ("mV", "MV"), ("cm", "m"), ("bar", "kPa")])
def test_different_units_differ(ours, theirs):
    assert not same_unit(ours, theirs)
