"""A live run put together from its parts: link, clock, recording, front ends, heartbeat."""

import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext, suppress
from pathlib import Path

from procwm.control.state import ControllerState
from procwm.control.steerable import SteerableController
from procwm.errors import SpecError
from procwm.plant import registry
from procwm.plant.link import Clock, PlantLink
from procwm.plant.request import Request
from procwm.plant.samples import Setpoints
from procwm.plant.scenario import TargetChange
from procwm.plant.tags import PlantSpec
from procwm.runtime import loop
from procwm.runtime.clock import WallClock
from procwm.runtime.cycle import Cycle
from procwm.runtime.folder import RunFolder
from procwm.runtime.fronts import FrontEnds
from procwm.runtime.heartbeat import BeatingLink, Heartbeat
from procwm.runtime.past_reading import LoggedPast, PastReading, PastSource, RecordedPast, ServedPast
from procwm.runtime.tally import RunSummary

_log = logging.getLogger(__name__)


class OpenRun:
    """A controller whose plant is connected; `open_run` makes one.

    Attributes:
        controller: of this run.
        link: to the plant, open.
    """

    def __init__(
        self,
        controller: SteerableController,
        link: PlantLink,
        clock: Clock,
        folder: RunFolder | None,
        fronts: FrontEnds,
        past: Callable[[], PastReading | None],
    ) -> None:
        """Args: clock: gives the ticks. folder: keeps the run. fronts: show it, and ask. past: before it."""
        self.controller, self.link, self._past = controller, link, past
        self._clock, self._folder, self._fronts = clock, folder, fronts
        self._heartbeat = _heartbeat(link, controller.plant)
        self._state: ControllerState | None = None
        self._begun = False

    def ask(self, request: Request) -> None:
        """Let the controller take up `request` at its next cycle.

        Raises:
            SpecError: it is refused, for the stated reason.
        """
        self._fronts.desk.ask(request)

    async def run(
        self,
        intervals: int | None = None,
        *,
        setpoints: Setpoints | None = None,
        on_cycle: Callable[[Cycle], None] | None = None,
    ) -> RunSummary:
        """Control the plant until `intervals` are over, the clock ends, or the task is cancelled.

        Called again, it goes on. A run that was killed goes on from the state in its folder, where that is
        fresh.

        Args:
            intervals: control cycles to run; `None` is for ever.
            setpoints: by CV, in place of the plant file's.
            on_cycle: told of every cycle.
        """
        plant = self.controller.plant
        targets = [
            TargetChange(tick=0, tag=name, value=plant.tag(name).check_target(value))
            for name, value in (setpoints or {}).items()
        ]
        if not self._begun and self._folder is not None:
            self._state = self._folder.taken_up(time.time_ns())
        self._begun = True

        def tell(cycle: Cycle) -> None:
            if on_cycle is not None:
                on_cycle(cycle)
            self._fronts.tell(cycle)

        summary = await loop.run(
            self.link,
            self._clock,
            self.controller,
            state=self._state,
            intervals=intervals,
            recorder=self._folder,
            targets=targets,
            heartbeat=self._heartbeat,
            snapshot=None if self._folder is None else self._folder.snapshot,
            operator=self._fronts.desk,
            past=self._past() if self._state is None else None,
            on_cycle=tell,
        )
        self._state = summary.state
        return summary


@asynccontextmanager
async def open_run(
    controller: SteerableController,
    link: str | PlantLink = "opcua",
    *,
    clock: Callable[[PlantLink], Clock] | None = None,
    out: str | Path | None = None,
    folder: str | Path = ".",
    history: str | Path | None = None,
    announce: Callable[[str], None] = _log.info,
) -> AsyncIterator[OpenRun]:
    """Connect a controller to its plant: `async with open_run(controller) as live: await live.run()`.

    The plant file says what else belongs to the run: a heartbeat, a server for front ends, metrics. What was
    recorded is whole however the run ends.

    Args:
        controller: in the mode to start in.
        link: to its plant, or the name of one that an installed package offers.
        clock: makes what gives the ticks, from the open link; wall time where `None`.
        out: folder that keeps samples, decisions, plans and the audit log; nothing is kept where `None`.
        folder: that paths in the plant file are relative to.
        history: a log that goes on until now. A controller that is started anew begins with what `out`, this
            log, or the historian behind a link called by its name has from before; the first that fills the
            window counts.
        announce: told where front ends can reach the controller, and what is known from before, in sentences.

    Raises:
        SpecError: no such link is installed, or the link cannot do what the plant file asks for.
        LinkError: the plant cannot be reached.
    """
    async with (
        registry.open_link(link, controller.plant) as opened,
        FrontEnds(controller, Path(folder), announce=announce) as fronts,
    ):
        kept = None if out is None else RunFolder(out, controller)
        with kept or nullcontext():
            ticking = WallClock() if clock is None else clock(opened)
            sources = _sources(link, controller.plant, kept, history)

            def past() -> PastReading | None:
                return PastReading(sources, controller, announce) if sources else None

            yield OpenRun(controller, opened, ticking, kept, fronts, past)


def _sources(
    link: str | PlantLink, plant: PlantSpec, folder: RunFolder | None, log: str | Path | None
) -> list[PastSource]:
    """Where samples from before a run may be, the nearest first."""
    sources: list[PastSource] = []
    if folder is not None:
        sources.append(RecordedPast(str(folder.samples), folder.recorded))
    if log is not None:
        sources.append(LoggedPast(log, plant))
    with suppress(SpecError):
        if isinstance(link, str):
            sources.append(ServedPast(registry.history(link), plant))
    return sources


def _heartbeat(link: PlantLink, plant: PlantSpec) -> Heartbeat | None:
    """What beats in the node that the plant file names; refused where the link cannot write it."""
    if plant.control.heartbeat_node is None:
        return None
    if not isinstance(link, BeatingLink):
        raise SpecError("[control]: heartbeat_node is given, and this link has no way to write it")
    return Heartbeat(link.beat)
