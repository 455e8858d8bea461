"""What `procwm run` does once the plant file is read: a controller on a link, each cycle told."""

import sys
from collections.abc import Callable, Sequence
from datetime import UTC, datetime
from pathlib import Path

from procwm.cli.output import say
from procwm.control.clearance import unfit
from procwm.control.controller import Controller
from procwm.control.modes import Mode
from procwm.errors import SpecError
from procwm.plant.link import Clock, PlantLink
from procwm.plant.tags import PlantSpec
from procwm.runtime.assembly import open_run
from procwm.runtime.cycle import Cycle
from procwm.world.fitness import Fitness, kept_verdict
from procwm.world.model import WorldModel
from procwm.world.storage.model_files import load_model


class Running:
    """A controller that is ready to run; nothing is connected yet.

    Attributes:
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
        despite_verdict: bool = False,
    ) -> None:
        """Get ready.

        Args:
            setpoints: texts TAG=VALUE.
            out: folder of the recording, or `None`.
            despite_verdict: whether a model that is not fit for control may be in auto.

        Raises:
            SpecError: auto is asked for with a model that is not even fit for advice, or that nobody judged.
        """
        self.cycles = 0
        self._setpoints = dict(_target(plant, text) for text in setpoints)
        model = load_model(model_dir, plant)
        if mode == Mode.AUTO and not despite_verdict:
            _refuse_unfit(model, model_dir)
        self._controller = Controller(plant, model, mode=Mode(mode), despite_verdict=despite_verdict)
        self._out = out
        # Advice is what ADVISORY is for, wherever its output goes.
        self._spoken = self._controller.mode is Mode.ADVISORY or sys.stdout.isatty()

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
        history: Path | None = None,
    ) -> None:
        """Run until `intervals` are over, or until cancelled.

        Args:
            link: name of one that is installed.
            clock: as `open_run` takes it.
            intervals: control cycles to run; `None` is for ever.
            folder: that of the plant file, which its paths are relative to.
            history: a log that goes on until now, to begin with.
        """
        if self._controller.clearance.unfit:
            _announced(f"{self._controller.mode}{self._controller.clearance.told(self._controller.mode)}")
        opening = open_run(
            self._controller,
            link,
            clock=clock,
            out=self._out,
            folder=folder,
            history=history,
            announce=_announced,
        )
        async with opening as live:
            await live.run(intervals, setpoints=self._setpoints, on_cycle=self._tell)

    def _tell(self, cycle: Cycle) -> None:
        self.cycles += 1
        if self._spoken:
            say(line(cycle))


def _refuse_unfit(model: WorldModel, model_dir: Path) -> None:
    """Raise `SpecError` where `model` may not even give advice in place of control."""
    verdict = kept_verdict(model.metrics)
    advises = verdict is not None and verdict.fitness is not Fitness.NOTHING
    reason = unfit(model, model.plant)
    if reason and not advises:
        raise SpecError(
            f"{model_dir}: --mode auto is refused: {reason}; --despite-verdict runs it all the same"
        )


def _announced(sentence: str) -> None:
    say(sentence, err=True)


def line(cycle: Cycle) -> str:
    """One cycle as an operator reads it."""
    decision = cycle.decision
    moves = decision.setpoints or decision.proposed or {}
    # All digits of advice: whoever enters a setpoint by hand enters the one that was checked.
    said = ", ".join(
        f"{tag} = {value:.4g}" if cycle.accepted else f"{tag} = {float(value)!r}"
        for tag, value in moves.items()
    )
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
