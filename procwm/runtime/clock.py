"""Wall time as a clock: ticks on interval boundaries, late ones skipped and counted."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable

from procwm.errors import SpecError


class WallClock:
    """Ticks at the UTC times that are a whole number of intervals, plus a phase, since 1970.

    Controllers that are restarted, and logs recorded by others, thus share one grid. A tick whose time has
    passed before the last cycle ended is skipped: two moves in one interval would break `max_move`.

    A wall clock that is set back by more than an interval is not followed: ticks go on from where they were,
    and the plant, whose samples keep their own time, is controlled as before. One that is set forward is
    followed; the ticks between are skipped.

    Attributes:
        skipped: ticks that were skipped so far.
        set_back_ns: by how much the wall clock has been set back.
    """

    def __init__(
        self,
        *,
        phase_s: float = 0.0,
        now_ns: Callable[[], int] = time.time_ns,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        """Args: phase_s: of the grid. now_ns, sleep: time itself, for tests."""
        self._phase_ns = round(phase_s * 1e9)
        self._wall_ns, self._sleep = now_ns, sleep
        self.skipped = self.set_back_ns = 0

    async def ticks(self, interval_s: float) -> AsyncIterator[int]:
        """Yield the UTC time in nanoseconds at the start of every interval from now on.

        Raises:
            SpecError: the interval is not above 0.
        """
        interval_ns = round(interval_s * 1e9)
        if interval_ns <= 0:
            raise SpecError(f"the control interval is {interval_s} s; it must be above 0")
        tick = self._next(interval_ns)
        while True:
            due_ns = tick * interval_ns + self._phase_ns
            while (left_ns := due_ns - self._now_ns()) > 0:
                # No tick is ever further off than one interval, unless the clock was set back.
                self.set_back_ns += max(left_ns - interval_ns, 0)
                await self._sleep(min(left_ns, interval_ns) / 1e9)
            yield due_ns
            following = max(tick + 1, self._next(interval_ns))
            self.skipped += following - tick - 1
            tick = following

    def _now_ns(self) -> int:
        return self._wall_ns() + self.set_back_ns

    def _next(self, interval_ns: int) -> int:
        return -((self._phase_ns - self._now_ns()) // interval_ns)
