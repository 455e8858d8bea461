import asyncio

import pytest

from procwm.errors import LinkError
from procwm.runtime.heartbeat import Heartbeat


async def test_every_beat_is_another_number_and_the_count_wraps_round(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("procwm.runtime.heartbeat.MODULUS", 3)
    sent: list[int] = []

    async def send(count: int) -> None:
        sent.append(count)

    heartbeat = Heartbeat(send)
    for _ in range(5):
        await heartbeat.beat(within_s=1.0)
    assert sent == [0, 1, 2, 0, 1]


@pytest.mark.parametrize("error", [LinkError("no way"), RuntimeError("a bug in the link")])
async def test_a_beat_that_does_not_get_through_is_counted_and_ends_nothing(error: Exception) -> None:
    async def send(count: int) -> None:
        raise error

    heartbeat = Heartbeat(send)
    await heartbeat.beat(within_s=1.0)
    await heartbeat.beat(within_s=1.0)
    assert heartbeat.missed == 2


async def test_a_beat_that_is_never_answered_holds_up_no_cycle() -> None:
    async def send(count: int) -> None:
        await asyncio.Event().wait()

    heartbeat = Heartbeat(send)
    async with asyncio.timeout(20):
        await heartbeat.beat(within_s=0.01)
    assert heartbeat.missed == 1
