"""Who is refused is told of, whoever guesses has to wait, and nobody keeps an operator out."""

import asyncio
import contextlib
from pathlib import Path

import pytest
from asyncua import Client, ua
from opcua_doubles import FakePlant

from procwm_adapters.opcua.security.login_watch import LoginWatch
from procwm_adapters.opcua.simulation.simulation_server import SimulationServer


class Seconds:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


def test_whoever_guesses_waits_longer_and_longer_and_only_from_that_application() -> None:
    clock = Seconds()
    watch = LoginWatch(clock)
    for _ in range(4):
        watch.refused("mpc from A", "BadUserAccessDenied")
    assert not watch.waits("mpc from A")
    waits = []
    for _ in range(8):
        watch.refused("mpc from A", "BadUserAccessDenied")
        began = clock.now
        while watch.waits("mpc from A"):
            clock.now += 0.5
        waits.append(clock.now - began)
    assert waits == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]
    watch.refused("mpc from A", "BadUserAccessDenied")
    assert watch.waits("mpc from A")
    assert not watch.waits("mpc from B")
    watch.passed("mpc from A")
    assert not watch.waits("mpc from A")


def test_refusals_are_told_some_a_minute_and_the_others_counted(caplog: pytest.LogCaptureFixture) -> None:
    clock = Seconds()
    watch = LoginWatch(clock)
    for number in range(30):
        watch.refused(f"user\x1b{number}", "BadUserAccessDenied")
    assert caplog.messages[0] == r"user\x1b0 was refused: BadUserAccessDenied"
    assert len(caplog.messages) == 10
    clock.now += 61.0
    watch.refused("last", "BadUserAccessDenied")
    assert caplog.messages[-1] == "last was refused: BadUserAccessDenied (20 more since the last one)"


def test_no_memory_is_filled_with_names() -> None:
    watch = LoginWatch(Seconds())
    for number in range(3000):
        watch.refused(f"user {number}", "BadUserAccessDenied")
    assert len(watch._refused) == 1000


@contextlib.asynccontextmanager
async def plain_server():
    async with SimulationServer(FakePlant()) as server:
        yield server


async def test_nobody_registers_a_server(tmp_path: Path) -> None:
    async with plain_server() as server:
        client = Client(server.spec.opcua.endpoint)
        await client.connect_socket()
        try:
            await client.send_hello()
            await client.open_secure_channel()
            asked = ua.RegisteredServer()
            asked.ServerUri = "urn:stranger"
            asked.ServerNames = [ua.LocalizedText("stranger")]
            with pytest.raises(ua.uaerrors.BadServiceUnsupported):
                await client.uaclient.register_server(asked)
            found = await client.uaclient.find_servers(ua.FindServersParameters())
            assert "urn:stranger" not in [one.ApplicationUri for one in found]
        finally:
            client.disconnect_socket()


async def test_idle_connections_keep_nobody_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("procwm_adapters.opcua.security.closed_internals._CONNECTIONS", 5)
    async with plain_server() as server:
        host, port = server.spec.opcua.endpoint.removeprefix("opc.tcp://").rstrip("/").split(":")
        async with Client(server.spec.opcua.endpoint) as first:
            idle = [await asyncio.open_connection(host, int(port)) for _ in range(12)]
            await asyncio.sleep(0)
            async with Client(server.spec.opcua.endpoint) as operator:
                assert await operator.get_namespace_array()
            assert await first.get_namespace_array()
            for _, writer in idle:
                writer.close()
