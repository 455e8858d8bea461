"""A live run put together from its parts: link, clock, recording, front ends, heartbeat."""

import logging
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, nullcontext
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
    ) -> None:
        """Args: clock: gives the ticks. folder: keeps the run. fronts: show it, and ask."""
        self.controller, self.link = controller, link
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
        announce: told where front ends can reach the controller, in a sentence.

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
            yield OpenRun(controller, opened, ticking, kept, fronts)


def _heartbeat(link: PlantLink, plant: PlantSpec) -> Heartbeat | None:
    """What beats in the node that the plant file names; refused where the link cannot write it."""
    if plant.control.heartbeat_node is None:
        return None
    if not isinstance(link, BeatingLink):
        raise SpecError("[control]: heartbeat_node is given, and this link has no way to write it")
    return Heartbeat(link.beat)
