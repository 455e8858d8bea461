"""Faults of a real OPC UA server: a controller in wall time on a secured link, and the judge over both."""

import asyncio
import math
import tempfile
import time
from collections import deque
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from procwm.control.controller import Controller
from procwm.data.series import iso_utc
from procwm.plant import registry
from procwm.plant.tags import PlantSpec
from procwm.runtime.clock import WallClock
from procwm.runtime.cycle import Cycle
from procwm.runtime.folder import RunFolder
from procwm.runtime.loop import run
from procwm_studies import Progress
from procwm_studies.faults.catalogue import BACK_WITHIN, SERVED, Fault
from procwm_studies.faults.host import Host
from procwm_studies.faults.judge import (
    Verdict,
    judge_rows,
    judge_sheds,
    judge_told,
    judge_writes,
    kept_samples,
    read_audit,
)
from procwm_studies.faults.link import Reached
from procwm_studies.faults.run import Setting
from procwm_studies.faults.served import Life, read_notes

INTERVAL_S = 0.5
"""Wall time of a control interval."""
_UNSENT_NS = round(INTERVAL_S * 0.5e9)
"""What a server has published so shortly before it is ended, it may not have sent."""
_LONGEST = 4
"""Times the planned duration after which a run is given up."""


class _Script:
    """A `Clock` between whose ticks one fault after the other is injected and taken back.

    Attributes:
        injected: faults that are over, by the cycles in which they really acted; cycles are counted in
            intervals since the first.
        planned: count of intervals that all faults take.
        last_ns: time of the last cycle, UTC.
    """

    def __init__(self, host: Host, faults: Sequence[Fault], every: int, tell: Progress) -> None:
        self.injected: list[Fault] = []
        self.planned = faults[-1].last + BACK_WITHIN
        self.last_ns = 0
        self._first_ns = 0
        self._host, self._every, self._tell = host, every, tell
        self._waiting = deque(faults)
        self._acting: Fault | None = None
        self._ceased = False
        self._over = 0

    def index(self, time_ns: int) -> int:
        """In which interval `time_ns` is."""
        return (time_ns - self._first_ns) // round(INTERVAL_S * 1e9)

    async def ticks(self, interval_s: float) -> AsyncIterator[int]:
        """Wall time, until the controller has had its time after the last fault."""
        async for time_ns in WallClock().ticks(interval_s):
            self._first_ns = self._first_ns or time_ns
            if not self._waiting and self._acting is None and self.index(time_ns) > self._over + BACK_WITHIN:
                return
            self.last_ns = time_ns
            yield time_ns

    def between(self, cycle: Cycle) -> None:
        """What happens before the cycle that follows."""
        following = self.index(cycle.time_ns) + 1
        if self._acting is not None:
            self._go_on(self._acting, following)
        elif self._waiting and following >= max(self._waiting[0].first, self._over + BACK_WITHIN + 1):
            fault = self._waiting.popleft()
            self._host.begin(_name(fault))
            last = following + max(fault.lasts, self._every) - 1
            self._acting, self._ceased = replace(fault, first=following, last=last), False

    def _go_on(self, fault: Fault, following: int) -> None:
        if following <= fault.last:
            return
        if not self._ceased:
            self._host.cease(_name(fault))
            self._ceased = True
        if self._host.ready:
            # A value is spoilt from its first report on.
            first = fault.first + (self._every - 1) * _name(fault).startswith("value")
            self.injected.append(replace(fault, first=first, last=following - 1))
            self._over, self._acting = following - 1, None
            self._tell(f"{len(self.injected)} faults over OPC UA")


def _name(fault: Fault) -> str:
    return fault.kind.name.removeprefix(SERVED)


async def survived_served(
    made: Setting, faults: Sequence[Fault], rng: np.random.Generator, tell: Progress
) -> list[Verdict]:
    """A run with `faults` in its server, and the verdict over each.

    Args:
        made: with a control interval of `INTERVAL_S`.
        faults: of `SERVED_KINDS`.
        rng: draws the seed of the simulation.
        tell: told what is going on.
    """
    seed = int(rng.integers(2**31))
    verdicts = [Verdict() for _ in faults]
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        life = Life(
            scenario=made.scenario.name,
            seed=seed,
            spec=made.spec,
            every=made.every,
            endpoint="opc.tcp://127.0.0.1:0",
            pki=directory,
            users=directory,
            notes=directory,
        )
        host = Host(life, directory)
        script = _Script(host, faults, made.every, tell)
        host.start()
        try:
            await host.started()
            began_ns = await _controlled(made, host, script, directory / "run", seed)
        except Exception as error:
            at = min(len(script.injected), len(faults) - 1)
            verdicts[at].find("exceptions", f"{faults[at].kind.name}: {type(error).__name__}: {error}")
            return verdicts
        finally:
            host.kill()
        _judge(made.spec, host, script, directory / "run", began_ns, verdicts)
    return verdicts


async def _controlled(made: Setting, host: Host, script: _Script, directory: Path, seed: int) -> int:
    """Run a controller until the script is done; the wall time from which on it was connected."""
    spec = replace(made.spec, opcua=host.settings)
    controller = Controller(spec, made.model, deadline_s=INTERVAL_S)
    intervals = script.planned
    link: Any = registry.link("opcua")(spec)
    async with link, asyncio.timeout(_LONGEST * intervals * INTERVAL_S):
        began_ns = time.time_ns()
        with RunFolder(directory, controller) as folder:
            await run(
                link,
                script,
                controller,
                targets=made.scenario.program(seed=seed, intervals=intervals),
                recorder=folder,
                snapshot=folder.snapshot,
                on_cycle=script.between,
            )
    return began_ns


def _judge(
    spec: PlantSpec,
    host: Host,
    script: _Script,
    directory: Path,
    began_ns: int,
    verdicts: Sequence[Verdict],
) -> None:
    table = pq.read_table(directory / "decisions.parquet", columns=["tick", "mode", "time"])
    times_ns = table["time"].cast("int64").to_pylist()
    modes = dict(zip(map(script.index, times_ns), table["mode"].to_pylist(), strict=True))
    times = {script.index(time_ns): iso_utc(time_ns) for time_ns in times_ns}
    audit = read_audit(directory / "audit.jsonl")
    writes = [
        Reached(tick=script.index(note["wall_ns"]), before=note["before"], asked=note["asked"])
        for lived in host.lived
        for note in read_notes(lived.life.writes)
    ]
    for number, (fault, verdict) in enumerate(zip(script.injected, verdicts, strict=True)):
        since = fault.first if number else 0
        until = script.injected[number + 1].first if number + 1 < len(script.injected) else math.inf
        own = [write for write in writes if since <= write.tick < until]
        judge_writes(spec, own, verdict)
        judge_sheds(fault, spec, modes, own, verdict)
        judge_told(fault, times, audit, verdict)
    owed = {
        (tag, source_ns)
        for lived in host.lived
        if lived.readable
        for tag, source_ns, wall_ns in read_notes(lived.life.published)
        if tag in spec.names and began_ns <= wall_ns < min(lived.ended_ns, script.last_ns) - _UNSENT_NS
    }
    # What the link has confirmed by reading is kept beside what was published.
    kept = kept_samples(directory).keys()
    judge_rows(directory, owed | kept, range(max(table["tick"].to_pylist()) + 1), verdicts[0])
