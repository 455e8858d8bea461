"""The demo's wiring: a plant recorded and controlled over OPC UA, compared, summed up and reported.

Training is stood in for by a crude linear model and all comparators by PI control, so that this is about
everything around them.
"""

import asyncio
import json
import math
import multiprocessing
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from procwm.comparison.closed_loop import WARM_UP, ClosedLoopRun, closed_loop
from procwm.comparison.learned import Learned
from procwm.comparison.operating import OperatingLog
from procwm.comparison.pi import ProportionalIntegral
from procwm.control.controller import Controller
from procwm.control.modes import Mode
from procwm.data.writer import LogWriter
from procwm.demo import job
from procwm.demo.comparators import compared
from procwm.demo.live import LiveRun, control
from procwm.demo.result import live_run
from procwm.errors import SpecError
from procwm.learning.labelled.coverage import Coverage
from procwm.plant.registry import scenario
from procwm.plant.samples import Quality, Sample
from procwm.plant.scenario import Scenario
from procwm.plant.tags import PlantSpec
from procwm.testing import exact_model
from procwm.world.fitness import Fitness, Verdict

INTERVALS = 6


def crude(plant: PlantSpec, operated: OperatingLog, later: OperatingLog, **_: Any) -> Learned:
    """In place of learning: each level a lag of one pump, and guardrails far from anything."""
    level = (np.array([1.0, 0.0]), -50.0)
    arguments = {"state_matrix": 0.9 * np.eye(2), "input_matrix": 0.4 * np.eye(2)}
    verdict = Verdict(fitness=Fitness.ADVICE, reason="it is crude", next="train it").as_dict()
    covered = Coverage(moments=10, share=1.0, unsafe=0, caught=None, by_lead={0: 1.0})
    return Learned(
        unguarded=exact_model(plant, **arguments),
        guarded=exact_model(plant, **arguments, guards=dict.fromkeys(operated.guards, level)).with_metrics(
            verdict=verdict
        ),
        train_s=1.0,
        labels={},
        coverage=dict.fromkeys(later.guards, covered),
    )


def only_pi(
    name: str, scenario_name: str, *, seed: int, intervals: int, given: Path | None = None
) -> ClosedLoopRun:
    """In place of every comparator: they are tested where they are made."""
    if given is not None:
        assert given.exists()
    return compared("pi", scenario_name, seed=seed, intervals=intervals)


class OwnThread(ThreadPoolExecutor):
    """In place of another process, which would not know of what is stood in for."""

    def __init__(self, workers: int, context: object) -> None:
        super().__init__(workers)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which the demo ran, after an earlier one had left a recording."""
    out = tmp_path_factory.mktemp("demo")
    earlier = LogWriter(out / "log.parquet", scenario("quadruple_tank").plant)
    earlier.append([Sample("LT1.PV", 1.0, Quality.GOOD, 1_700_000_000_000_000_000)])
    earlier.close()

    async def noted(scenario: Scenario, controller: Controller, **options: Any) -> LiveRun:
        (out.parent / "mode.txt").write_text(controller.mode, encoding="utf-8")
        return await control(scenario, controller, **options)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(job, "LOG_HOURS", 1.5)
        patch.setattr(job, "LATER_HOURS", 0.7)
        patch.setattr(job, "INTERVALS", INTERVALS)
        patch.setattr(job, "learn", crude)
        patch.setattr(job, "control", noted)
        patch.setattr(job, "compared", only_pi)
        patch.setattr(job, "ProcessPoolExecutor", OwnThread)
        job.Demo("quadruple_tank", out, seed=0, tell=lambda share, text: None).run()
    return out


def test_the_demo_leaves_a_summary_with_every_promised_number(made: Path) -> None:
    summary = json.loads((made / "summary.json").read_text(encoding="utf-8"))
    assert {"scenario", "seed", "log_hours", "train_s", "controllers", "model", "guardrails"} <= set(summary)
    promised = {"cost", "gap", "recovered", "violations", "plan_ms_median", "plan_ms_p99"}
    for name in ("procwm", "pi", "linear_mpc", "oracle_nmpc"):
        assert promised <= set(summary["controllers"][name])
    for scores in ("nrmse", "persistence", "linear"):
        assert scores not in summary["model"] or {"1", "5", "20"} <= set(summary["model"][scores])
    for row in summary["guardrails"].values():
        assert {"labels", "coverage_target", "coverage", "violations"} <= set(row)
    assert summary["controllers"]["oracle_nmpc"]["gap"] == 0.0


def test_the_demo_starts_its_log_anew(made: Path) -> None:
    summary = json.loads((made / "summary.json").read_text(encoding="utf-8"))
    assert math.isclose(summary["log_hours"], 1.5, abs_tol=0.01)


def test_the_demo_lets_a_model_into_auto_whatever_its_verdict_is(made: Path) -> None:
    assert (made.parent / "mode.txt").read_text(encoding="utf-8") == Mode.AUTO


def test_the_demo_leaves_a_report_and_all_that_it_was_made_from(made: Path) -> None:
    left = {path.name for path in made.iterdir()}
    assert left == {
        "plant.toml",
        "log.parquet",
        "later.parquet",
        "model",
        "model-unguarded",
        "summary.json",
        "report.html",
    }
    assert "Plotly.react" in (made / "report.html").read_text(encoding="utf-8")


def test_comparators_are_run_in_a_process_of_their_own() -> None:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as others:
        run = others.submit(compared, "pi", "quadruple_tank", seed=0, intervals=5).result()
    assert run.cost == compared("pi", "quadruple_tank", seed=0, intervals=5).cost


def test_an_unknown_comparator_is_refused() -> None:
    with pytest.raises(SpecError, match="nobody"):
        compared("nobody", "quadruple_tank", seed=0, intervals=5)


def test_a_run_over_opcua_is_the_same_as_one_in_process() -> None:
    plant = scenario("quadruple_tank")
    pi = ProportionalIntegral.tuned(plant)
    program = plant.program(seed=3, intervals=INTERVALS)
    live = asyncio.run(
        control(
            plant,
            pi,
            seed=3,
            intervals=INTERVALS,
            warm_up=WARM_UP,
            program=program,
            advance=lambda share: None,
        )
    )
    over_opcua = live_run(plant.plant, live, seed=3)
    in_process = closed_loop(plant, lambda simulated: pi, seed=3, intervals=INTERVALS)
    assert over_opcua.time_ns == in_process.time_ns
    np.testing.assert_array_equal(over_opcua.mv, in_process.mv)
    np.testing.assert_array_equal(over_opcua.cv, in_process.cv)
    np.testing.assert_array_equal(over_opcua.guard, in_process.guard)
