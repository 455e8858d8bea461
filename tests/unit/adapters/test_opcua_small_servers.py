"""Servers of the smallest profiles and of gateways: no subscriptions, few nodes at once, other intervals."""

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace

import pytest
import pytest_asyncio
from asyncua import ua
from opcua_doubles import FLOW, LEVEL, PUMP, STEADY, serving, tank
from waiting import until

from procwm.errors import LinkError, OutcomeUnknownError
from procwm.plant.contract import ControlSettings
from procwm_adapters.opcua.link import subscription as subscribing
from procwm_adapters.opcua.link.opcua_link import OpcUaLink

pytestmark = pytest.mark.asyncio(loop_scope="module")

TAGS = (LEVEL, FLOW, STEADY, PUMP)
VALVE = replace(PUMP, name="V1.SP", node="ns=2;s=V1.SP")
NODES = {tag.name: ua.Variant(3.0, ua.VariantType.Double) for tag in (*TAGS, VALVE)} | {
    "Id": ua.Variant(0, ua.VariantType.Int64)
}
WARNING = "4 of the 4 tags and signals cannot be subscribed to"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr("procwm_adapters.opcua.link.reconnection._LOOK_S", 0.05)
    monkeypatch.setattr("procwm_adapters.opcua.link.reconnection._RETRY_S", 0.05)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served():
    async with serving(NODES) as (server, endpoint):
        yield server, endpoint


@asynccontextmanager
async def linked(endpoint, tags=TAGS, *, watchdog_s=20.0, **settings):
    spec = replace(tank(endpoint, tags=tags), interval_s=0.2, control=ControlSettings(**settings))
    quick = {"publishing_s": 0.05, "settle_s": 0.0, "reconnect_delay_s": 0.1, "timeout_s": 20.0}
    async with OpcUaLink(spec, **quick, watchdog_s=watchdog_s) as link:
        yield link


async def value_comes(server, link, value):
    """That `value`, given to the level on the server, comes out of the link."""
    await server.get_node(LEVEL.node).write_value(value)
    await until(lambda: any((s.tag, s.value) == (LEVEL.name, value) for s in link.drain()))


def refusing(server, monkeypatch, answer):
    """Have `server` give no subscription any more; `None` ends the connection instead of an answer."""

    async def refuse(*_, **__):
        if answer is None:
            for client in list(server.bserver.clients):
                client.transport.close()
            await asyncio.sleep(0.05)
        raise ua.UaStatusCodeError(answer or ua.StatusCodes.BadConnectionClosed)

    monkeypatch.setattr(server.iserver.subscription_service, "create_subscription", refuse)


@pytest.mark.parametrize(
    "answer", [ua.StatusCodes.BadServiceUnsupported, ua.StatusCodes.BadTooManySubscriptions, None]
)
async def test_a_server_that_gives_no_subscription_is_read(served, answer, monkeypatch, caplog):
    server, endpoint = served
    refusing(server, monkeypatch, answer)
    async with linked(endpoint) as link:
        await until(lambda: link.connected)
        await value_comes(server, link, 5.0)
        link._subscription._read_at = before = time.monotonic() - 11.0
        assert link._subscription.dead
        await until(lambda: link._subscription._read_at > before)
        assert not link._subscription.dead, "what is read is not silent"
        assert await link.write({PUMP.name: 4.0}) == {PUMP.name: 4.0}
        with pytest.raises(LinkError, match=r"ns=2;s=LT1\.PV cannot be subscribed to"):
            await link.watch(server.get_node(LEVEL.node).nodeid, print)
    assert caplog.text.count(WARNING) == 1


async def test_nothing_is_written_where_what_is_read_can_no_longer_be_read(served, monkeypatch):
    monkeypatch.setattr("procwm_adapters.opcua.link.subscription._SILENT_S", 2.0)
    server, endpoint = served
    refusing(server, monkeypatch, ua.StatusCodes.BadServiceUnsupported)
    service = server.iserver.attribute_service
    read, mute = service.read, True

    def state_alone(request):
        if mute and request.NodesToRead[0].NodeId.Identifier != ua.ObjectIds.Server_ServerStatus_State:
            raise ua.uaerrors.BadResourceUnavailable
        return read(request)

    async with linked(endpoint) as link:
        await value_comes(server, link, 5.0)
        monkeypatch.setattr(service, "read", state_alone)
        await until(lambda: not link.connected)
        with pytest.raises(LinkError, match=r"P1\.SP = 4 was not written"):
            await link.write({PUMP.name: 4.0})
        link.drain()
        await asyncio.sleep(0.5)
        assert link.drain() == []
        assert not link.connected
        mute = False
        await until(lambda: link.connected)
        await value_comes(server, link, 6.0)
        assert await link.write({PUMP.name: 4.0}) == {PUMP.name: 4.0}


@pytest.mark.parametrize("loss", ["subscription", "connection"])
async def test_a_server_that_gives_no_subscription_any_more_is_read_and_one_that_does_again_is_not(
    served, loss, monkeypatch, caplog
):
    monkeypatch.setattr("procwm_adapters.opcua.link.subscription._AGAIN_S", 0.0)
    server, endpoint = served
    async with linked(endpoint) as link:
        await value_comes(server, link, 5.0)
        service = server.iserver.subscription_service

        async def lose():
            losses = link._return._losses
            await service.delete_subscriptions(list(service.subscriptions))
            if loss == "connection":
                link.client.disconnect_socket()
            else:
                link._subscription.give_up()
            await until(lambda: link._return._losses > losses and link.connected)

        with monkeypatch.context() as patch:
            refusing(server, patch, ua.StatusCodes.BadTooManySubscriptions)
            await lose()
            assert link._subscription.left_out == {tag.name for tag in TAGS}
            await value_comes(server, link, 6.0)
            await lose()
        await lose()
        assert not link._subscription.left_out
        await value_comes(server, link, 7.0)
    assert caplog.text.count(WARNING) == 1


