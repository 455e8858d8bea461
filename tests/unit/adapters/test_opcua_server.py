import asyncio
from dataclasses import replace
from itertools import pairwise

import pytest
import pytest_asyncio
from asyncua import Client, ua
from opcua_doubles import LEVEL, PUMP, STEP_NS, FakePlant
from waiting import PATIENCE_S

from procwm.errors import LinkError, SpecError
from procwm_adapters.opcua.link.opcua_link import OpcUaLink
from procwm_adapters.opcua.simulation.lockstep import OpcUaLockstep, ServedTime
from procwm_adapters.opcua.simulation.simulation_server import (
    ADVANCE,
    LARGEST_ADVANCE,
    NAMESPACE,
    SimulationServer,
)

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def server():
    async with SimulationServer(FakePlant()) as running:
        yield running


async def test_a_tag_is_an_analog_item_with_the_unit_and_range_of_the_plant_file(server):
    async with Client(server.spec.opcua.endpoint) as client:
        node = client.get_node(LEVEL.node)
        assert (await node.read_type_definition()).Identifier == ua.ObjectIds.AnalogItemType
        unit, limits = await client.read_values(
            [await node.get_child(["0:EngineeringUnits"]), await node.get_child(["0:EURange"])]
        )
    assert unit.DisplayName.Text == "cm"
    assert (limits.Low, limits.High) == LEVEL.range


async def test_the_spec_of_the_server_is_refused_when_its_unit_is_altered(server):
    tags = tuple(replace(tag, unit="m") if tag.name == LEVEL.name else tag for tag in server.spec.tags)
    with pytest.raises(SpecError, match=r"LT1\.PV: unit is m in the plant file and cm on the server"):
        async with OpcUaLink(replace(server.spec, tags=tags)):
            pass


async def test_another_range_on_the_server_is_warned_of_and_only_that_of_the_tag(server, caplog):
    tags = tuple(
        replace(tag, range=(0.0, 25.0)) if tag.name == LEVEL.name else tag for tag in server.spec.tags
    )
    async with OpcUaLink(replace(server.spec, tags=tags)):
        pass
    said = [record.message for record in caplog.records if "range is" in record.message]
    assert said == [
        "LT1.PV: range is [0, 25] in the plant file and [0, 20] on the server; correct the wrong one"
    ]


async def test_the_plant_decides_what_is_accepted(server):
    async with OpcUaLink(server.spec, settle_s=0.0) as link:
        assert await link.write({PUMP.name: 9.5}) == {PUMP.name: 8.0}
        assert await link.write({PUMP.name: 2.0}) == {PUMP.name: 2.0}


@pytest.mark.parametrize(
    ("node", "value", "refusal"),
    [
        (PUMP.node, ua.Variant(4, ua.VariantType.Int64), ua.uaerrors.BadTypeMismatch),
        (PUMP.node, ua.Variant(float("nan"), ua.VariantType.Double), ua.uaerrors.BadOutOfRange),
        (LEVEL.node, ua.Variant(4.0, ua.VariantType.Double), ua.uaerrors.BadUserAccessDenied),
    ],
)
async def test_a_wrong_type_no_number_and_a_measurement_are_not_written(server, node, value, refusal):
    async with Client(server.spec.opcua.endpoint) as client:
        before = await client.get_node(node).read_value()
        with pytest.raises(refusal):
            await client.get_node(node).write_value(ua.DataValue(value))
        assert await client.get_node(node).read_value() == before


@pytest.mark.parametrize("intervals", [0, LARGEST_ADVANCE + 1])
async def test_no_call_advances_by_nothing_or_without_end(server, intervals):
    async with Client(server.spec.opcua.endpoint) as client:
        index = await client.get_namespace_index(NAMESPACE)
        folder = client.get_node(ua.NodeId("Simulation", index))
        with pytest.raises(ua.uaerrors.BadOutOfRange):
            await folder.call_method(ua.NodeId(ADVANCE, index), ua.Variant(intervals, ua.VariantType.UInt32))


async def test_with_a_speed_simulated_time_runs_by_itself_and_a_clock_follows_it():
    async with SimulationServer(FakePlant(), speed=20.0) as server, OpcUaLink(server.spec) as link:
        ticks, seen = [], []
        async with asyncio.timeout(PATIENCE_S):
            async for now in ServedTime(link).ticks(1.0):
                seen += link.drain()
                ticks.append(now)
                if len(ticks) == 5:
                    break
        with pytest.raises(LinkError, match="advancing the simulation failed"):
            await OpcUaLockstep(link).advance()
    steps = [(later - earlier) // STEP_NS for earlier, later in pairwise(ticks)]
    assert all(step >= 1 for step in steps)
    assert all(sample.source_ns <= ticks[-1] for sample in seen)


@pytest.mark.parametrize("speed", [0.0, -1.0, float("nan")])
async def test_a_speed_that_is_not_above_zero_is_refused(speed):
    with pytest.raises(SpecError, match="speed"):
        SimulationServer(FakePlant(), speed=speed)
