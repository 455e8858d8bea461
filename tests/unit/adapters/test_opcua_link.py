import asyncio
import socket
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
import pytest_asyncio
from asyncua import ua
from opcua_doubles import FLOW, LEVEL, PUMP, STEADY, serving, tank
from waiting import until

from procwm.errors import LinkError, OutcomeUnknownError, SpecError
from procwm.plant.samples import Quality
from procwm_adapters.opcua.link.opcua_link import OpcUaLink
from procwm_adapters.opcua.simulation.lockstep import OpcUaLockstep
from procwm_adapters.opcua.wire.requests import in_batches, read

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
NOON_NS = int(NOON.timestamp()) * 10**9
QUICK = {"publishing_s": 0.05, "timeout_s": 20.0, "settle_s": 0.0}


def at_noon(value, kind=ua.VariantType.Double, *, seconds=0, status="Good"):
    return ua.DataValue(
        ua.Variant(value, kind),
        StatusCode=ua.StatusCode(getattr(ua.StatusCodes, status)),
        SourceTimestamp=NOON + timedelta(seconds=seconds),
    )


TANK_NODES = {
    LEVEL.name: at_noon(10.0),
    FLOW.name: at_noon(2.5, ua.VariantType.Float),
    STEADY.name: at_noon(20, ua.VariantType.Int32),
    PUMP.name: at_noon(3.0, ua.VariantType.Float),
}
ODD_NODES = {
    "Open": at_noon(True, ua.VariantType.Boolean),
    "Steps": at_noon(4, ua.VariantType.Byte),
    "Text": at_noon("ten", ua.VariantType.String),
    "Array": at_noon([1.0, 2.0]),
    "Fahrenheit": at_noon(68.0),
    "ReadOnly": at_noon(1.0),
}


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served():
    async with serving(TANK_NODES | ODD_NODES) as (server, endpoint):
        node = server.get_node("ns=2;s=Fahrenheit")
        unit = ua.EUInformation(DisplayName=ua.LocalizedText("°F"))
        await node.add_property(ua.NodeId("F.Unit", 2), ua.QualifiedName("EngineeringUnits", 0), unit)
        await server.get_node("ns=2;s=ReadOnly").set_read_only()
        yield server, endpoint


@pytest_asyncio.fixture(loop_scope="module")
async def fresh(served):
    server, endpoint = served
    for name, value in TANK_NODES.items():
        await server.get_node(f"ns=2;s={name}").write_value(value)
    yield server, endpoint


def other_node(tag, name):
    return replace(tag, node=f"ns=2;s={name}")


async def samples_until(link, enough):
    seen = []

    def more():
        seen.extend(link.drain())
        return enough(seen)

    await until(more)
    return seen


async def every_tag_heard(link):
    return await samples_until(link, lambda seen: {s.tag for s in seen} == set(link.spec.names))


async def test_numbers_of_any_type_arrive_with_their_source_time(fresh):
    async with OpcUaLink(tank(fresh[1]), **QUICK) as link:
        seen = await every_tag_heard(link)
    assert {s.tag: s.value for s in seen} == {"LT1.PV": 10.0, "FT1.PV": 2.5, "TT1.PV": 20.0, "P1.SP": 3.0}
    assert {s.source_ns for s in seen} == {NOON_NS}
    assert {s.quality for s in seen} == {Quality.GOOD}


async def test_a_boolean_is_a_number(fresh):
    spec = tank(fresh[1], tags=(other_node(LEVEL, "Open"), PUMP))
    async with OpcUaLink(spec, **QUICK) as link:
        seen = await every_tag_heard(link)
    assert seen[0].value == 1.0


