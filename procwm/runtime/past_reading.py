"""The start of a run: what was before is read beside the first cycles, from the first source that has enough.

Nothing waits for it: cycles go on, and where it is not there in time, or fails, the history fills as it does
without.
"""

import asyncio
import logging
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

from procwm.control.measurement import rows_wanted
from procwm.control.steerable import SteerableController
from procwm.data.log import read_log
from procwm.data.series import iso_utc
from procwm.plant.history import PlantHistory
from procwm.plant.samples import Sample, Setpoints
from procwm.plant.tags import PlantSpec
from procwm.plant.texts import shown
from procwm.runtime.usable_past import UsablePast, usable_past

_log = logging.getLogger(__name__)

_LONGEST_S, _FILLING_SHARE = 30.0, 0.25
"""For how long reading may go on, and of the time that filling the history takes."""
_CYCLE_SHARE, _CYCLE_S = 0.25, 1.0
"""Of an interval, and at most: for how long one cycle waits for what is nearly there."""


@runtime_checkable
class PastSource(Protocol):
    """Keeps samples of a plant from before a run."""

    name: str

    async def read(self, start_ns: int, end_ns: int) -> Sequence[Sample]:
        """Samples from `start_ns` until before `end_ns`, and any beyond that tell of a wrong clock."""
        ...


class RecordedPast:
    """What earlier runs have recorded."""

    def __init__(self, name: str, recorded: Callable[[int, int], list[Sample]]) -> None:
        """Args: recorded: reads samples between two times."""
        self.name, self._recorded = name, recorded

    async def read(self, start_ns: int, end_ns: int) -> Sequence[Sample]:
        """As in `PastSource`."""
        return await asyncio.to_thread(self._recorded, start_ns, end_ns)


class LoggedPast:
    """A log that somebody names."""

    def __init__(self, path: str | Path, plant: PlantSpec) -> None:
        """Args: plant: whose log it is."""
        self.name, self._path, self._plant = str(path), path, plant

    async def read(self, start_ns: int, end_ns: int) -> Sequence[Sample]:
        """As in `PastSource`: to the end of the log, which must not lie ahead."""
        log = await asyncio.to_thread(read_log, self._path, self._plant)
        return log.samples(start_ns, max(end_ns, log.end_ns + 1))


class ServedPast:
    """The historian of the plant's server."""

    def __init__(self, history: Callable[[PlantSpec], PlantHistory], plant: PlantSpec) -> None:
        """Args: history: makes what reads the historian of a plant."""
        self.name, self._history, self._plant = "the server's history", history, plant

    async def read(self, start_ns: int, end_ns: int) -> Sequence[Sample]:
        """As in `PastSource`."""
        async with self._history(self._plant) as history:
            return [sample async for portion in history.read(start_ns, end_ns) for sample in portion]


@dataclass(frozen=True)
class Past:
    """What a controller is started with.

    Attributes:
        samples: from before; none where there are none to use.
        told: from where, how many rows, since when, and how long filling goes on; or why there are none.
    """

    samples: tuple[Sample, ...]
    told: str


class PastReading:
    """Reads what was before from `sources`, in this order, until one fills the window."""

    def __init__(
        self,
        sources: Sequence[PastSource],
        controller: SteerableController,
        announce: Callable[[str], None] = _log.info,
    ) -> None:
        """Args: controller: to be started. announce: told of what was found, in a sentence."""
        self._sources, self._controller, self._announce = tuple(sources), controller, announce
        self._rule = controller.rule
        self._best: tuple[str, UsablePast] | None = None
        self._refused: list[str] = []
        self._task: asyncio.Task[None] | None = None
        filling_s = self._rule.history * self._rule.interval_s
        self._longest_s = min(_LONGEST_S, _FILLING_SHARE * filling_s)
        self._left = math.ceil(self._longest_s / self._rule.interval_s)

    async def found(self, time_ns: int, live: Sequence[Sample], in_force: Setpoints) -> Past | None:
        """What there is to start with; `None` while it is still being read. Asked once a cycle.

        Args:
            time_ns: of the tick.
            live: samples that the plant has reported to this run.
            in_force: MVs as read back.
        """
        if self._task is None:
            reading = self._read(time_ns, tuple(live), in_force)
            self._task = asyncio.create_task(reading)
        patience_s = min(_CYCLE_SHARE * self._rule.interval_s, _CYCLE_S)
        await asyncio.wait({self._task}, timeout=patience_s)
        if not self._task.done():
            self._left -= 1
            if self._left > 0:
                return None
            self._task.cancel()
            self._refused.append(f"nothing more was read within {self._longest_s:g} s")
        past = Past(() if self._best is None else self._best[1].samples, self._told())
        self._announce(past.told)
        return past

    async def aclose(self) -> None:
        """Give up what is still being read."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait({self._task}, timeout=_CYCLE_S)

    async def _read(self, now_ns: int, live: Sequence[Sample], in_force: Setpoints) -> None:
        start_ns = now_ns - (self._controller.memory + 1) * self._rule.interval_ns
        for source in self._sources:
            try:
                # OPC UA's times end in tenths of a microsecond.
                offered = await source.read(start_ns // 1000 * 1000, now_ns + 1000)
                past = usable_past(
                    offered,
                    live,
                    in_force,
                    plant=self._controller.plant,
                    rule=self._rule,
                    memory=self._controller.memory,
                    now_ns=now_ns,
                )
            except Exception as error:
                _log.info("%s: %s", source.name, shown(str(error)), exc_info=True)
                self._refused.append(f"{source.name} cannot be read ({shown(str(error))})")
                continue
            if past.refusal:
                self._refused.append(f"{source.name} {past.refusal}")
            elif self._best is None or past.rows > self._best[1].rows:
                self._best = (source.name, past)
            if past.rows >= past.wanted:
                return

    def _told(self) -> str:
        why = "".join(f"; {refusal}" for refusal in self._refused)
        interval_s = self._rule.interval_s
        if self._best is None:
            filling_s = rows_wanted(self._rule.history) * interval_s
            return f"the history begins empty, and fills in {filling_s:g} s{why}"
        name, past = self._best
        left_s = max(0, past.wanted - past.rows) * interval_s
        rest = f"enough in {left_s:g} s" if left_s else "enough to plan"
        since = iso_utc(past.since_ns)
        return f"the history begins with {past.rows} rows from {name}, since {since}: {rest}{why}"
