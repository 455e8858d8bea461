import pytest

from procwm.plant.registry import scenario
from procwm.plant.samples import Quality, Sample
from procwm.testing import check_link
from procwm_adapters.memory import MemoryLink
from procwm_adapters.opcua.link.opcua_link import OpcUaLink
from procwm_adapters.opcua.simulation.lockstep import OpcUaLockstep
from procwm_adapters.opcua.simulation.simulation_server import SimulationServer

TANKS = scenario("quadruple_tank")
MIDDLE = {tag.name: (tag.bounds[0] + tag.bounds[1]) / 2.0 for tag in TANKS.plant.mvs}


async def test_the_opcua_link_keeps_the_contract_of_a_link():
    async with SimulationServer(TANKS.simulate(seed=0)) as server, OpcUaLink(server.spec) as link:
        await OpcUaLockstep(link).advance(3)
        await check_link(link, MIDDLE)


async def test_the_memory_link_keeps_the_contract_of_a_link():
    tag = TANKS.plant.cvs[0].name
    samples = [Sample(tag, 1.0, Quality.GOOD, time_ns) for time_ns in (2, 0, 1)]
    await check_link(MemoryLink(TANKS.plant, samples), MIDDLE)


async def test_a_link_that_answers_something_else_breaks_the_contract():
    class Deaf(MemoryLink):
        async def write(self, setpoints):
            return dict.fromkeys(setpoints, 0.0)

    with pytest.raises(AssertionError, match="what the plant accepted"):
        await check_link(Deaf(TANKS.plant), MIDDLE)


async def test_a_link_that_writes_anything_breaks_the_contract():
    class Careless(MemoryLink):
        async def write(self, setpoints):
            return dict(setpoints)

    with pytest.raises(AssertionError, match="must be refused"):
        await check_link(Careless(TANKS.plant), MIDDLE)
