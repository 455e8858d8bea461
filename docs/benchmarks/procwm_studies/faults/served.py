"""The plant of the campaign over OPC UA: served by a process of its own, in wall time, failing as told."""

import asyncio
import contextlib
import json
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np

from procwm.plant import registry
from procwm.plant.contract import PLANT_HEARTBEAT, cascade_signal
from procwm.plant.samples import Sample, Setpoints
from procwm.plant.scenario import SimulatedPlant, TruthRow
from procwm.plant.tags import PlantSpec, Role, Tag, names_of
from procwm.runtime.clock import WallClock
from procwm_studies.faults.link import FaultyLink

END = "end"
"""The order to leave in an orderly way; every other one is the name of the fault that acts from now on."""


@dataclass(frozen=True, kw_only=True)
class Life:
    """One life of the server, from its start to its end.

    Attributes:
        scenario: what is simulated, from its nominal point on.
        seed: of its disturbances and instruments.
        spec: the campaign's plant file.
        every: cycles from one report of the critical CV to the next.
        endpoint: URL to serve at.
        pki: folder of the server's certificates.
        users: file of those who may log in.
        without: a tag that is not there.
        notes: beginning of the names of two files: `NOTES.published` with a line `[tag, source time, wall
            time]` before every sample is published, and `NOTES.writes` with every write that arrived.
    """

    scenario: str
    seed: int
    spec: PlantSpec
    every: int
    endpoint: str
    pki: Path
    users: Path
    notes: Path
    without: str | None = None

    @property
    def published(self) -> Path:
        """Where samples are noted."""
        return self.notes.with_suffix(".published")

    @property
    def writes(self) -> Path:
        """Where writes are noted."""
        return self.notes.with_suffix(".writes")

    @property
    def served(self) -> PlantSpec:
        """The plant with its signals as tags, and without what is missing."""
        mode, beat = self.spec.mvs[0].cascade_node, self.spec.control.plant_heartbeat_node
        signals = (
            Tag(name=cascade_signal(self.spec.mvs[0].name), role=Role.PV, range=(0.0, 10.0), node=mode),
            Tag(name=PLANT_HEARTBEAT, role=Role.PV, range=(0.0, 1000.0), node=beat),
        )
        tags = tuple(tag for tag in self.spec.tags if tag.name != self.without)
        return replace(self.spec, tags=(*tags, *signals))


class _InWallTime:
    """A simulated plant whose control intervals end when it is told so."""

    def __init__(self, plant: SimulatedPlant, interval_s: float) -> None:
        self._plant = plant
        self._faster = interval_s / plant.spec.interval_s
        self._now_ns = time.time_ns() // 1000 * 1000

    @property
    def truth(self) -> TruthRow:
        return replace(self._plant.truth, time_ns=self._now_ns)

    def drain(self) -> list[Sample]:
        return [replace(sample, source_ns=self._ns(sample.source_ns)) for sample in self._plant.drain()]

    async def write(self, setpoints: Setpoints) -> Setpoints:
        return await self._plant.write(setpoints)

    def advance(self, now_ns: int) -> None:
        """Simulate one control interval, which ends at `now_ns`."""
        self._plant.advance()
        self._now_ns = now_ns

    def _ns(self, source_ns: int) -> int:
        after_ns = round((source_ns - self._plant.truth.time_ns) * self._faster)
        return self._now_ns + after_ns // 1000 * 1000


class _Plant(FaultyLink):
    """What the server serves: as the acting fault leaves it, and noted in files that outlive the process."""

    def __init__(self, life: Life) -> None:
        plant = registry.scenario(life.scenario).simulate(seed=life.seed)
        self._life = life
        self._timed = _InWallTime(plant, life.spec.interval_s)
        self._names = frozenset(names_of(life.served.tags))
        self.acting, self.now_ns = "", 0
        rng = np.random.default_rng(life.seed)
        super().__init__(self._timed, life.served, (), rng, life.every)  # type: ignore[arg-type]

    @property
    def truth(self) -> TruthRow:
        # The server's own clock is the plant's.
        return replace(self._timed.truth, time_ns=self._timed.truth.time_ns + self.shift_ns)

    def acts(self, *names: str) -> bool:
        return self.acting in names

    def advance(self) -> None:
        self._timed.advance(self.now_ns)
        self.tick += 1

    def drain(self) -> Sequence[Sample]:
        samples = [sample for sample in super().drain() if sample.tag in self._names]
        wall_ns = time.time_ns()
        with self._life.published.open("a", encoding="utf-8") as file:
            file.writelines(f"{json.dumps([s.tag, s.source_ns, wall_ns])}\n" for s in samples)
        return samples

    async def _enter(self, setpoints: Setpoints, asked: Setpoints) -> dict[str, float]:
        note = {"wall_ns": time.time_ns(), "before": self.mv, "asked": dict(asked)}
        with self._life.writes.open("a", encoding="utf-8") as file:
            file.write(json.dumps(note) + "\n")
        return await super()._enter(setpoints, asked)


def read_notes(path: Path) -> list[Any]:
    """The notes of a life; its end may have cut the last one short."""
    if not path.exists():
        return []
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def serve(life: Life, orders: Connection) -> None:
    """Serve until told to end; the endpoint is sent when all is ready."""
    asyncio.run(_serve(life, orders))


async def _serve(life: Life, orders: Connection) -> None:
    plant = _Plant(life)
    server = registry.server("opcua")(plant, endpoint=life.endpoint, pki=life.pki, users=life.users)
    async with server:
        living = asyncio.ensure_future(_live(plant, server.advance))
        asyncio.get_running_loop().add_reader(orders.fileno(), _obey, orders, plant, living)
        assert server.spec.opcua is not None
        orders.send(server.spec.opcua.endpoint)
        with contextlib.suppress(asyncio.CancelledError):
            await living


async def _live(plant: _Plant, advance: Callable[[], Awaitable[int]]) -> None:
    # Half an interval after the controller's cycles, so that what they do acts on the next samples.
    interval_s = plant.spec.interval_s
    async for plant.now_ns in WallClock(phase_s=interval_s / 2.0).ticks(interval_s):
        await advance()


def _obey(orders: Connection, plant: _Plant, living: asyncio.Future[None]) -> None:
    try:
        order = orders.recv()
    except EOFError:
        order = END
    if order == END:
        living.cancel()
    else:
        plant.acting = order