async def test_status_and_new_times_of_an_unchanged_value_arrive(fresh):
    server, endpoint = fresh
    node = server.get_node(LEVEL.node)
    async with OpcUaLink(tank(endpoint), **QUICK) as link:
        await every_tag_heard(link)
        for seconds, status in enumerate(("Good", "UncertainSensorNotAccurate", "BadSensorFailure"), start=1):
            await node.write_value(at_noon(10.0, seconds=seconds, status=status))
        seen = await samples_until(link, lambda seen: len(seen) >= 3)
    assert [(s.source_ns - NOON_NS) // 10**9 for s in seen] == [1, 2, 3]
    assert [s.quality for s in seen] == [Quality.GOOD, Quality.UNCERTAIN, Quality.BAD]


async def test_the_local_queue_drops_the_oldest_and_counts(fresh):
    server, endpoint = fresh
    node = server.get_node(LEVEL.node)
    async with OpcUaLink(tank(endpoint), **QUICK, local_queue=5) as link:
        await every_tag_heard(link)
        for seconds in range(1, 9):
            await node.write_value(at_noon(float(seconds), seconds=seconds))
        await until(lambda: link.dropped == 3)
        assert [s.value for s in link.drain()] == [4.0, 5.0, 6.0, 7.0, 8.0]


@pytest.mark.parametrize(
    ("name", "reason"), [("Text", "String"), ("Array", "array"), ("Nowhere", "no node ns=2;s=Nowhere")]
)
async def test_a_node_that_cannot_be_a_tag_is_refused_at_the_start(fresh, name, reason):
    spec = tank(fresh[1], tags=(other_node(LEVEL, name), PUMP))
    with pytest.raises(LinkError, match=rf"LT1\.PV: .*{reason}"):
        async with OpcUaLink(spec, **QUICK):
            pass


async def test_another_unit_on_the_server_is_refused_by_tag_and_both_units(fresh):
    spec = tank(fresh[1], tags=(LEVEL, other_node(STEADY, "Fahrenheit"), PUMP))
    with pytest.raises(SpecError, match=r"TT1\.PV: unit is degC in the plant file and °F on the server"):
        async with OpcUaLink(spec, **QUICK):
            pass


async def test_a_tag_without_a_node_is_a_wrong_plant_file():
    spec = tank("opc.tcp://127.0.0.1:4840", tags=(replace(LEVEL, node=None), PUMP))
    with pytest.raises(SpecError, match=r"LT1\.PV: .*no OPC UA node"):
        OpcUaLink(spec)


@pytest.mark.parametrize("endpoint", [None, "http://127.0.0.1:4840", "opc.tcp://127.0.0.1", "opc.tcp://a:b"])
async def test_an_endpoint_that_is_no_opc_ua_url_is_a_wrong_plant_file(endpoint):
    with pytest.raises(SpecError, match="endpoint"):
        OpcUaLink(tank(endpoint))


async def test_a_server_that_is_not_there_is_one_clear_sentence():
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        endpoint = f"opc.tcp://127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(LinkError, match=r"127\.0\.0\.1:\d+: connecting failed: nothing listens there"):
        async with OpcUaLink(tank(endpoint), **QUICK):
            pass


async def test_a_setpoint_is_cast_written_and_read_back(fresh):
    server, endpoint = fresh
    async with OpcUaLink(tank(endpoint), **QUICK) as link:
        accepted = await link.write({PUMP.name: 4.1})
        held = await server.get_node(PUMP.node).read_data_value()
    assert held.Value.VariantType is ua.VariantType.Float
    assert accepted == {PUMP.name: held.Value.Value} == {PUMP.name: pytest.approx(4.1)}


async def test_a_setpoint_for_an_integer_node_is_rounded_and_the_answer_says_so(fresh):
    spec = tank(fresh[1], tags=(LEVEL, other_node(PUMP, "Steps")))
    async with OpcUaLink(spec, **QUICK) as link:
        assert await link.write({PUMP.name: 4.6}) == {PUMP.name: 5.0}
        assert link.whole_numbers == (PUMP.name,)


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"max_move": 0.5}, "and max_move is 0.5: it could never move; name a node"),
        ({"levels": (1.0, 2.5)}, "correct levels in the plant file, where 2.5 is none"),
    ],
)
async def test_an_mv_that_no_whole_number_can_move_is_refused_at_the_start(fresh, changes, sentence):
    spec = tank(fresh[1], tags=(LEVEL, replace(other_node(PUMP, "Steps"), **changes)))
    with pytest.raises(SpecError, match=rf"^P1\.SP: node .* holds whole numbers \(Byte\).*{sentence}"):
        async with OpcUaLink(spec, **QUICK):
            pass


@pytest.mark.parametrize("setpoints", [{LEVEL.name: 1.0}, {"Open": 1.0}, {PUMP.name: float("nan")}])
async def test_what_is_no_mv_of_the_plant_file_or_no_number_is_never_sent(fresh, monkeypatch, setpoints):
    async with OpcUaLink(tank(fresh[1]), **QUICK) as link:
        sent = []
        monkeypatch.setattr(link.client.uaclient, "write", sent.append)
        with pytest.raises(LinkError, match=next(iter(setpoints))):
            await link.write({PUMP.name: 4.0} | setpoints)
    assert sent == []


