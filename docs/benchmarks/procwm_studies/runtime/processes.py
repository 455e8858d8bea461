"""The processes of a measured run: the plant's server, the controller, and a front end that follows it."""

import asyncio
import contextlib
import gc
import os
import resource
import tempfile
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from procwm.control.controller import Controller
from procwm.control.modes import Mode
from procwm.errors import LinkError
from procwm.plant import registry
from procwm.plant.settings import OpcUaSettings
from procwm.plant.tags import PlantSpec
from procwm.runtime.clock import WallClock
from procwm.runtime.cycle import Cycle
from procwm.runtime.folder import RunFolder
from procwm.runtime.fronts import FrontEnds
from procwm.runtime.loop import run
from procwm_studies.runtime.plant import INTERVAL_S, WidePlant, programme, wide_model, wide_plant

_LOOPBACK = "opc.tcp://127.0.0.1:0"
_PAGE = os.sysconf("SC_PAGE_SIZE")
_STARTING_S = 120.0
"""How long a process may take until it says that it is ready."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Measured:
    """One run of the controller's process, from its first move on.

    Attributes:
        late_ms: from the tick to the start of the cycle.
        done_ms: from the tick to the end of the cycle: moves written, read back and recorded.
        rss_mb: resident memory after each cycle.
        missed: ticks skipped because a cycle took too long.
        moved: cycles whose moves were written and read back.
        cpu_share: of one core.
        server_ready_s: from asking for the controller's own server until it took connections.
    """

    late_ms: Float[np.ndarray, " cycle"]
    done_ms: Float[np.ndarray, " cycle"]
    rss_mb: Float[np.ndarray, " cycle"]
    missed: int
    moved: int
    cpu_share: float
    server_ready_s: float


@contextmanager
def process(target: Any, *arguments: Any) -> Iterator[Connection]:
    """`target` in a process of its own; ended when left. What it sends comes out of the connection."""
    context = get_context("spawn")
    ours, theirs = context.Pipe()
    child = context.Process(target=target, args=(theirs, *arguments), daemon=True)
    child.start()
    theirs.close()
    try:
        yield ours
    finally:
        child.terminate()
        child.join()


def heard(connection: Connection, within_s: float) -> Any:
    """The next thing that a process sends; `LinkError` where it ends before, or says nothing."""
    try:
        if connection.poll(within_s):
            return connection.recv()
    except EOFError:
        pass
    raise LinkError("a process of the measurement ended, or never answered")


def serve_plant(connection: Connection, tags: int, seed: int) -> None:
    """The plant's server, in wall time; sends its plant file."""

    async def serve() -> None:
        plant = WidePlant(wide_plant(tags), seed=seed)
        async with registry.server("opcua")(plant, endpoint=_LOOPBACK, speed=1.0) as server:
            connection.send(server.spec)
            await asyncio.Event().wait()

    asyncio.run(serve())


def follow(connection: Connection, url: str) -> None:
    """A front end that reads all nodes of the controller's server in every cycle."""

    async def look() -> None:
        async with registry.front_client("opcua")(OpcUaSettings(endpoint=url)) as client:
            async for facts in client.facts():
                del facts

    # The controller ends before whoever follows it.
    with contextlib.suppress(LinkError):
        asyncio.run(look())


def control(connection: Connection, plant: PlantSpec, intervals: int, served: bool) -> None:
    """The controller in AUTO, recorded; sends the URL of its own server, if any, and what was measured."""
    with tempfile.TemporaryDirectory() as folder:
        connection.send(asyncio.run(_controlled(connection, plant, intervals, served, Path(folder))))


@dataclass(eq=False)
class _Watched:
    """A wall clock that notes when each cycle began and ended."""

    clock: WallClock = field(default_factory=WallClock)
    due_ns: int = 0
    began: list[tuple[float, float, float]] = field(default_factory=list)
    late_ms: float = 0.0
    moved: int = 0
    skipped: int = 0
    since: tuple[float, float] = (0.0, 0.0)

    async def ticks(self, interval_s: float) -> AsyncIterator[int]:
        async for due_ns in self.clock.ticks(interval_s):
            self.due_ns, self.late_ms = due_ns, (time.time_ns() - due_ns) / 1e6
            yield due_ns

    def note(self, cycle: Cycle) -> None:
        if not self.moved:
            # The window has filled; from here on every cycle plans.
            self.since, self.skipped = (time.perf_counter(), _cpu_s()), self.clock.skipped
        self.moved += cycle.accepted is not None
        if self.moved:
            self.began.append((self.late_ms, (time.time_ns() - self.due_ns) / 1e6, _rss_mb()))

    def measured(self, server_ready_s: float) -> Measured:
        if not self.began:
            raise LinkError("the controller wrote nothing; measure for more minutes")
        late, done, rss = (np.array(column) for column in zip(*self.began, strict=True))
        return Measured(
            late_ms=late,
            done_ms=done,
            rss_mb=rss,
            missed=self.clock.skipped - self.skipped,
            moved=self.moved,
            cpu_share=(_cpu_s() - self.since[1]) / (time.perf_counter() - self.since[0]),
            server_ready_s=server_ready_s,
        )


async def _controlled(
    connection: Connection, plant: PlantSpec, intervals: int, served: bool, folder: Path
) -> Measured:
    plant = replace(plant, control=replace(plant.control, serve=_LOOPBACK if served else None))
    controller = Controller(plant, wide_model(plant), mode=Mode.AUTO)
    watched = _Watched()
    gc.collect()
    began = time.perf_counter()
    async with FrontEnds(controller, folder, announce=connection.send) as fronts:
        ready_s = time.perf_counter() - began
        link: Any = registry.link("opcua")(plant)

        def told(cycle: Cycle) -> None:
            fronts.tell(cycle)
            watched.note(cycle)

        async with link:
            with RunFolder(folder, controller) as kept:
                await run(
                    link,
                    watched,
                    controller,
                    intervals=intervals,
                    recorder=kept,
                    snapshot=kept.snapshot,
                    targets=programme(plant, intervals),
                    operator=fronts.desk,
                    on_cycle=told,
                )
                return watched.measured(ready_s)


def _cpu_s() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _rss_mb() -> float:
    return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[1]) * _PAGE / 2**20


def measure(tags: int, seed: int, intervals: int, served: bool) -> Measured:
    """One run; with `served` the controller has its own server, and a front end that follows it."""
    with process(serve_plant, tags, seed) as plant_side:
        plant = heard(plant_side, _STARTING_S)
        with process(control, plant, intervals, served) as controller_side:
            if not served:
                return _awaited(controller_side, intervals)
            url = str(heard(controller_side, _STARTING_S)).rpartition(" ")[2]
            with process(follow, url):
                return _awaited(controller_side, intervals)


def _awaited(connection: Connection, intervals: int) -> Measured:
    measured: Measured = heard(connection, _STARTING_S + 2.0 * INTERVAL_S * intervals)
    return measured
