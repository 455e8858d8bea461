"""A controller killed with SIGKILL in a phase of a cycle, and the one that goes on in its place."""

import asyncio
import json
import os
import signal
import tempfile
from pathlib import Path

import numpy as np

from procwm.control.state import ControllerState
from procwm.data.files import write_text
from procwm.plant.samples import Sample, Setpoints
from procwm.runtime.cycle import Cycle
from procwm.runtime.folder import RunFolder
from procwm.runtime.loop import run
from procwm.runtime.snapshot import Snapshot
from procwm_studies.faults.judge import Verdict, judge_rows, judge_writes
from procwm_studies.faults.link import FaultyLink
from procwm_studies.faults.run import Setting, controller_of
from procwm_studies.faults.served import read_notes
from procwm_studies.faults.states import judge_refused, spoil

PHASES = (
    "before the samples",
    "while deciding",
    "before the write",
    "after the write",
    "while recording",
    "while keeping the state",
)
"""Of a cycle."""

_LIVES = (10, 20)
_GOES_ON = 8


class _Dying:
    """Kills the process in one phase of one cycle."""

    def __init__(self, phase: str, tick: int) -> None:
        self._phase, self._tick = phase, tick

    def at(self, phase: str, tick: int) -> None:
        if phase == self._phase and tick == self._tick:
            os.kill(os.getpid(), signal.SIGKILL)


class _Link(FaultyLink):
    """A link whose plant outlives the process: writes are noted in a file before they are entered."""

    def __init__(self, made: Setting, seed: int, notes: Path, dying: _Dying) -> None:
        rng = np.random.default_rng(seed)
        super().__init__(made.scenario.simulate(seed=seed), made.spec, (), rng, made.every)
        self.notes, self.dying = notes, dying

    def drain(self) -> list[Sample]:
        self.dying.at("before the samples", self.tick)
        samples = list(super().drain())
        write_text(self.notes.parent / "delivered", json.dumps(sorted(self.delivered)))
        return samples

    async def write(self, setpoints: Setpoints) -> Setpoints:
        self.dying.at("before the write", self.tick)
        self.note(setpoints)
        accepted = await super().write(setpoints)
        self.dying.at("after the write", self.tick)
        return accepted

    def note(self, setpoints: Setpoints) -> None:
        """Remember a write beyond the life of this process."""
        with self.notes.open("a", encoding="utf-8") as file:
            file.write(json.dumps([self.tick, dict(setpoints)]) + "\n")


class _DyingSnapshot(Snapshot):
    """Writes part of a state and dies."""

    def __init__(self, path: Path, link: _Link) -> None:
        super().__init__(path)
        self._link = link

    def keep(self, state: ControllerState) -> None:
        data = state.to_bytes()
        self.path.with_name(f".{self.path.name}.{os.getpid()}.partial").write_bytes(data[: len(data) // 2])
        self._link.dying.at("while keeping the state", self._link.tick)
        super().keep(state)


class _DyingKeeper:
    """Dies when a cycle is recorded and not yet counted."""

    def __init__(self, folder: RunFolder, link: _Link) -> None:
        self._folder, self._link = folder, link

    def receive(self, samples: tuple[Sample, ...]) -> None:
        self._folder.receive(samples)
        self._link.dying.at("while deciding", self._link.tick)

    def append(self, cycle: Cycle) -> None:
        self._folder.append(cycle)
        self._link.dying.at("while recording", self._link.tick)


def killed(made: Setting, phase: str, rng: np.random.Generator, *, state: str | None = None) -> Verdict:
    """A run killed in `phase`, the run that goes on, and the verdict over both.

    Args:
        made: the setting of both.
        phase: one of `PHASES`.
        rng: draws the cycle, and the seed of the plant.
        state: one of `STATES`, which the second run finds; the one that was kept where it is `None`.
    """
    seed, tick = int(rng.integers(2**31)), int(rng.integers(*_LIVES))
    verdict = Verdict()
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        child = os.fork()
        if child == 0:
            try:
                asyncio.run(_live(made, seed, directory, _Dying(phase, tick), 2 * tick))
            finally:
                os._exit(1)
        code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        if code != -signal.SIGKILL:
            verdict.find("exceptions", f"the run to be killed {phase} ended by itself with {code}")
            return verdict
        try:
            link = _resumed(made, seed, directory, tick)
            if state is not None:
                spoil(directory / "state", state, made, link.mv)
            cycles = asyncio.run(_go_on(made, link, directory))
        except Exception as error:
            verdict.find("exceptions", f"going on after a kill {phase}: {type(error).__name__}: {error}")
            return verdict
        if state is not None:
            writes = (number for number, cycle in enumerate(cycles) if cycle.accepted is not None)
            judge_refused(directory, next(writes, None), verdict)
        elif not any(write.tick == tick + 1 for write in link.reached):
            why = cycles[0].decision.reason
            verdict.find("not_recovered", f"no write one interval after a kill {phase}: {why}")
        _judge(link, directory, tick, phase, verdict)
    return verdict


async def _live(made: Setting, seed: int, directory: Path, dying: _Dying, intervals: int) -> None:
    link = _Link(made, seed, directory / "writes", dying)
    controller, planner = controller_of(made)
    planner.link = link
    with RunFolder(directory, controller) as folder:
        await run(
            link,
            link,
            controller,
            intervals=intervals,
            recorder=_DyingKeeper(folder, link),
            snapshot=_DyingSnapshot(directory / "state", link),
            targets=made.scenario.program(seed=seed, intervals=intervals),
        )


def _resumed(made: Setting, seed: int, directory: Path, tick: int) -> _Link:
    """The same plant one interval after the kill, with the writes in it that had reached it."""
    notes = directory / "writes"
    writes = read_notes(notes)
    link = _Link(made, seed, notes, _Dying("never", -1))
    while link.tick <= tick:
        for setpoints in [setpoints for at, setpoints in writes if at == link.tick]:
            asyncio.run(FaultyLink.write(link, setpoints))
        if link.tick == tick:
            # A new subscription begins with present values, not with those of before.
            link.plant.drain()
        link.plant.advance()
        link.tick += 1
    stored = json.loads((directory / "delivered").read_text(encoding="utf-8"))
    link.delivered |= {(tag, int(time_ns)) for tag, time_ns in stored}
    return link


async def _go_on(made: Setting, link: _Link, directory: Path) -> list[Cycle]:
    controller, planner = controller_of(made)
    planner.link = link
    cycles: list[Cycle] = []
    with RunFolder(directory, controller) as folder:
        state = folder.taken_up(link.plant.truth.time_ns)
        await run(
            link,
            link,
            controller,
            state=state,
            intervals=_GOES_ON,
            recorder=folder,
            snapshot=folder.snapshot,
            on_cycle=cycles.append,
        )
    return cycles


def _judge(link: _Link, directory: Path, tick: int, phase: str, verdict: Verdict) -> None:
    judge_writes(link.spec, link.reached, verdict)
    recorded = {"while recording", "while keeping the state"}
    lived = range(tick + 1 if phase in recorded else tick)
    judge_rows(directory, link.delivered, [*lived, *range(_GOES_ON)], verdict)
