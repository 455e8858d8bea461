"""What `procwm run` does once the plant file is read: a controller on a link, each cycle told."""

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from procwm.cli.output import say
from procwm.control.controller import Controller
from procwm.control.modes import Mode
from procwm.errors import SpecError
from procwm.plant.link import Clock, PlantLink
from procwm.plant.tags import PlantSpec
from procwm.runtime.assembly import open_run
from procwm.runtime.cycle import Cycle
from procwm.world.storage.model_files import load_model


class Running:
    """A controller that is ready to run; nothing is connected yet.

    Attributes:
        cycles: control cycles so far.
    """

    def __init__(
        self, plant: PlantSpec, model_dir: Path, *, mode: str, setpoints: Sequence[str], out: Path | None
    ) -> None:
        """Args: setpoints: texts TAG=VALUE. out: folder of the recording, or `None`."""
        self.cycles = 0
        self._setpoints = dict(_target(plant, text) for text in setpoints)
        self._controller = Controller(plant, load_model(model_dir, plant), mode=Mode(mode))
        self._out = out
        # Advice is what ADVISORY is for, wherever its output goes.
        self._spoken = mode == Mode.ADVISORY or sys.stdout.isatty()

    @property
    def outcome(self) -> str:
        """The run in a few words."""
        return f"{self.cycles} control cycles" + (f", recorded in {self._out}" if self._out else "")

    async def run(
        self,
        link: str,
        clock: Callable[[PlantLink], Clock] | None,
        intervals: int | None,
        *,
        folder: Path = Path(),
    ) -> None:
        """Run until `intervals` are over, or until cancelled.

        Args:
            link: name of one that is installed.
            clock: as `open_run` takes it.
            intervals: control cycles to run; `None` is for ever.
            folder: that of the plant file, which its paths are relative to.
        """
        opening = open_run(
            self._controller, link, clock=clock, out=self._out, folder=folder, announce=_announced
        )
        async with opening as live:
            await live.run(intervals, setpoints=self._setpoints, on_cycle=self._tell)

    def _tell(self, cycle: Cycle) -> None:
        self.cycles += 1
        if self._spoken:
            say(line(cycle))


def _announced(sentence: str) -> None:
    say(sentence, err=True)


def line(cycle: Cycle) -> str:
    """One cycle as an operator reads it."""
    decision = cycle.decision
    moves = decision.setpoints or decision.proposed or {}
    said = ", ".join(f"{tag} = {value:.4g}" for tag, value in moves.items())
    verb = "no move" if not moves else "wrote" if cycle.accepted else "would write"
    when = datetime.fromtimestamp(cycle.time_ns / 1e9, UTC).strftime("%H:%M:%SZ")
    parts = (when, str(decision.mode), f"{verb} {said}".strip(), decision.reason, cycle.fault)
    return " | ".join(part for part in parts if part)


def _target(plant: PlantSpec, text: str) -> tuple[str, float]:
    name, _, value = text.partition("=")
    try:
        number = float(value)
    except ValueError:
        raise SpecError(
            f"--setpoint {text}: write it as TAG=VALUE, such as {plant.cvs[0].name}=1.5"
        ) from None
    return name, plant.tag(name).check_target(number)
