"""A simulated plant on loopback OPC UA, recorded and controlled through that link and nothing else."""

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import cast

from procwm.control.decision import SteppedController
from procwm.data.writer import LogWriter
from procwm.plant import registry
from procwm.plant.link import PlantLink
from procwm.plant.scenario import Operation, Scenario, SimulatedPlant, TargetChange, TruthRow
from procwm.plant.serving import LockstepClock
from procwm.runtime.cycle import Cycle
from procwm.runtime.loop import run

Advance = Callable[[float], None]
"""Told how much of the work is done, 0 to 1."""

_LOOPBACK = "opc.tcp://127.0.0.1:0"


@dataclass(frozen=True, kw_only=True, eq=False)
class LiveRun:
    """A controlled plant: what the runtime saw, and what was true.

    Attributes:
        cycles: one for every control interval.
        rows: the truth at the first tick and at the end of every interval.
    """

    cycles: tuple[Cycle, ...]
    rows: tuple[TruthRow, ...]


async def record_routine(
    scenario: Scenario, stretches: Sequence[tuple[Path, float]], *, seed: int, advance: Advance
) -> tuple[TruthRow, ...]:
    """Record routine operation over OPC UA; the truth, for whoever labels moments of it.

    Args:
        scenario: what to simulate.
        stretches: files to write and their lengths in hours, one after the other in time.
        seed: of operators, disturbances and instruments.
        advance: told how much is done.
    """
    plant = scenario.simulate(seed=seed, operation=Operation.ROUTINE)
    lengths = [max(1, round(hours * 3600.0 / plant.spec.interval_s)) for _, hours in stretches]
    async with _lockstep(plant) as (link, clock):
        for (path, _), intervals in zip(stretches, lengths, strict=True):
            with LogWriter(path, link.spec) as writer:
                async for samples in clock.record(intervals):
                    writer.append(samples)
                    advance((len(plant.history) - 1) / sum(lengths))
    return tuple(plant.history)


async def control(
    scenario: Scenario,
    controller: SteppedController,
    *,
    seed: int,
    intervals: int,
    warm_up: int,
    program: Sequence[TargetChange],
    advance: Advance,
) -> LiveRun:
    """Let `controller` run a fresh plant over OPC UA, after `warm_up` intervals at its nominal MVs."""
    plant = scenario.simulate(seed=seed)
    cycles: list[Cycle] = []

    def keep(cycle: Cycle) -> None:
        cycles.append(cycle)
        advance(len(cycles) / intervals)

    async with _lockstep(plant) as (link, clock):
        await clock.advance(warm_up)
        await run(link, clock, controller, intervals=intervals, targets=program, on_cycle=keep)
        # The last move still has to act.
        await clock.advance()
    return LiveRun(cycles=tuple(cycles), rows=tuple(plant.history[-intervals - 1 :]))


@asynccontextmanager
async def _lockstep(plant: SimulatedPlant) -> AsyncIterator[tuple[PlantLink, LockstepClock]]:
    async with registry.server("opcua")(plant, endpoint=_LOOPBACK) as server:
        link = registry.link("opcua")(server.spec)
        async with link:  # type: ignore[attr-defined]
            yield link, cast(LockstepClock, registry.clock("opcua-lockstep")(link))
