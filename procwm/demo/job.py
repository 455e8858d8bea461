"""The demo from nothing to a report, phase by phase."""

import asyncio
import multiprocessing
import shutil
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, Future, ProcessPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from procwm.comparison.closed_loop import WARM_UP, ClosedLoopRun
from procwm.comparison.key_figures import INTERVALS, ORDER
from procwm.comparison.learned import Learned, learn
from procwm.comparison.operating import OperatingLog
from procwm.control.controller import Controller
from procwm.data.files import write_json, write_text
from procwm.data.log import read_log
from procwm.data.segments import parts_of
from procwm.demo.comparators import compared
from procwm.demo.live import LiveRun, control, record_routine
from procwm.demo.result import DemoResult, live_run, report_of, summary_of
from procwm.learning.evaluation.evaluate import evaluate
from procwm.learning.train import Progress
from procwm.plant import registry
from procwm.plant.plantfile.specfile import dump_plant
from procwm.plant.scenario import Scenario, TruthRow
from procwm.report import build_report
from procwm.world.model import WorldModel

LOG_HOURS = 20.0
LATER_HOURS = 4.0
"""Routine operation after the log: the model is judged by it and never learns from it."""
_LOG_SEED = 1000
"""Added to the seed of the log, so that the controlled plant is not the one that was recorded."""

Tell = Callable[[float, str], None]
"""Told how much of the demo is done, 0 to 1, and what is being done."""


class Demo:
    """One run of the demo; everything it makes is in one folder."""

    def __init__(
        self, scenario_name: str, out: Path, *, seed: int, tell: Tell, habits: str | None = None
    ) -> None:
        """Args:
        tell: told of every step of progress.
        habits: of the operators whose log it is; the plant's own where `None`.
        """
        self._scenario: Scenario = registry.scenario(scenario_name, habits=habits)
        self._out, self._seed, self._tell = out, seed, tell
        self._log, self._later, self._model_dir = out / "log.parquet", out / "later.parquet", out / "model"
        self._unguarded_dir = out / "model-unguarded"
        self._phases: dict[str, float] = {}

    def run(self) -> dict[str, Any]:
        """Record, learn, control and compare; write and return the summary, and write the report."""
        self._clear()
        # Spawned, not forked: this process runs threads of torch and asyncio.
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as others:
            try:
                outcome = self._outcome(others)
            except BaseException:
                others.shutdown(wait=False, cancel_futures=True)
                raise
        with self._phase("report", 0.97):
            summary = summary_of(outcome)
            document = build_report(report_of(outcome, summary))
        summary["phases_s"] = self._phases
        write_text(self._out / "report.html", document)
        write_json(self._out / "summary.json", summary)
        return summary

    def _outcome(self, others: Executor) -> DemoResult:
        waiting = {name: self._compare(others, name) for name in ("pi", "oracle_nmpc", "oracle_unguarded")}
        with self._phase("record", 0.0):
            truth = self._record()
        plant = self._scenario.plant
        operated, later = (
            OperatingLog(log=read_log(path, plant), rows=truth) for path in (self._log, self._later)
        )
        waiting["linear_mpc"] = self._compare(others, "linear_mpc", self._log)
        with self._phase("learn", 0.1):
            learned = self._learn(operated, later)
        if learned.guarded.guard_names:
            waiting["procwm_unguarded"] = self._compare(others, "procwm_unguarded", self._unguarded_dir)
        with self._phase("evaluate", 0.5):
            scores = evaluate(learned.guarded, later.log, later.outputs)
        with self._phase("control", 0.6):
            live = self._control(learned.guarded)
        with self._phase("compare", 0.85):
            runs = {name: future.result() for name, future in waiting.items()}
            runs["procwm"] = live_run(plant, live, self._seed)
        return DemoResult(
            scenario=self._scenario,
            seed=self._seed,
            log_hours=operated.log.hours,
            learned=learned,
            scores=scores,
            live=live,
            runs={name: runs[name] for name in ORDER if name in runs},
        )

    def _clear(self) -> None:
        """Remove what an earlier run left: a recording would be continued."""
        self._out.mkdir(parents=True, exist_ok=True)
        for path in (self._log, self._later):
            path.unlink(missing_ok=True)
            shutil.rmtree(parts_of(path), ignore_errors=True)
        for name in ("summary.json", "report.html"):
            (self._out / name).unlink(missing_ok=True)
        (self._out / "plant.toml").write_text(dump_plant(self._scenario.plant), encoding="utf-8")

    @contextmanager
    def _phase(self, name: str, done: float) -> Iterator[None]:
        began = time.perf_counter()
        self._tell(done, name)
        yield
        self._phases[name] = round(time.perf_counter() - began, 2)

    def _compare(self, others: Executor, name: str, given: Path | None = None) -> "Future[ClosedLoopRun]":
        return others.submit(
            compared, name, self._scenario.name, seed=self._seed, intervals=INTERVALS, given=given
        )

    def _record(self) -> tuple[TruthRow, ...]:
        stretches = [(self._log, LOG_HOURS), (self._later, LATER_HOURS)]
        told = f"recording {LOG_HOURS:g} h of routine operation over OPC UA"
        return asyncio.run(
            record_routine(
                self._scenario,
                stretches,
                seed=self._seed + _LOG_SEED,
                advance=lambda share: self._tell(0.1 * share, told),
            )
        )

    def _learn(self, operated: OperatingLog, later: OperatingLog) -> Learned:
        def told(state: Progress) -> None:
            self._tell(0.1 + 0.4 * state.step / state.steps, f"learning: error {state.error:.4f}")

        learned = learn(self._scenario.plant, operated, later, seed=self._seed, progress=told)
        learned.guarded.save(self._model_dir)
        learned.unguarded.save(self._unguarded_dir)
        return learned

    def _control(self, model: WorldModel) -> LiveRun:
        return asyncio.run(
            control(
                self._scenario,
                # The report tells its verdict, and shows what it comes to whatever that is.
                Controller(self._scenario.plant, model, despite_verdict=True),
                seed=self._seed,
                intervals=INTERVALS,
                warm_up=WARM_UP,
                program=self._scenario.program(seed=self._seed, intervals=INTERVALS),
                advance=lambda share: self._tell(0.6 + 0.25 * share, "controlling the plant over OPC UA"),
            )
        )
