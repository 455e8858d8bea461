"""What `procwm run` does once the plant file is read: a controller on a link, each cycle told."""

import contextlib
import sys
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import typer

from procwm.control.controller import Controller
from procwm.control.modes import Mode
from procwm.errors import SpecError
from procwm.plant.link import Clock, PlantLink
from procwm.plant.scenario import TargetChange
from procwm.plant.tags import PlantSpec
from procwm.runtime import loop
from procwm.runtime.cycle import Cycle
from procwm.runtime.folder import RunFolder
from procwm.runtime.fronts import FrontEnds
from procwm.runtime.heartbeat import BeatingLink, Heartbeat
from procwm.world.storage.model_files import load_model


class Running:
    """A controller that is ready to run.

    Attributes:
        plant: what it controls.
        cycles: control cycles so far.
    """

    def __init__(
        self,
        plant: PlantSpec,
        model_dir: Path,
        *,
        mode: str,
        setpoints: Sequence[str],
        out: Path | None,
        folder: Path = Path(),
    ) -> None:
        """Get ready; nothing is connected yet.

        Args:
            setpoints: texts TAG=VALUE.
            out: folder of the recording, or `None`.
            folder: that of the plant file, which its paths are relative to.
        """
        self.plant = plant
        self.cycles = 0
        self._targets = [_target(plant, text) for text in setpoints]
        self._controller = Controller(plant, load_model(model_dir, plant), mode=Mode(mode))
        self._out, self._folder = out, folder
        # Advice is what ADVISORY is for, wherever its output goes.
        self._spoken = mode == Mode.ADVISORY or sys.stdout.isatty()

    @property
    def outcome(self) -> str:
        """The run in a few words."""
        return f"{self.cycles} control cycles" + (f", recorded in {self._out}" if self._out else "")

    async def run(self, link: PlantLink, clock: Clock, intervals: int | None) -> None:
        """Run until `intervals` are over, or until cancelled; the recording is whole either way.

        A run that was killed goes on from the state in its folder, where that is fresh.
        """
        async with FrontEnds(self._controller, self._folder, announce=_announced) as fronts:
            await self._recorded(link, clock, intervals, fronts)

    async def _recorded(
        self, link: PlantLink, clock: Clock, intervals: int | None, fronts: FrontEnds
    ) -> None:
        def tell(cycle: Cycle) -> None:
            self._tell(cycle)
            fronts.tell(cycle)

        folder = RunFolder(self._out, self._controller) if self._out else None
        with folder or contextlib.nullcontext():
            await loop.run(
                link,
                clock,
                self._controller,
                state=None if folder is None else folder.taken_up(time.time_ns()),
                intervals=intervals,
                recorder=folder,
                targets=self._targets,
                heartbeat=_heartbeat(link, self.plant),
                snapshot=None if folder is None else folder.snapshot,
                operator=fronts.desk,
                on_cycle=tell,
            )

    def _tell(self, cycle: Cycle) -> None:
        self.cycles += 1
        if self._spoken:
            typer.echo(line(cycle))


def _announced(sentence: str) -> None:
    typer.echo(sentence, err=True)


def _heartbeat(link: PlantLink, plant: PlantSpec) -> Heartbeat | None:
    """What beats in the node that the plant file names; refused where the link cannot write it."""
    if plant.control.heartbeat_node is None:
        return None
    if not isinstance(link, BeatingLink):
        raise SpecError("[control]: heartbeat_node is given, and this link has no way to write it")
    return Heartbeat(link.beat)


def line(cycle: Cycle) -> str:
    """One cycle as an operator reads it."""
    decision = cycle.decision
    moves = decision.setpoints or decision.proposed or {}
    said = ", ".join(f"{tag} = {value:.4g}" for tag, value in moves.items())
    verb = "no move" if not moves else "wrote" if cycle.accepted else "would write"
    when = datetime.fromtimestamp(cycle.time_ns / 1e9, UTC).strftime("%H:%M:%SZ")
    parts = (when, str(decision.mode), f"{verb} {said}".strip(), decision.reason, cycle.fault)
    return " | ".join(part for part in parts if part)


def _target(plant: PlantSpec, text: str) -> TargetChange:
    name, _, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        raise SpecError(
            f"--setpoint {text}: write it as TAG=VALUE, such as {plant.cvs[0].name}=1.5"
        ) from None
    return TargetChange(tick=0, tag=name, value=plant.tag(name).check_target(number))
