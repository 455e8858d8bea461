"""Servers as they are: many tags, any kind of node id and number, missing times, other intervals."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import pytest_asyncio
from asyncua import Server, ua
from opcua_doubles import LEVEL, PUMP, tank
from waiting import PATIENCE_S

from procwm.errors import LinkError, SpecError
from procwm.plant.contract import ControlSettings
from procwm.plant.samples import Quality
from procwm.plant.tags import Role, Tag
from procwm_adapters.opcua.link.nodes import examine
from procwm_adapters.opcua.link.opcua_link import OpcUaLink

pytestmark = pytest.mark.asyncio(loop_scope="module")

QUICK: dict[str, Any] = {"publishing_s": 0.05, "timeout_s": PATIENCE_S, "settle_s": 0.0}
PLANT = "urn:plant"
GUID = "g=0a0b0c0d-0001-0002-0003-000102030405"
NUMBERS = {
    "s=Double": (1.5, ua.VariantType.Double),
    "s=Float": (2.5, ua.VariantType.Float),
    "i=7": (7, ua.VariantType.Int16),
    GUID: (8, ua.VariantType.UInt32),
    "b=AQID": (9, ua.VariantType.Int64),
    "s=A;B=C": (True, ua.VariantType.Boolean),
}
SETPOINT = replace(PUMP, node=f"nsu={PLANT};s=Setpoint")
MANY = 300


async def started(uris: list[str], port: int = 0) -> Server:
    server = Server()
    server.set_endpoint(f"opc.tcp://127.0.0.1:{port}")
    server.set_security_policy([ua.SecurityPolicyType.NoSecurity])
    server.set_identity_tokens([ua.AnonymousIdentityToken])
    await server.init()
    for uri in uris:
        await server.register_namespace(uri)
    return server


async def add(
    server: Server, uri: str, identifier: str, value: Any, kind: Any, *, writable: bool = False
) -> Any:
    index = await server.get_namespace_index(uri)
    node_id = ua.NodeId.from_string(f"ns={index};{identifier}")
    node = await server.nodes.objects.add_variable(node_id, ua.QualifiedName(identifier, index), value, kind)
    if writable:
        await node.set_writable()
    return node


@asynccontextmanager
async def running(server: Server) -> AsyncIterator[str]:
    async with server:
        yield f"opc.tcp://127.0.0.1:{server.bserver.port}"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served():
    server = await started(["urn:other", PLANT])
    for identifier, (value, kind) in NUMBERS.items():
        await add(server, PLANT, identifier, value, kind)
    await add(server, PLANT, "s=Setpoint", 3.0, ua.VariantType.Double, writable=True)
    await add(server, PLANT, "s=Heartbeat", 0, ua.VariantType.UInt16, writable=True)
    await add(server, PLANT, "s=Mode", 1, ua.VariantType.Int32)
    await add(server, PLANT, "s=Measured", 3.0, ua.VariantType.Double)
    locked = await add(server, PLANT, "s=Locked", 3.0, ua.VariantType.Double, writable=True)
    await locked.unset_attr_bit(ua.AttributeIds.UserAccessLevel, ua.AccessLevel.CurrentWrite)
    for number in range(MANY):
        await add(server, PLANT, f"i={1000 + number}", float(number), ua.VariantType.Double)
    async with running(server) as endpoint:
        yield server, endpoint


def pv(name: str, node: str) -> Tag:
    return Tag(name=name, role=Role.PV, unit="bar", range=(0.0, 1000.0), node=node)


def measured(endpoint: str, *tags: Tag, mv: Tag = SETPOINT):
    level = replace(LEVEL, node=f"nsu={PLANT};s=Double")
    return tank(endpoint, tags=(level, *tags, mv))


async def heard(link: OpcUaLink, names: set[str]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    async with asyncio.timeout(PATIENCE_S):
        while not names <= set(seen):
            seen |= {sample.tag: sample for sample in link.drain()}
            await asyncio.sleep(0.02)
    return seen


async def test_every_kind_of_node_id_and_number_is_found_by_the_uri_of_its_namespace(served):
    tags = [pv(identifier, f"nsu={PLANT};{identifier}") for identifier in NUMBERS]
    async with OpcUaLink(measured(served[1], *tags), **QUICK) as link:
        seen = await heard(link, set(NUMBERS))
    assert {name: seen[name].value for name in NUMBERS} == {
        name: float(value) for name, (value, _) in NUMBERS.items()
    }


async def test_a_namespace_that_is_not_there_is_told_with_those_that_are(served):
    with pytest.raises(LinkError, match=r"x: the server has no namespace urn:plants; it has .*urn:plant;"):
        async with OpcUaLink(measured(served[1], pv("x", "nsu=urn:plants;i=1")), **QUICK):
            pass


async def test_hundreds_of_tags_share_one_subscription_whatever_a_server_takes_at_once(served, monkeypatch):
    server, endpoint = served
    service = server.iserver.subscription_service
    create, sizes = service.create_monitored_items, []

    async def few(parameters, *others):
        sizes.append(len(parameters.ItemsToCreate))
        if len(parameters.ItemsToCreate) > 100:
            raise ua.uaerrors.BadTooManyOperations
        return await create(parameters, *others)

    monkeypatch.setattr(service, "create_monitored_items", few)
    tags = [pv(f"T{number}", f"nsu={PLANT};i={1000 + number}") for number in range(MANY)]
    async with OpcUaLink(measured(endpoint, *tags), **QUICK) as link:
        seen = await heard(link, {tag.name for tag in tags})
        subscriptions = [s for s in service.subscriptions.values() if s.session_id != server.iserver.isession]
    assert [seen[f"T{number}"].value for number in range(MANY)] == [float(n) for n in range(MANY)]
    assert len(subscriptions) == 1
    assert max(sizes) > 100 >= sorted(sizes)[-4]


async def test_tags_that_a_server_has_no_room_for_in_a_subscription_are_read(served, monkeypatch, caplog):
    server, endpoint = served
    service = server.iserver.subscription_service
    create = service.create_monitored_items

    async def full(parameters, *others):
        answers = await create(parameters, *others)
        for answer in answers[1:]:
            answer.StatusCode = ua.StatusCode(ua.StatusCodes.BadTooManyMonitoredItems)
        return answers

    monkeypatch.setattr(service, "create_monitored_items", full)
    flow = replace(pv("flow", f"nsu={PLANT};i=1000"), role=Role.DV, forecast_node=f"nsu={PLANT};s=Ahead")
    await add(server, PLANT, "s=Ahead", [1.0, 2.0], ua.VariantType.Double)
    node = server.get_node(f"ns={await server.get_namespace_index(PLANT)};i=1000")
    async with OpcUaLink(measured(endpoint, flow), **QUICK) as link:
        assert (await heard(link, {"flow", PUMP.name}))["flow"].value == 0.0
        await node.write_value(5.0)
        async with asyncio.timeout(PATIENCE_S):
            while not [s for s in link.drain() if (s.tag, s.value) == ("flow", 5.0)]:
                await asyncio.sleep(0.02)
        assert [reported.values for reported in link.forecasts()] == [(1.0, 2.0)]
        assert not link._withheld, "a value that is read is not one that the subscription keeps back"
    await node.write_value(0.0)
    assert "3 of the 4 tags and signals cannot be subscribed to (BadTooManyMonitoredItems)" in caplog.text


@pytest.mark.parametrize(
    ("identifier", "sentence"),
    [
        ("s=Measured", "can only be read; name the node that takes its value, or set read_only = true"),
        ("s=Locked", "the server does not let this user write node .*; give the user that right"),
    ],
)
async def test_an_mv_that_cannot_be_written_is_refused_at_the_start_unless_nothing_is_to_be_written(
    served, identifier, sentence
):
    spec = measured(served[1], mv=replace(PUMP, node=f"nsu={PLANT};{identifier}"))
    with pytest.raises(LinkError, match=rf"P1\.SP: .*{sentence}"):
        async with OpcUaLink(spec, **QUICK):
            pass
    reading = replace(spec, opcua=replace(spec.opcua, read_only=True))
    async with OpcUaLink(reading, **QUICK) as link:
        assert (await heard(link, {PUMP.name}))[PUMP.name].value == 3.0
        with pytest.raises(LinkError, match=r"not written; .* none, as it says read_only"):
            await link.write({PUMP.name: 2.0})


@pytest.mark.parametrize(
    ("control", "tags", "names"),
    [
        ({"heartbeat_node": f"nsu={PLANT};s=Setpoint"}, (), "heartbeat: .* that of P1.SP too"),
        (
            {"heartbeat_node": f"nsu={PLANT};s=Measured"},
            ("s=Measured",),
            "heartbeat: .* that of s=Measured too",
        ),
        (
            {"heartbeat_node": "ns=3;s=Heartbeat", "plant_heartbeat_node": f"nsu={PLANT};s=Heartbeat"},
            (),
            "heartbeat: .* that of plant heartbeat too",
        ),
        ({}, ("s=Setpoint",), "P1.SP: .* that of s=Setpoint too"),
    ],
)
async def test_a_node_that_is_written_belongs_to_one_name(served, control, tags, names):
    server, endpoint = served
    assert await server.get_namespace_index(PLANT) == 3, "the same node is written in two ways"
    read = [pv(identifier, f"nsu={PLANT};{identifier}") for identifier in tags]
    spec = replace(measured(endpoint, *read), control=ControlSettings(**control))
    with pytest.raises(SpecError, match=f"^{names}; .* correct node in the plant file$"):
        async with OpcUaLink(spec, **QUICK):
            pass


async def test_signals_come_beside_the_tags_and_the_heartbeat_goes_to_its_node_alone(served):
    server, endpoint = served
    mv = replace(SETPOINT, cascade_node=f"nsu={PLANT};s=Mode")
    control = ControlSettings(heartbeat_node=f"nsu={PLANT};s=Heartbeat")
    spec = replace(measured(endpoint, mv=mv), control=control)
    async with OpcUaLink(spec, **QUICK) as link:
        await link.beat(41)
        seen = await heard(link, {signal.name for signal in spec.signals})
        with pytest.raises(LinkError, match="heartbeat: not written"):
            await link.write({"heartbeat": 1.0})
    assert {name: sample.value for name, sample in seen.items() if name.endswith("mode")} == {
        "P1.SP mode": 1.0
    }
    assert "heartbeat" not in seen
    index = await server.get_namespace_index(PLANT)
    assert await server.get_node(f"ns={index};s=Heartbeat").read_value() == 41


@pytest.mark.parametrize("server_time", [None, datetime(9999, 12, 31, tzinfo=UTC), "now"])
async def test_a_value_without_source_time_has_the_servers_time_or_that_of_its_arrival(served, server_time):
    server, endpoint = served
    index = await server.get_namespace_index(PLANT)
    noon = datetime(2024, 5, 1, 12, tzinfo=UTC) + timedelta(seconds=len(str(server_time)))
    stamp = noon if server_time == "now" else server_time
    value = ua.DataValue(ua.Variant(4.0, ua.VariantType.Double), SourceTimestamp=None, ServerTimestamp=stamp)
    await server.iserver.aspace.write_attribute_value(
        ua.NodeId("Double", index), ua.AttributeIds.Value, value
    )
    before = datetime.now(UTC).timestamp()
    async with OpcUaLink(measured(endpoint), **QUICK) as link:
        sample = (await heard(link, {LEVEL.name}))[LEVEL.name]
    assert (sample.value, sample.quality) == (4.0, Quality.GOOD)
    if server_time == "now":
        assert sample.source_ns == round(noon.timestamp() * 1e9)
    else:
        assert sample.source_ns / 1e9 >= math.floor(before)


async def test_a_server_may_choose_other_intervals_and_queues_than_it_is_asked_for(served, monkeypatch):
    server, endpoint = served
    service = server.iserver.subscription_service
    create = service.create_subscription

    async def revising(parameters, *others, **options):
        parameters.RequestedPublishingInterval = 400.0
        parameters.RequestedLifetimeCount = 20
        return await create(parameters, *others, **options)

    monkeypatch.setattr(service, "create_subscription", revising)
    items = service.create_monitored_items

    async def shorter(parameters, *others):
        for item in parameters.ItemsToCreate:
            item.RequestedParameters.QueueSize = 2
            item.RequestedParameters.SamplingInterval = 400.0
        return await items(parameters, *others)

    monkeypatch.setattr(service, "create_monitored_items", shorter)
    index = await server.get_namespace_index(PLANT)
    async with OpcUaLink(measured(endpoint), **QUICK) as link:
        await heard(link, {LEVEL.name})
        for number in range(5):
            await server.get_node(f"ns={index};s=Double").write_value(50.0 + number)
        async with asyncio.timeout(PATIENCE_S):
            while not [s for s in link.drain() if s.value == 54.0]:
                await asyncio.sleep(0.02)


async def test_a_server_that_comes_back_with_its_namespaces_moved_is_looked_up_anew(monkeypatch):
    async def later(*arguments: Any) -> Any:
        await asyncio.sleep(0.3)  # long enough for the old ids to bring values
        return await examine(*arguments)

    server = await started([PLANT])
    await add(server, PLANT, "s=Double", 1.0, ua.VariantType.Double)
    await add(server, PLANT, "s=Setpoint", 3.0, ua.VariantType.Double, writable=True)
    async with running(server) as endpoint:
        port = server.bserver.port
        mv = replace(PUMP, node="ns=2;s=Setpoint")
        spec = measured(endpoint, pv("numbered", "ns=2;s=Double"), mv=mv)
        link = await OpcUaLink(spec, **QUICK, reconnect_delay_s=0.2).__aenter__()
        await heard(link, {LEVEL.name})
        monkeypatch.setattr("procwm_adapters.opcua.link.opcua_link.examine", later)
    try:
        moved = await started(["urn:other", PLANT], port)
        for uri, value in (("urn:other", 100.0), (PLANT, 1.0)):
            await add(moved, uri, "s=Double", value, ua.VariantType.Double)
            await add(moved, uri, "s=Setpoint", 3.0, ua.VariantType.Double, writable=True)
        async with running(moved), asyncio.timeout(PATIENCE_S):
            while not link.connected:
                await asyncio.sleep(0.02)
            seen = link.drain()
            assert await link.write({PUMP.name: 4.0}) == {PUMP.name: 4.0}
            assert await moved.get_node("ns=2;s=Setpoint").read_value() == 3.0
            assert await moved.get_node("ns=3;s=Setpoint").read_value() == 4.0
            await moved.get_node("ns=2;s=Double").write_value(101.0)
            await moved.get_node("ns=3;s=Double").write_value(2.0)
            while {s.tag for s in seen if s.value == 2.0} != {LEVEL.name, "numbered"}:
                seen += link.drain()
                await asyncio.sleep(0.02)
            assert not [s for s in seen if s.value > 99.0]
    finally:
        await link.__aexit__(None, None, None)
