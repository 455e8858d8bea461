"""One run of the campaign: a controller on a faulty link, its folder, and the judge over both."""

import asyncio
import resource
import tempfile
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pyarrow.parquet as pq
import torch
from torch import nn

from procwm.control.controller import Controller
from procwm.planning.planner import MpcPlanner
from procwm.planning.problem import ControlProblem, Plan, PlanStatus
from procwm.plant import registry
from procwm.plant.samples import Sample
from procwm.plant.scenario import Operation, Scenario
from procwm.plant.tags import PlantSpec, names_of
from procwm.runtime.cycle import Cycle
from procwm.runtime.folder import RunFolder
from procwm.runtime.heartbeat import Heartbeat
from procwm.runtime.loop import run
from procwm.runtime.operator import Operator
from procwm.testing import exact_model
from procwm.world.model import WorldModel
from procwm_studies.faults.asking import COMMANDING, asked
from procwm_studies.faults.catalogue import BACK_WITHIN, Fault, accelerated, contract
from procwm_studies.faults.judge import (
    Verdict,
    judge_rows,
    judge_sheds,
    judge_told,
    judge_writes,
    read_audit,
)
from procwm_studies.faults.link import FaultyLink

_LEARNED = 400
"""Intervals of simulated step tests that the campaign's linear model is fitted to."""
_HORIZON, _HISTORY = 10, 6
_DEADLINE_S = 30.0
"""Far off: what a run comes to must not depend on how busy the machine is."""
_ROOM = 600
"""Bytes that a file may have while the disk is full."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Setting:
    """What the runs of one scenario and seed share.

    Attributes:
        every: cycles from one report of the critical CV to the next.
    """

    scenario: Scenario
    seed: int
    spec: PlantSpec
    model: WorldModel
    every: int


def setting(name: str, seed: int, *, interval_s: float | None = None) -> Setting:
    """A scenario with the campaign's plant file, and a linear model of it fitted to a simulated step test.

    Args:
        name: of the scenario.
        seed: of the step test and of everything random later.
        interval_s: wall time that one of its control intervals is to take; `None` leaves its time as it is.
    """
    scenario = registry.scenario(name)
    plant = scenario.simulate(seed=seed, operation=Operation.STEP_TEST, unmeasured=False)
    for _ in range(_LEARNED):
        plant.advance()
    rows = plant.history
    heard = Counter(sample.tag for sample in plant.drain())
    # An analyser that reports now and then cannot be lost for a few intervals only.
    critical = max(names_of(scenario.plant.cvs), key=lambda name: heard[name])
    spec = scenario.plant if interval_s is None else accelerated(scenario.plant, interval_s)
    spec = contract(spec, critical)
    names, dvs = names_of(spec.outputs), names_of(spec.dvs)
    output = np.array([[row.outputs[name] for name in names] for row in rows])
    dv = np.array([[row.outputs[name] for name in dvs] for row in rows]).reshape(len(rows), len(dvs))
    mv = np.array([row.mv for row in rows])
    known = np.hstack((output[:-1], mv[1:], dv[1:], np.ones((len(rows) - 1, 1))))
    fitted = np.linalg.lstsq(known, output[1:], rcond=None)[0].T
    n, m, d = len(names), len(spec.mvs), len(dvs)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = exact_model(
            spec,
            state_matrix=fitted[:, :n],
            input_matrix=fitted[:, n : n + m],
            disturbance_matrix=fitted[:, n + m : n + m + d],
            offset=fitted[:, -1],
            horizon=_HORIZON,
            history=_HISTORY,
        )
    every = max(1, round(len(rows) / heard[critical]))
    return Setting(scenario=scenario, seed=seed, spec=spec, model=model, every=every)


class FaultyPlanner:
    """The planner, unless a fault says otherwise."""

    def __init__(self, model: WorldModel) -> None:
        self._planner = MpcPlanner(model)
        self.link: FaultyLink | None = None

    @property
    def guard_names(self) -> Sequence[str]:
        return self._planner.guard_names

    def plan(self, problem: ControlProblem, *, warm_start: Plan | None, deadline_s: float) -> Plan:
        assert self.link is not None, "a run gives the planner its link"
        if self.link.acts("planner raises"):
            raise ArithmeticError("the solver failed")
        plan = self._planner.plan(problem, warm_start=warm_start, deadline_s=deadline_s)
        if self.link.acts("planner late"):
            return replace(plan, status=PlanStatus.LATE)
        if self.link.acts("planner asks beyond limits"):
            return replace(plan, mv=plan.mv + 1.5 * problem.mv_span)
        if self.link.acts("planner answers in another shape"):
            return replace(plan, mv=plan.mv[:, :0])
        if self.link.acts("planner answers NaN"):
            return replace(plan, mv=np.full_like(plan.mv, np.nan))
        return plan


def controller_of(made: Setting) -> tuple[Controller, FaultyPlanner]:
    """A controller for one run, and its planner."""
    planner = FaultyPlanner(made.model)
    return Controller(made.spec, made.model, planner=planner, deadline_s=_DEADLINE_S), planner


def survived(made: Setting, faults: Sequence[Fault], rng: np.random.Generator) -> list[Verdict]:
    """A run with `faults` in it, and the verdict over each."""
    seed = int(rng.integers(2**31))
    link = FaultyLink(
        made.scenario.simulate(seed=seed),
        made.spec,
        faults,
        rng,
        made.every,
        until=faults[-1].last + BACK_WITHIN + 1,
        words=COMMANDING,
    )
    verdicts = [Verdict() for _ in faults]
    with tempfile.TemporaryDirectory() as directory:
        try:
            asyncio.run(_run(made, link, Path(directory), seed))
        except Exception as error:
            at = max((n for n, fault in enumerate(faults) if fault.first <= link.tick), default=0)
            verdicts[at].find("exceptions", f"{faults[at].kind.name}: {type(error).__name__}: {error}")
            return verdicts
        _judge(link, faults, Path(directory), verdicts)
    return verdicts


async def _run(made: Setting, link: FaultyLink, directory: Path, seed: int) -> None:
    assert link.until is not None, "a run of the campaign has an end"
    controller, planner = controller_of(made)
    planner.link = link
    operator = Operator()
    bias = made.model.predictor.identified.bias
    sound = bias.clone()

    def between() -> None:
        """Faults that are in neither link nor planner."""
        bias.copy_(sound * (np.nan if link.acts("model of NaN") else 1.0))
        for request in asked(link, link.rng):
            operator.ask(request)

    def encoding(*_: object) -> None:
        if link.acts("model raises"):
            raise ArithmeticError("the encoder failed")

    hook = cast(nn.Module, made.model.encoder).register_forward_pre_hook(encoding)
    link.between = between
    program = made.scenario.program(seed=seed, intervals=link.until)
    try:
        with RunFolder(directory, controller) as folder:
            await run(
                link,
                link,
                controller,
                targets=program,
                recorder=_Disk(folder, link),
                heartbeat=Heartbeat(link.beat),
                operator=operator,
            )
    finally:
        bias.copy_(sound)
        hook.remove()


class _Disk:
    """A folder on a disk that can be full, kept by a recorder that can raise once it has kept."""

    def __init__(self, folder: RunFolder, link: FaultyLink) -> None:
        self._folder, self._link = folder, link

    def receive(self, samples: tuple[Sample, ...]) -> None:
        with self._failing():
            self._folder.receive(samples)

    def append(self, cycle: Cycle) -> None:
        with self._failing():
            self._folder.append(cycle)

    @contextmanager
    def _failing(self) -> Iterator[None]:
        with _full() if self._link.acts("disk full") else nullcontext():
            yield
        if self._link.acts("recorder raises"):
            raise RuntimeError(f"a bug in the recorder {COMMANDING}")


@contextmanager
def _full() -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (_ROOM, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def _judge(link: FaultyLink, faults: Sequence[Fault], directory: Path, verdicts: Sequence[Verdict]) -> None:
    columns: dict[str, list[Any]] = pq.read_table(
        directory / "decisions.parquet", columns=["tick", "mode", "time"]
    ).to_pydict()
    intervals = [link.ticked[tick] for tick in columns["tick"]]
    modes = dict(zip(intervals, columns["mode"], strict=True))
    audit = read_audit(directory / "audit.jsonl")
    times = {
        interval: moment.isoformat().replace("+00:00", "Z")
        for interval, moment in zip(intervals, columns["time"], strict=True)
    }
    for number, (fault, verdict) in enumerate(zip(faults, verdicts, strict=True)):
        following = faults[number + 1].first if number + 1 < len(faults) else link.tick
        since = fault.first if number else 0
        own = [write for write in link.reached if since <= write.tick < following]
        judge_writes(link.spec, own, verdict)
        judge_sheds(fault, link.spec, modes, own, verdict)
        judge_told(fault, times, audit, verdict)
    judge_rows(directory, link.delivered, range(len(link.ticked)), verdicts[0])
