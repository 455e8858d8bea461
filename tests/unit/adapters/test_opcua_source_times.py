"""Clocks of sources that cannot be right: told of once, and no value is lost to them."""

import pytest
from asyncua import ua

from procwm.plant.samples import Quality
from procwm_adapters.opcua.link.source_times import SourceTimes
from procwm_adapters.opcua.wire.values import opcua_time

NS = 1_000_000_000
NOON = 1_700_000_000 * NS


def value(number: float, source_s: float | None, server_s: float | None, status: int = 0):
    """A `DataValue` stamped so many seconds after noon."""
    times = [None if s is None else opcua_time(NOON + round(s * NS)) for s in (source_s, server_s)]
    return ua.DataValue(
        ua.Variant(number, ua.VariantType.Double),
        StatusCode=ua.StatusCode(status),
        SourceTimestamp=times[0],
        ServerTimestamp=times[1],
    )


@pytest.fixture
def times():
    return SourceTimes("opc.tcp://plant", interval_s=2.0)


def received(times, *values):
    """Values and seconds after noon of what comes of `values`."""
    samples = [times.live("TI1", item, NOON) for item in values]
    return [(sample.value, (sample.source_ns - NOON) / NS) for sample in samples]


def test_a_source_time_that_stands_still_gives_way_to_the_server_s(times, caplog):
    found = received(times, *(value(float(tick), 0.0, tick) for tick in range(8)))
    assert found == [(float(tick), float(tick)) for tick in range(8)]
    assert caplog.text.count("TI1: its value changes and its SourceTimestamp does not") == 1


def test_a_value_that_comes_again_is_the_same_sample(times, caplog):
    first = received(times, value(1.0, 0, 0), value(2.0, 0, 1), value(3.0, 0, 2))
    again = received(times, value(2.0, 0, 1), value(3.0, 0, 2), value(3.0, 0, 2))
    assert again == [first[1], first[2], first[2]]


def test_two_values_at_once_are_both_kept_and_nothing_is_told(times, caplog):
    rows = [value(float(tick + odd), tick, tick) for tick in range(5) for odd in (0, 0.5)]
    found = received(times, *rows)
    assert len({at for _, at in found}) == 10
    assert [at for _, at in found] == sorted(at for _, at in found)
    assert caplog.text == ""


def test_a_quality_that_changes_under_one_source_time_is_newer(times, caplog):
    bad = value(1.0, 0, 5, ua.StatusCodes.Bad)
    samples = [times.live("TI1", item, NOON) for item in (value(1.0, 0, 0), bad, value(1.0, 0, 9))]
    assert [sample.source_ns - NOON for sample in samples] == [0, 5 * NS, 9 * NS]
    assert [sample.quality for sample in samples] == [Quality.GOOD, Quality.BAD, Quality.GOOD]
    assert caplog.text == ""


@pytest.mark.parametrize(
    ("off_s", "said"), [(7200.0, "7.2e+03 s ahead of the server's time"), (-18000.0, "1.8e+04 s behind")]
)
def test_a_source_whose_clock_is_hours_off_is_told_of_once_and_keeps_its_times(times, caplog, off_s, said):
    found = received(times, *(value(float(tick), tick + off_s, tick) for tick in range(6)))
    assert found == [(float(tick), tick + off_s) for tick in range(6)]
    assert caplog.text.count(said) == 1
    assert "TI1" in caplog.text


def test_a_value_that_has_not_changed_for_hours_is_nothing_to_tell(times, caplog):
    received(times, *(value(1.0, -18000.0, tick) for tick in range(6)))
    received(times, value(2.0, 6, 6), value(3.0, 4, 8))
    assert caplog.text == ""


def test_of_many_tags_that_are_wrong_in_one_way_a_few_are_named(times, caplog):
    for number in range(20):
        times.live(f"T{number}", value(1.0, 7200.0, 0), NOON)
    assert caplog.text.count("ahead of the server's time") == 5
    assert "further tags like these are not named" in caplog.text


def test_a_server_that_sends_no_time_of_its_own_is_compared_with_ours(times, caplog):
    assert received(times, value(1.0, 7200.0, None)) == [(1.0, 7200.0)]
    assert "ahead of" in caplog.text
    assert received(times, value(2.0, 7200.0, None), value(3.0, 7200.0, None))[1][0] == 3.0


def test_a_past_value_outside_the_time_asked_for_has_the_server_s_time_or_none(times, caplog):
    span = (NOON, NOON + 10 * NS)
    assert times.past("TI1", value(1.0, 3, 3), *span).source_ns == NOON + 3 * NS
    assert times.past("TI1", value(1.0, -7200, 4), *span).source_ns == NOON + 4 * NS
    assert times.past("TI1", value(1.0, -7200, 40), *span) is None
    assert times.past("TI1", value(1.0, None, None), *span) is None
    assert caplog.text.count("the source's time is not in the time that was asked for") == 1