async def test_a_node_that_the_plant_file_does_not_list_is_refused_with_those_it_lists(fresh):
    async with OpcUaLink(tank(fresh[1]), **QUICK) as link:
        with pytest.raises(
            LinkError,
            match=r"^Open: not written; .* MVs are: P1\.SP; .* needs a \[\[tag\]\] of role MV there$",
        ):
            await link.write({"Open": 1.0})


async def test_a_write_that_the_server_refuses_names_the_tag_and_the_status(fresh):
    server, endpoint = fresh
    node = server.get_node("ns=2;s=ReadOnly")
    await node.set_writable()
    async with OpcUaLink(tank(endpoint, tags=(LEVEL, other_node(PUMP, "ReadOnly"))), **QUICK) as link:
        await node.set_read_only()
        with pytest.raises(LinkError, match=r"P1\.SP = 2 was refused \(BadUserAccessDenied\)"):
            await link.write({PUMP.name: 2.0})


async def test_a_write_that_a_server_refuses_as_a_whole_is_known_not_to_have_happened(fresh, monkeypatch):
    async def refuse(request):
        raise ua.uaerrors.BadTooManyOperations

    async with OpcUaLink(tank(fresh[1]), **QUICK) as link:
        monkeypatch.setattr(link.client.uaclient, "write", refuse)
        with pytest.raises(LinkError, match=r"writing P1\.SP = 2 failed: .*too many operations") as caught:
            await link.write({PUMP.name: 2.0})
    assert not isinstance(caught.value, OutcomeUnknownError)


async def test_a_write_that_a_server_is_uncertain_about_is_read_back(fresh, monkeypatch):
    async with OpcUaLink(tank(fresh[1]), **QUICK) as link:
        write = link.client.uaclient.write

        async def doubtful(request):
            await write(request)
            return [ua.StatusCode(ua.StatusCodes.UncertainInitialValue)]

        monkeypatch.setattr(link.client.uaclient, "write", doubtful)
        assert await link.write({PUMP.name: 2.0}) == {PUMP.name: 2.0}


@pytest.mark.parametrize("answers", [[], [1, 2, 3]])
async def test_answers_that_are_not_one_to_each_question_are_no_answers(answers):
    async def call(portion):
        return answers

    with pytest.raises(ua.UaError, match=f"the server gave {len(answers)} answers to 2 questions"):
        await in_batches(call, ["a", "b"])


async def test_a_server_that_tells_no_namespaces_is_taken_by_their_numbers(fresh, monkeypatch):
    async def untold(client, targets):
        answers = await read(client, targets)
        if targets and targets[0][0] == ua.NodeId(ua.ObjectIds.Server_NamespaceArray):
            answers[0] = ua.DataValue(
                ua.Variant(), StatusCode=ua.StatusCode(ua.StatusCodes.BadUserAccessDenied)
            )
        return answers

    monkeypatch.setattr("procwm_adapters.opcua.link.nodes.read", untold)
    async with OpcUaLink(tank(fresh[1]), **QUICK) as link:
        assert await link.write({PUMP.name: 2.0}) == {PUMP.name: 2.0}


def failing(after):
    async def write(request):
        if after is not None:
            await after(request)
        raise TimeoutError

    return write


async def test_a_write_that_timed_out_but_happened_is_found_by_reading_back(fresh, monkeypatch):
    async with OpcUaLink(tank(fresh[1]), **QUICK) as link:
        monkeypatch.setattr(link.client.uaclient, "write", failing(link.client.uaclient.write))
        assert await link.write({PUMP.name: 5.0}) == {PUMP.name: 5.0}


async def test_a_write_that_timed_out_and_may_yet_happen_has_an_unknown_outcome(fresh, monkeypatch):
    async with OpcUaLink(tank(fresh[1]), **QUICK) as link:
        monkeypatch.setattr(link.client.uaclient, "write", failing(None))
        with pytest.raises(OutcomeUnknownError, match=r"holds P1\.SP = 3 and may yet"):
            await link.write({PUMP.name: 5.0})


async def test_a_write_that_cannot_be_read_back_has_an_unknown_outcome(fresh, monkeypatch):
    async with OpcUaLink(tank(fresh[1]), **QUICK) as link:
        monkeypatch.setattr(link.client.uaclient, "read", failing(None))
        with pytest.raises(OutcomeUnknownError, match=r"reading back P1\.SP = 5 failed"):
            await link.write({PUMP.name: 5.0})


