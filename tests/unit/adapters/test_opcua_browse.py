"""What a server offers, and the plant file that is drafted from it."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from asyncua import Server, ua

from procwm.cli import run
from procwm.data.drafting.server_draft import by_tag, drafted_from_server
from procwm.errors import LinkError, SpecError
from procwm.plant import registry
from procwm.plant.browsing import Offered, ServedTag
from procwm.plant.plantfile.specfile import dump_plant, parse_plant
from procwm.plant.scenario import Operation
from procwm.plant.settings import OpcUaSettings
from procwm.plant.tags import Role
from procwm_adapters.opcua.link.browse import browse
from procwm_adapters.opcua.simulation.simulation_server import SimulationServer

PLANT = "urn:plant;strange"


def at(server: Any) -> OpcUaSettings:
    return OpcUaSettings(endpoint=f"opc.tcp://127.0.0.1:{server.bserver.port}", read_only=True)


async def strange() -> Server:
    server = Server()
    server.set_endpoint("opc.tcp://127.0.0.1:0")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    await server.init()
    index = await server.register_namespace(PLANT)
    for area in ("North", "South"):
        folder = await server.nodes.objects.add_folder(index, area)
        loop = await folder.add_object(index, "TC1")
        await loop.add_variable(index, "PV", 20.5, ua.VariantType.Float)
        setpoint = await loop.add_variable(index, "SP", 21, ua.VariantType.Int32)
        await setpoint.set_writable()
        # What lies in two folders is met twice, and looked at once.
        await folder.add_reference(loop, ua.ObjectIds.HasNotifier)
    folder = await server.nodes.objects.add_folder(index, "Other")
    await folder.add_variable(index, "Text", "on")
    await folder.add_variable(index, "Array", [1.0, 2.0])
    await folder.add_variable(index, "Switch", True)
    await folder.add_variable(index, "evil\x1b[2J", 1.0)
    for number in range(400):
        await folder.add_variable(index, f"N{number}", float(number))
    await server.start()
    return server


async def test_a_server_is_looked_through_and_what_is_no_number_is_named() -> None:
    server = await strange()
    try:
        offered = await browse(at(server))
    finally:
        await server.stop()
    known = {tag.name: tag for tag in offered.tags}
    loops = {name for name in known if "TC1" in name}
    assert loops == {f"{area}.TC1.{end}" for area in ("North", "South") for end in ("PV", "SP")}
    assert len(known) == 404
    assert {name for name, tag in known.items() if tag.writable} == {n for n in known if n.endswith("SP")}
    assert all(tag.node.startswith("nsu=urn:plant%3Bstrange;") for tag in offered.tags)
    assert offered.left_out["Text"] == "it does not hold one number"
    assert offered.left_out["Array"] == "it does not hold one number"
    assert offered.left_out["Switch"] == "it holds yes or no"
    assert any("cannot be seen" in reason for reason in offered.left_out.values())
    assert not any(name.startswith("Server") for name in known)


async def test_a_drafted_plant_file_connects_to_its_server_and_writes_nothing() -> None:
    plant = registry.scenario("quadruple_tank").simulate(seed=0, operation=Operation.EXTERNAL)
    async with SimulationServer(plant) as server:
        settings = server.spec.opcua
        assert settings is not None
        offered = await browse(OpcUaSettings(endpoint=settings.endpoint, read_only=True))
        draft = drafted_from_server("tanks", offered, replace(settings, read_only=True))
        spec = parse_plant(dump_plant(draft.plant, draft.notes))
        async with registry.open_link("opcua", spec) as link:
            assert link.spec == spec
    truth = registry.scenario("quadruple_tank").plant
    assert {tag.name: (tag.unit, tag.range) for tag in spec.tags} == {
        tag.name: (tag.unit, tag.range) for tag in truth.tags
    }
    assert {tag.name for tag in spec.of(Role.MV)} == set(truth.mv_names)
    assert any("Simulation.TimeNs: it states no range" in line for line in draft.notes.end)


def served(name: str, **more: Any) -> ServedTag:
    given = {"node": f"ns=2;s={name}", "unit": "", "range": None, "writable": False}
    return ServedTag(name=name, **{**given, **more})


def test_a_tag_of_a_log_is_found_by_name_or_by_identifier() -> None:
    offered = Offered(tags=[served("PV", node="ns=2;s=Area.LT1.PV"), served("Lt2.pv")], left_out={})
    found = by_tag(["AREA.LT1.PV", "LT2.PV", "LT3.PV"], offered)
    assert {name: tag.name for name, tag in found.items()} == {"AREA.LT1.PV": "PV", "LT2.PV": "Lt2.pv"}


def test_a_server_with_one_number_is_refused() -> None:
    offered = Offered(tags=[served("PV")], left_out={"Text": "it does not hold one number"})
    with pytest.raises(SpecError, match=r"has 1 variables with one number, .* left out: Text"):
        drafted_from_server("p", offered, OpcUaSettings(endpoint="opc.tcp://127.0.0.1:1"))


async def test_a_server_that_is_not_there_is_named() -> None:
    with pytest.raises(LinkError, match="nothing listens there"):
        await browse(OpcUaSettings(endpoint="opc.tcp://127.0.0.1:9"))


def test_two_servers_are_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    urls = ["opc.tcp://127.0.0.1:9", "opc.tcp://127.0.0.1:10"]
    assert run(["init", *urls, "--out", str(tmp_path / "plant.toml")]) == 2
    assert "a plant has one server" in capsys.readouterr().err
    assert not list(tmp_path.iterdir())
