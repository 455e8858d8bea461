"""Servers of the smallest profiles and of gateways: no subscriptions, few nodes at once, other intervals."""

import asyncio
import time
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest
import pytest_asyncio
from asyncua import ua
from opcua_doubles import FLOW, LEVEL, PUMP, STEADY, serving, tank

from procwm.errors import LinkError
from procwm_adapters.opcua import OpcUaLink

pytestmark = pytest.mark.asyncio(loop_scope="module")

TAGS = (LEVEL, FLOW, STEADY, PUMP)
NODES = {tag.name: ua.Variant(3.0, ua.VariantType.Double) for tag in TAGS}
WARNING = "4 of the 4 tags and signals cannot be subscribed to"


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr("procwm_adapters.opcua_return._LOOK_S", 0.05)
    monkeypatch.setattr("procwm_adapters.opcua_return._RETRY_S", 0.05)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def served():
    async with serving(NODES) as (server, endpoint):
        yield server, endpoint


@asynccontextmanager
async def linked(endpoint, **options):
    spec = replace(tank(endpoint), interval_s=0.2)
    quick = {"publishing_s": 0.05, "settle_s": 0.0, "reconnect_delay_s": 0.1, "watchdog_s": 0.5}
    async with OpcUaLink(spec, **(quick | options)) as link:
        yield link


async def until(happens):
    async with asyncio.timeout(60):
        while not happens():
            await asyncio.sleep(0.02)


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
    monkeypatch.setattr("procwm_adapters.opcua_subscription._SILENT_S", 2.0)
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
    monkeypatch.setattr("procwm_adapters.opcua_subscription._AGAIN_S", 0.0)
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
