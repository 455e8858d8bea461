import pytest

from procwm.errors import SpecError
from procwm.plant.link import Clock
from procwm.runtime.clock import WallClock

SECOND = 1_000_000_000


class FakeTime:
    """Time that passes only when somebody sleeps or works."""

    def __init__(self, now_ns: int) -> None:
        self.now_ns = now_ns

    def now(self) -> int:
        return self.now_ns

    async def sleep(self, seconds: float) -> None:
        self.now_ns += round(seconds * SECOND)


def clock(time: FakeTime, phase_s: float = 0.0) -> WallClock:
    return WallClock(phase_s=phase_s, now_ns=time.now, sleep=time.sleep)


async def test_ticks_fall_on_interval_boundaries() -> None:
    time = FakeTime(1003 * SECOND)
    ticks = clock(time).ticks(10.0)
    assert [await anext(ticks) for _ in range(3)] == [1010 * SECOND, 1020 * SECOND, 1030 * SECOND]


async def test_no_tick_comes_before_its_time() -> None:
    time = FakeTime(1003 * SECOND)
    async for tick in clock(time).ticks(10.0):
        assert time.now_ns >= tick
        if tick > 1050 * SECOND:
            break


async def test_a_tick_that_is_due_right_now_is_not_missed() -> None:
    assert await anext(clock(FakeTime(1010 * SECOND)).ticks(10.0)) == 1010 * SECOND


async def test_a_phase_moves_the_grid() -> None:
    assert await anext(clock(FakeTime(1003 * SECOND), phase_s=4.0).ticks(10.0)) == 1004 * SECOND


async def test_ticks_that_pass_during_a_long_cycle_are_skipped_and_counted() -> None:
    time = FakeTime(1000 * SECOND)
    wall = clock(time)
    ticks = wall.ticks(10.0)
    assert await anext(ticks) == 1000 * SECOND
    time.now_ns += 25 * SECOND
    assert await anext(ticks) == 1030 * SECOND
    assert wall.skipped == 2


async def test_a_cycle_within_its_interval_skips_nothing() -> None:
    time = FakeTime(1000 * SECOND)
    wall = clock(time)
    ticks = wall.ticks(10.0)
    for _ in range(5):
        await anext(ticks)
        time.now_ns += 9 * SECOND
    assert wall.skipped == 0


async def test_an_interval_of_nothing_is_refused() -> None:
    with pytest.raises(SpecError, match="must be above 0"):
        await anext(WallClock().ticks(0.0))


def test_a_wall_clock_is_a_clock() -> None:
    assert isinstance(WallClock(), Clock)


async def test_a_clock_that_is_set_back_does_not_stop_the_controller() -> None:
    time = FakeTime(1000 * SECOND)
    wall = clock(time)
    ticks = wall.ticks(10.0)
    assert await anext(ticks) == 1000 * SECOND
    time.now_ns -= 3600 * SECOND
    before = time.now_ns
    assert [await anext(ticks) for _ in range(3)] == [1010 * SECOND, 1020 * SECOND, 1030 * SECOND]
    assert time.now_ns - before == 30 * SECOND
    assert wall.set_back_ns == 3600 * SECOND


async def test_a_clock_that_is_set_forward_is_followed() -> None:
    time = FakeTime(1000 * SECOND)
    wall = clock(time)
    ticks = wall.ticks(10.0)
    assert await anext(ticks) == 1000 * SECOND
    time.now_ns += 3600 * SECOND
    assert await anext(ticks) == 4600 * SECOND