async def test_a_connection_that_is_lost_again_and_again_keeps_its_subscription(served):
    server, endpoint = served
    async with linked(endpoint) as link:
        before = link._subscription._subscription
        for value in (8.0, 9.0):
            link.client.disconnect_socket()
            await until(lambda: not link.connected)
            await until(lambda: link.connected)
            await value_comes(server, link, value)
        assert link._subscription._subscription is before


async def test_a_server_that_revises_its_intervals_is_silent_only_after_what_it_has_promised(
    served, monkeypatch
):
    server, endpoint = served
    service = server.iserver.subscription_service
    create = service.create_subscription

    async def slower(parameters, *others, **options):
        parameters.RequestedPublishingInterval, parameters.RequestedMaxKeepAliveCount = 500.0, 40
        return await create(parameters, *others, **options)

    monkeypatch.setattr(service, "create_subscription", slower)
    async with linked(endpoint) as link:
        subscription = link._subscription._subscription
        for silent_s, dead in ((59.0, False), (61.0, True)):
            now_s = subscription.last_publish_at + silent_s
            with monkeypatch.context() as patch:
                patch.setattr(subscribing, "time", SimpleNamespace(monotonic=partial(float, now_s)))
                assert link._subscription.dead is dead


async def test_a_server_that_goes_on_keeping_values_back_is_asked_anew_more_and_more_rarely(served):
    server, endpoint = served
    async with linked(endpoint) as link:
        for patience_s, losses in ((10.0, 1), (20.0, 2)):
            while link._return._losses < losses:
                link._withheld[STEADY.name] = time.monotonic() - patience_s - 1.0
                await asyncio.sleep(0.02)
            await until(lambda: link.connected)
        assert link._patience_s == 40.0
        await value_comes(server, link, 7.0)


@pytest.fixture
def few_written(served, monkeypatch):
    """The server writes one node at once; the list of the requests that it has carried out or refused."""
    service, sizes = served[0].iserver.attribute_service, []
    write = service.write

    async def few(request, **options):
        sizes.append(len(request.NodesToWrite))
        if len(request.NodesToWrite) > 1:
            raise ua.uaerrors.BadTooManyOperations
        return await write(request, **options)

    monkeypatch.setattr(service, "write", few)
    return sizes


async def test_setpoints_go_one_by_one_to_a_server_that_takes_no_more_at_once(served, few_written):
    async with linked(served[1], (*TAGS, VALVE)) as link:
        assert await link.write({PUMP.name: 4.5, VALVE.name: 5.5}) == {PUMP.name: 4.5, VALVE.name: 5.5}
    assert few_written == [2, 1, 1]


async def test_setpoints_that_belong_to_a_number_are_not_written_without_it(served, few_written):
    async with linked(served[1], (*TAGS, VALVE), write_id_node="ns=2;s=Id") as link:
        with pytest.raises(LinkError, match="too many operations") as caught:
            await link.write_valid({PUMP.name: 2.5, VALVE.name: 2.5}, write_id=7, until_ns=0)
    assert not isinstance(caught.value, OutcomeUnknownError)
    assert few_written == [3]


async def test_a_refusal_after_some_setpoints_were_written_leaves_the_outcome_unknown(served, few_written):
    async with linked(served[1], (*TAGS, VALVE)) as link:
        write = link.client.uaclient.write

        async def first_alone(request):
            if few_written[-1:] == [1]:
                raise ua.uaerrors.BadUserAccessDenied
            return await write(request)

        link.client.uaclient.write = first_alone
        with pytest.raises(OutcomeUnknownError, match=r"the plant holds P1\.SP = 1\.5, V1\.SP = "):
            await link.write({PUMP.name: 1.5, VALVE.name: 1.75})


async def test_a_node_of_a_type_that_the_server_does_not_have_is_of_that_of_its_value(served):
    server, endpoint = served
    kind = ua.DataValue(ua.Variant(ua.NodeId("nowhere", 2), ua.VariantType.NodeId))
    await server.get_node(VALVE.node).write_attribute(ua.AttributeIds.DataType, kind)
    async with linked(endpoint, (*TAGS, VALVE)) as link:
        assert await link.write({VALVE.name: 5.0}) == {VALVE.name: 5.0}


async def test_a_server_that_does_not_tell_its_state_lives(served):
    server, endpoint = served
    state = server.get_node(ua.ObjectIds.Server_ServerStatus_State)
    untold = ua.DataValue(ua.Variant(), StatusCode=ua.StatusCode(ua.StatusCodes.BadUserAccessDenied))
    await server.iserver.aspace.write_attribute_value(state.nodeid, ua.AttributeIds.Value, untold)
    async with linked(endpoint, watchdog_s=2.0) as link:
        await link.client._wait_for_health_signal()
        assert link._return._losses == 0


async def test_a_clock_that_is_not_ours_is_warned_of_once(served, caplog):
    server, endpoint = served
    clock = server.get_node(ua.ObjectIds.Server_ServerStatus_CurrentTime)
    async with linked(endpoint):
        await clock.write_value(datetime.now(UTC) - timedelta(hours=2))
        await until(lambda: "behind ours" in caplog.text)
        await asyncio.sleep(0.5)
    assert caplog.text.count("the server's clock is 7.2e+03 s behind ours") == 1


async def test_a_server_that_gives_no_endpoints_with_a_session_is_asked_for_them(served, monkeypatch):
    async def none(*_, **__):
        return []

    monkeypatch.setattr("asyncua.server.internal_session.InternalSession.get_endpoints", none)
    async with linked(served[1]) as link:
        assert link.connected
