import pytest
from opcua_doubles import PUMP, START_NS, STEP_NS, FakePlant, comparable

from procwm.errors import LinkError
from procwm.plant.registry import scenario
from procwm.plant.samples import Quality
from procwm.plant.scenario import Operation
from procwm_adapters.opcua.link.opcua_link import OpcUaLink
from procwm_adapters.opcua.simulation.lockstep import OpcUaLockstep, ServedTime
from procwm_adapters.opcua.simulation.simulation_server import SimulationServer


async def recorded_over_opcua(plant, intervals):
    async with SimulationServer(plant) as server, OpcUaLink(server.spec) as link:
        seen = [sample async for batch in OpcUaLockstep(link).record(intervals) for sample in batch]
        assert link.dropped == 0
    return seen


def recorded_in_process(plant, intervals):
    seen = list(plant.drain())
    for _ in range(intervals):
        plant.advance()
        seen += plant.drain()
    return seen


async def test_a_recording_over_opcua_equals_the_simulation_sample_for_sample():
    seen = await recorded_over_opcua(FakePlant(), 450)
    assert comparable(seen) == comparable(recorded_in_process(FakePlant(), 450))
    assert {sample.quality for sample in seen} == set(Quality)


@pytest.mark.parametrize("name", ["quadruple_tank", "cstr"])
async def test_a_scenario_recorded_over_opcua_equals_the_scenario_in_process(name):
    there = scenario(name).simulate(seed=3, operation=Operation.ROUTINE)
    here = scenario(name).simulate(seed=3, operation=Operation.ROUTINE)
    assert comparable(await recorded_over_opcua(there, 60)) == comparable(recorded_in_process(here, 60))


async def controlled(link, clock, intervals):
    """What a controller meets: at every tick the samples since the last one, and the answer to a write."""
    met = []
    async for now in clock.ticks(1.0):
        met.append((now, comparable(link.drain()), await link.write({PUMP.name: 2.0 + len(met) % 8})))
        if len(met) == intervals:
            return met


async def test_control_after_a_warm_up_over_opcua_equals_control_in_process():
    async with SimulationServer(FakePlant()) as server, OpcUaLink(server.spec, settle_s=0.0) as link:
        clock = OpcUaLockstep(link)
        assert await clock.advance(5) == START_NS + 5 * STEP_NS
        over_opcua = await controlled(link, clock, 30)
    plant = FakePlant()
    for _ in range(5):
        plant.advance()
    assert over_opcua == await controlled(plant, plant, 30)


async def test_a_simulation_that_diverges_is_named_and_leaves_every_tag_bad():
    async with SimulationServer(FakePlant(fails_at=10)) as server, OpcUaLink(server.spec) as link:
        clock = OpcUaLockstep(link)
        with pytest.raises(LinkError, match="the tank burst"):
            await clock.advance(20)
        async for now in ServedTime(link).ticks(1.0):
            assert now == START_NS + 9 * STEP_NS
            break
        last = {sample.tag: sample.quality for sample in link.drain()}
    assert set(last.values()) == {Quality.BAD}
