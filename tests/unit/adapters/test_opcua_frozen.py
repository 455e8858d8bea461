import asyncio
import os
import signal
import sys
from dataclasses import replace
from itertools import pairwise

import pytest
from waiting import PATIENCE_S, until

from procwm.errors import LinkError, OutcomeUnknownError
from procwm.plant.registry import scenario
from procwm.plant.tags import OpcUaSettings
from procwm_adapters.opcua.link.opcua_link import OpcUaLink
from procwm_adapters.opcua.simulation.simulation_server import SimulationServer

if sys.platform == "win32":
    pytest.skip("freezing a process needs POSIX signals", allow_module_level=True)

SERVE = """
import asyncio
from procwm.plant.registry import scenario
from procwm_adapters.opcua.simulation.simulation_server import SimulationServer

async def main():
    async with SimulationServer(scenario("quadruple_tank").simulate(seed=0), speed=50.0) as server:
        print(server.spec.opcua.endpoint, flush=True)
        await asyncio.sleep(600)

asyncio.run(main())
"""


async def test_a_write_to_a_frozen_server_is_unknown_may_happen_and_nothing_is_lost_or_doubled():
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", SERVE, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    endpoint = (await process.stdout.readline()).decode().strip()
    plant = SimulationServer(scenario("quadruple_tank").simulate(seed=0)).spec
    name = plant.mvs[0].name
    target = sum(plant.mvs[0].bounds) / 2.0
    served = replace(plant, opcua=OpcUaSettings(endpoint=endpoint))
    try:
        async with OpcUaLink(served, publishing_s=0.05, timeout_s=PATIENCE_S, watchdog_s=3.0) as link:
            link.reaffirms = False
            await asyncio.sleep(0.3)
            os.kill(process.pid, signal.SIGSTOP)
            link.client.uaclient.protocol.timeout = 1.0
            with pytest.raises(OutcomeUnknownError, match=rf"writing {name} = .* no answer in time"):
                await link.write({name: target})
            await until(lambda: not link.connected)
            with pytest.raises(LinkError, match="was not written"):
                await link.write({name: 2.0})
            os.kill(process.pid, signal.SIGCONT)
            await until(lambda: link.connected)
            seen = link.drain()

            def written():
                seen.extend(link.drain())
                return any(sample.tag == name and sample.value == target for sample in seen)

            await until(written)
    finally:
        process.kill()
        await process.communicate()
    keys = [(sample.tag, sample.source_ns) for sample in seen]
    assert len(keys) == len(set(keys))
    step_ns = round(plant.interval_s * 1e9)
    at_ticks = sorted({s.source_ns for s in seen if s.tag == name and s.source_ns % step_ns == 0})
    assert {later - earlier for earlier, later in pairwise(at_ticks)} == {step_ns}