async def test_a_value_that_turns_bad_after_a_write_has_an_unknown_outcome(fresh, monkeypatch):
    server, endpoint = fresh
    async with OpcUaLink(tank(endpoint), **QUICK) as link:
        await server.get_node(PUMP.node).write_value(
            at_noon(3.0, ua.VariantType.Float, status="BadNotConnected")
        )
        write = link.client.uaclient.write

        async def lost(request):
            results = await write(request)
            await server.get_node(PUMP.node).write_value(
                at_noon(3.0, ua.VariantType.Float, status="BadNotConnected")
            )
            return results

        link.client.uaclient.write = lost
        with pytest.raises(OutcomeUnknownError, match=r"P1\.SP was written, and the plant reports no good"):
            await link.write({PUMP.name: 5.0})


async def set_server_time(server, seconds):
    clock = server.get_node(ua.ObjectIds.Server_ServerStatus_CurrentTime)
    await clock.write_value(NOON + timedelta(seconds=seconds))


@pytest.mark.parametrize(
    ("status", "used"),
    [("BadSensorFailure", True), ("UncertainInitialValue", False), ("UncertainInitialValue", True)],
)
async def test_a_steady_good_value_is_confirmed_at_the_servers_time_and_a_bad_one_is_not(fresh, status, used):
    server, endpoint = fresh
    await server.get_node(FLOW.node).write_value(at_noon(2.5, ua.VariantType.Float, status=status))
    flow = replace(FLOW, use_uncertain=used)
    spec = replace(tank(endpoint, tags=(LEVEL, flow, STEADY, PUMP)), interval_s=0.2)
    async with OpcUaLink(spec, **QUICK) as link:
        await every_tag_heard(link)
        await set_server_time(server, 60)
        await samples_until(link, lambda seen: any(s.source_ns == NOON_NS + 60 * 10**9 for s in seen))
        await set_server_time(server, 90)
        seen = await samples_until(link, lambda seen: len(seen) >= 3)
    believed = {("FT1.PV", 2.5)} if used and status.startswith("Uncertain") else set()
    good = {("LT1.PV", 10.0), ("TT1.PV", 20.0), ("P1.SP", 3.0)}
    assert {(s.tag, s.value) for s in seen} == good | believed
    assert {s.source_ns for s in seen} == {NOON_NS + 90 * 10**9}


async def test_nothing_is_confirmed_where_time_is_simulated(fresh):
    server, endpoint = fresh
    async with OpcUaLink(replace(tank(endpoint), interval_s=0.1), **QUICK) as link:
        link.reaffirms = False
        await every_tag_heard(link)
        await set_server_time(server, 120)
        await asyncio.sleep(0.3)
        assert link.drain() == []


OURS = ("OpcUaLink.", "LinkSubscription.", "Return.", "Client.", "UaSession.")


def of_the_client():
    """Names of the running tasks of links and clients; a server's end by themselves."""
    names = {task.get_coro().__qualname__ for task in asyncio.all_tasks()}
    return {name for name in names if name.startswith(OURS)}


async def test_a_link_that_was_left_leaves_nothing_running(fresh):
    async with OpcUaLink(tank(fresh[1]), **QUICK) as link:
        assert link.connected
        assert {"LinkSubscription._receive", "OpcUaLink._reaffirm", "Return.watch"} <= of_the_client()
    assert not link.connected
    await until(lambda: not of_the_client())


async def test_a_server_that_simulates_nothing_has_no_clock(fresh):
    async with OpcUaLink(tank(fresh[1]), **QUICK) as link:
        clock = OpcUaLockstep(link)
        with pytest.raises(SpecError, match="cannot tick every"):
            await anext(clock.ticks(2.0))
        with pytest.raises(LinkError, match="not a procwm simulation"):
            await clock.advance()


async def test_a_restarted_server_is_found_again_and_nothing_arrives_twice():
    async with serving(TANK_NODES) as (server, endpoint):
        port = server.bserver.port
        link = await OpcUaLink(tank(endpoint), **QUICK, reconnect_delay_s=0.2).__aenter__()
        seen = await every_tag_heard(link)
    try:
        await until(lambda: not link.connected)
        with pytest.raises(LinkError, match=r"P1\.SP = 4 was not written"):
            await link.write({PUMP.name: 4.0})
        assert link.drain() == []
        async with serving(TANK_NODES, port=port) as (server, _):
            await until(lambda: link.connected)
            await server.get_node(LEVEL.node).write_value(at_noon(11.0, seconds=30))
            seen += await samples_until(link, lambda seen: any(s.value == 11.0 for s in seen))
            assert await link.write({PUMP.name: 4.0}) == {PUMP.name: 4.0}
    finally:
        await link.__aexit__(None, None, None)
    assert len(seen) == len(set(seen)) == 5
