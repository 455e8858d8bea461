"""Writes that say which they are and until when they are valid, and a plant that voids late ones."""

import asyncio
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from asyncua import ua
from asyncua.common.callback import CallbackType
from opcua_doubles import LEVEL, PUMP, serving, tank
from waiting import PATIENCE_S, until

from procwm.errors import LinkError, OutcomeUnknownError
from procwm.plant.contract import ControlSettings
from procwm_adapters.opcua.link.opcua_link import OpcUaLink

NODES = {
    LEVEL.name: ua.Variant(10.0, ua.VariantType.Double),
    PUMP.name: ua.Variant(3.0, ua.VariantType.Double),
    "Id": ua.Variant(0, ua.VariantType.UInt32),
    "Until": ua.Variant(datetime(2020, 1, 1, tzinfo=UTC), ua.VariantType.DateTime),
    "UntilSeconds": ua.Variant(0, ua.VariantType.UInt32),
    "Narrow": ua.Variant(0, ua.VariantType.Int16),
}


def controlled(endpoint, *, write_id="Id", until="Until"):
    control = ControlSettings(write_id_node=f"ns=2;s={write_id}", write_until_node=f"ns=2;s={until}")
    return replace(tank(endpoint, tags=(LEVEL, PUMP)), control=control)


async def test_number_and_validity_go_to_the_plant_with_the_setpoints_in_one_request(monkeypatch):
    async with serving(NODES) as (server, endpoint), OpcUaLink(controlled(endpoint), settle_s=0.0) as link:
        sizes, write = [], link.client.uaclient.write

        async def counted(request):
            sizes.append(len(request.NodesToWrite))
            return await write(request)

        monkeypatch.setattr(link.client.uaclient, "write", counted)
        until_ns = 1_700_000_000_500_000_000
        accepted = await link.write_valid({PUMP.name: 4.0}, write_id=2**32 - 1, until_ns=until_ns)
        assert accepted == {PUMP.name: 4.0}
        assert sizes == [3]
        assert await server.get_node("ns=2;s=Id").read_value() == 2**32 - 1
        held = await server.get_node("ns=2;s=Until").read_value()
        assert held.replace(tzinfo=UTC) == datetime(2023, 11, 14, 22, 13, 20, 500_000, tzinfo=UTC)
        assert {sample.tag for sample in link.drain()} <= {LEVEL.name, PUMP.name}


async def test_a_whole_number_of_seconds_never_says_longer_than_it_is():
    async with serving(NODES) as (server, endpoint):
        async with OpcUaLink(controlled(endpoint, until="UntilSeconds"), settle_s=0.0) as link:
            await link.write_valid({PUMP.name: 4.0}, write_id=1, until_ns=1_700_000_000_999_000_000)
        assert await server.get_node("ns=2;s=UntilSeconds").read_value() == 1_700_000_000


async def test_a_node_that_cannot_hold_it_is_refused_at_the_start():
    async with serving(NODES) as (_, endpoint):
        with pytest.raises(LinkError, match=r"write id: node ns=2;s=Narrow holds Int16, which is too narrow"):
            async with OpcUaLink(controlled(endpoint, write_id="Narrow")):
                pass


async def test_a_write_that_a_server_carries_out_late_is_void_to_a_plant_that_looks(monkeypatch):
    awake, refused, now = asyncio.Event(), asyncio.Event(), datetime(2024, 5, 1, tzinfo=UTC)

    async def plant(event, _):
        """Waits like a frozen server, and then takes nothing that is no longer valid."""
        items = {item.NodeId.Identifier: item.Value.Value.Value for item in event.request_params.NodesToWrite}
        if PUMP.name in items and event.is_external:
            await awake.wait()
            if items["Until"].replace(tzinfo=UTC) < now:
                refused.set()
                raise ua.UaStatusCodeError(ua.StatusCodes.BadTimeout)

    async with serving(NODES) as (server, endpoint):
        server.subscribe_server_callback(CallbackType.PreWrite, plant)
        async with OpcUaLink(controlled(endpoint), settle_s=0.0, timeout_s=PATIENCE_S) as link:
            until_ns = round(now.timestamp() * 1e9)
            monkeypatch.setattr(link.client.uaclient.protocol, "timeout", 0.3)
            with pytest.raises(OutcomeUnknownError):
                await link.write_valid({PUMP.name: 5.0}, write_id=1, until_ns=until_ns + 400_000_000)
            now += timedelta(seconds=1)
            awake.set()
            await asyncio.wait_for(refused.wait(), PATIENCE_S)
            assert await server.get_node(PUMP.node).read_value() == 3.0
            await until(lambda: link.connected)
            accepted = await link.write_valid(
                {PUMP.name: 5.0}, write_id=2, until_ns=until_ns + 60_000_000_000
            )
            assert accepted == {PUMP.name: 5.0}
