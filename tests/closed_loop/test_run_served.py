"""`procwm run --serve` beside a served plant, with an operator at an OPC UA client and a view."""

import asyncio
import json
import re
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from asyncua import Client, ua
from judged import judged_fit
from waiting import PATIENCE_S

from procwm.cli import run
from procwm.cli.running import Running
from procwm.cli.view import _view
from procwm.errors import LinkError
from procwm.plant import registry
from procwm.plant.front import MODES
from procwm.plant.scenario import Operation
from procwm.plant.settings import OpcUaSettings
from procwm.runtime.audit import check_audit
from procwm.runtime.fronts import with_front_ends
from procwm.testing import exact_model
from procwm_adapters.opcua.console.fact_nodes import NAMESPACE
from procwm_adapters.opcua.simulation.simulation_server import SimulationServer

UINT, DOUBLE = ua.VariantType.UInt32, ua.VariantType.Double


@pytest.fixture
async def url(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> AsyncIterator[str]:
    """Where a controller of a simulated plant, begun in SHADOW and recorded in `run`, is served."""
    simulated = registry.scenario("quadruple_tank").simulate(seed=0, operation=Operation.EXTERNAL)
    async with SimulationServer(simulated, speed=40.0) as server:
        plant = replace(server.spec, control=simulated.spec.control)
        crude = exact_model(plant, state_matrix=0.9 * np.eye(2), input_matrix=0.4 * np.eye(2))
        judged_fit(crude).save(tmp_path / "model")
        running = Running(
            with_front_ends(plant, serve="opc.tcp://127.0.0.1:0", metrics=None),
            tmp_path / "model",
            mode="shadow",
            setpoints=[],
            out=tmp_path / "run",
        )
        going = asyncio.create_task(running.run("opcua", registry.clock("opcua"), None))
        said = ""
        async with asyncio.timeout(PATIENCE_S):
            while not (found := re.search(r"serving the controller at (opc\.tcp://\S+)", said)):
                await asyncio.sleep(0.05)
                said += capsys.readouterr().err
                assert not going.done(), said
        yield found[1]
        going.cancel()
        await asyncio.gather(going, return_exceptions=True)


async def test_an_operator_takes_the_controller_to_auto_and_tightens_a_limit_and_widens_none(
    url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    async with Client(url) as client, asyncio.timeout(PATIENCE_S):
        index = await client.get_namespace_index(NAMESPACE)

        async def read(path: str) -> object:
            value = await client.get_node(ua.NodeId(path, index)).read_data_value(raise_on_bad_status=False)
            return None if value.Value is None else value.Value.Value

        async def write(path: str, value: object, kind: object) -> None:
            await client.get_node(ua.NodeId(path, index)).write_value(ua.DataValue(ua.Variant(value, kind)))

        async def until(path: str, value: object) -> None:
            while await read(path) != value:
                await asyncio.sleep(0.05)

        while await read("Heartbeat") == 0:
            await asyncio.sleep(0.05)
        assert await read("Mode.Actual") == MODES.index("shadow")
        await write("Mode.Request", MODES.index("auto"), UINT)
        await until("Mode.Actual", MODES.index("auto"))
        high = await read("Variables.P1.SP.LimitHigh")
        assert isinstance(high, float)
        await write("Variables.P1.SP.LimitHighRequest", high - 0.5, DOUBLE)
        await until("Variables.P1.SP.LimitHigh", high - 0.5)
        with pytest.raises(ua.uaerrors.BadOutOfRange):
            await write("Variables.P1.SP.LimitHighRequest", high + 0.5, DOUBLE)
        beat = await read("Heartbeat")
        while await read("Heartbeat") in (beat, beat + 1):
            await asyncio.sleep(0.05)
        assert await read("Variables.P1.SP.LimitHigh") == high - 0.5
        capsys.readouterr()
        await _view(OpcUaSettings(endpoint=url), 2)
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2
    assert all("LT1.PV" in line and "P1.SP" in line for line in lines)
    audit = tmp_path / "run" / "audit.jsonl"
    assert check_audit(audit) > 0
    told = [json.loads(line) for line in audit.read_text().splitlines()]
    requests = [entry["text"] for entry in told if entry["event"] == "request"]
    who = "request of anonymous over OPC UA"
    assert requests[0] == f"{who} taken up: mode auto"
    assert requests[1].startswith(f"{who} taken up: P1.SP high limit")
    assert requests[2].startswith(f"{who} refused (P1.SP high limit")
    assert len(requests) == 3


def test_a_controller_that_is_not_there_ends_a_view_with_one_sentence(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(["view", "opc.tcp://127.0.0.1:9", "--cycles", "1"]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "127.0.0.1:9" in said


async def test_a_plant_is_no_controller() -> None:
    simulated = registry.scenario("quadruple_tank").simulate(seed=0)
    async with SimulationServer(simulated) as server:
        assert server.spec.opcua is not None
        with pytest.raises(LinkError, match="no controller of procwm"):
            await _view(server.spec.opcua, 1)
