"""Which forecasts of a plant count: each reason to leave one out, and what is left of one as time goes by."""

import asyncio
from dataclasses import replace

import pytest
from asyncua import ua
from opcua_doubles import FLOW, LEVEL, PUMP, STEADY, serving, tank
from waiting import PATIENCE_S

from procwm.errors import LinkError, SpecError
from procwm.plant.plantfile.specfile import dump_plant, parse_plant
from procwm.plant.samples import ForecastSample, Quality
from procwm.runtime.forecast_check import ForecastCheck
from procwm_adapters.opcua.link.opcua_link import OpcUaLink
from procwm_adapters.opcua.wire.values import opcua_time

NOW = 1_760_000_000_000_000_000
SECOND = 1_000_000_000
COMING = replace(FLOW, forecast_node="ns=2;s=FT1.FC")
WANTED = replace(LEVEL, forecast_node="ns=2;s=LT1.FC")
PLANT = tank(tags=(WANTED, COMING, STEADY, PUMP))


def flow(*values: float, quality: Quality = Quality.GOOD, made_ns: int | None = NOW) -> ForecastSample:
    return ForecastSample("FT1.PV", values, quality, made_ns)


@pytest.mark.parametrize(
    ("reported", "why"),
    [
        (flow(1.0, 2.0, quality=Quality.BAD), "its quality is Bad"),
        (flow(1.0, 2.0, quality=Quality.UNCERTAIN), "its quality is Uncertain"),
        (flow(1.0, 2.0, made_ns=None), "it carries no source time, so nobody knows when it was made"),
        (flow(1.0, made_ns=NOW + 2 * SECOND), "it is stamped .*, more than 1 s ahead of our clock"),
        (flow(), "it holds no numbers"),
        (flow(1.0, float("nan")), "its value 2 is nan"),
        (flow(1.0, float("inf")), "its value 2 is inf"),
        (flow(1.0, 2.0, 5.5), r"its value 3, 5.5, is beyond the instrument's range \[0.0, 5.0\]"),
        (flow(1.0, 2.0, made_ns=NOW - 2 * SECOND), "it is over: it was made at .* for 2 intervals"),
    ],
)
def test_a_forecast_not_to_be_trusted_counts_for_nothing_and_is_told_once(
    reported: ForecastSample, why: str
) -> None:
    check = ForecastCheck(PLANT)
    forecast, told = check.known((reported,), NOW, asked=())
    assert forecast == {}
    assert told[0] == "forecast of LT1.PV not used: there is none"
    with pytest.raises(AssertionError, match=f"^forecast of FT1.PV not used: {why}$"):
        raise AssertionError(told[1])
    assert check.known((reported,), NOW, asked=()) == ({}, [])


def test_a_forecast_is_moved_up_as_time_goes_by_and_told_when_it_begins_and_ends_to_count() -> None:
    check, samples = ForecastCheck(tank(tags=(LEVEL, COMING, STEADY, PUMP))), (flow(1.0, 2.0, 3.0),)
    forecast, told = check.known(samples, NOW, asked=())
    assert forecast == {"FT1.PV": (1.0, 2.0, 3.0)}
    assert told == ["forecast of FT1.PV taken up: 1, 2, 3, made at 2025-10-09T08:53:20Z"]
    assert check.known(samples, NOW + SECOND + 1, asked=()) == ({"FT1.PV": (2.0, 3.0)}, [])
    assert check.known(samples, NOW + 2 * SECOND, asked=())[0] == {"FT1.PV": (3.0,)}
    forecast, told = check.known(samples, NOW + 3 * SECOND, asked=())
    assert forecast == {}
    assert told[0].startswith("forecast of FT1.PV not used: it is over")


def test_a_setpoint_given_at_run_time_goes_before_the_setpoints_to_come() -> None:
    samples = (ForecastSample("LT1.PV", (9.0, 8.0), Quality.GOOD, NOW), flow(1.0))
    assert ForecastCheck(PLANT).known(samples, NOW, asked=())[0] == {"LT1.PV": (9.0, 8.0), "FT1.PV": (1.0,)}
    assert ForecastCheck(PLANT).known(samples, NOW, asked={"LT1.PV"})[0] == {"FT1.PV": (1.0,)}


def test_a_link_that_brings_no_forecasts_leaves_the_plant_without() -> None:
    assert ForecastCheck(PLANT).known((), NOW, asked=())[0] == {}


def test_only_cvs_and_dvs_have_a_forecast_and_the_plant_file_keeps_it() -> None:
    with pytest.raises(SpecError, match="a MV takes no forecast_node; only CV or DV tags do"):
        replace(PUMP, forecast_node="ns=2;s=P")
    assert parse_plant(dump_plant(PLANT)) == PLANT


def number(value: float) -> ua.Variant:
    return ua.Variant(value, ua.VariantType.Double)


TAGS = {"LT1.PV": number(10.0), "FT1.PV": number(1.0), "TT1.PV": number(20.0), "P1.SP": number(3.0)}


async def test_an_array_on_a_server_is_brought_with_its_quality_and_the_time_that_it_was_made() -> None:
    array = ua.Variant([1.0, 2.5], ua.VariantType.Float)
    made = ua.DataValue(array, SourceTimestamp=opcua_time(NOW))
    async with serving({**TAGS, "FT1.FC": made}) as (server, url):
        spec = tank(url, tags=(LEVEL, COMING, STEADY, PUMP))
        async with OpcUaLink(spec, publishing_s=0.05) as link:
            node = server.get_node("ns=2;s=FT1.FC")
            assert await brought(link) == ForecastSample("FT1.PV", (1.0, 2.5), Quality.GOOD, NOW)
            bad = ua.StatusCode(ua.StatusCodes.BadDeviceFailure)
            await node.write_value(ua.DataValue(array, StatusCode=bad, SourceTimestamp=opcua_time(NOW)))
            while (found := await brought(link)).quality is Quality.GOOD:
                pass
            assert found.quality is Quality.BAD
            assert {sample.tag for sample in link.drain()} <= set(TAGS)


async def brought(link: OpcUaLink) -> ForecastSample:
    async with asyncio.timeout(PATIENCE_S):
        while True:
            await asyncio.sleep(0.02)
            for reported in link.forecasts():
                return reported


@pytest.mark.parametrize(
    ("held", "sentence"),
    [
        (number(1.0), "FT1.PV forecast: node ns=2;s=FT1.FC holds one number; a forecast is an array"),
        (ua.Variant(["much"], ua.VariantType.String), "FT1.PV forecast: node .* holds String"),
    ],
)
async def test_a_node_that_is_no_array_of_numbers_is_told_when_the_connection_is_made(
    held: ua.Variant, sentence: str
) -> None:
    async with serving({**TAGS, "FT1.FC": held}) as (_, url):
        with pytest.raises(LinkError, match=sentence):
            async with OpcUaLink(tank(url, tags=(LEVEL, COMING, STEADY, PUMP))):
                pass
