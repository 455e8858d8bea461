"""`procwm bench pretraining`: hours of informative log that a long log with still MVs saves."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from procwm.comparison.operating import OperatingLog, operate
from procwm.data.series import Log
from procwm.learning.config import TrainingConfig
from procwm.learning.evaluation.evaluate import evaluate
from procwm.learning.evaluation.scoring import LEADS
from procwm.learning.train import train
from procwm.plant.registry import scenarios as installed
from procwm.plant.scenario import Operation, Scenario
from procwm.world.predictors.mlp_predictor import MlpPredictor
from procwm_studies import PLANTS, Progress
from procwm_studies.model.cases import SEEDS, TEST_HOURS
from procwm_studies.results import Row, command_line, spread, table, write_results

HOURS = 100.0
"""Of passive log: MVs at their nominal values, disturbances and noise as ever."""
INFORMATIVE = (1.0, 2.0, 5.0, 10.0)
"""Hours of routine log; the longest only without a passive log."""
SAME = TrainingConfig(horizon=20, steps=150, batch=64, predictor=MlpPredictor(), members=0)
ORDER = ("alone", "passive", "pretrained")
_LOG_SEED, _TEST_SEED, _PASSIVE_SEED = 1000, 3000, 7000


def run_pretraining(
    out: Path,
    *,
    scenarios: Sequence[str] = (),
    seeds: Sequence[int] = (),
    hours: float | None = None,
    progress: Progress | None = None,
) -> Path:
    """Measure what a passive log is worth; write `out/pretraining.json` and `out/pretraining.md`.

    *alone* is a routine log by itself; *passive* adds the passive log to the linear identification;
    *pretrained* has the encoder's network learn from it before, with stretches hidden. Errors are against
    noise-free truth, in a log without unmeasured disturbances.

    Args:
        out: a folder.
        scenarios: by name; `PLANTS` where empty.
        seeds: `procwm_studies.model.cases.SEEDS` where empty.
        hours: of passive log; `HOURS` where `None`.
        progress: told what is being done.
    """
    say = progress or (lambda _: None)
    command = command_line("pretraining", scenarios, seeds, hours)
    rows: list[Row] = []
    for seed in seeds or SEEDS:
        for name, scenario in installed(scenarios or PLANTS).items():
            quiet = operate(
                scenario, seed=seed + _PASSIVE_SEED, hours=hours or HOURS, operation=Operation.EXTERNAL
            )
            test = operate(scenario, seed=seed + _TEST_SEED, hours=TEST_HOURS, unmeasured=False)
            for informative in INFORMATIVE:
                log = operate(scenario, seed=seed + _LOG_SEED, hours=informative).log
                for kind in ORDER if informative < INFORMATIVE[-1] else ORDER[:1]:
                    say(f"{name}, seed {seed}, {informative:g} h: {kind}")
                    rows += measured(scenario, log, quiet.log, test, kind, seed=seed)
                    write_results(out, "pretraining", rows, report(rows, command))
    return out / "pretraining.json"


def measured(
    scenario: Scenario,
    log: Log,
    quiet: Log,
    test: OperatingLog,
    kind: str,
    *,
    seed: int,
    config: TrainingConfig = SAME,
) -> list[Row]:
    """One row a lead for the model of one kind of learning, and for its linear start."""
    began = time.perf_counter()
    model = train(
        scenario.plant,
        log,
        passive=None if kind == "alone" else quiet,
        seed=seed,
        config=replace(config, pretraining=config.steps if kind == "pretrained" else 0),
    )
    train_s = time.perf_counter() - began
    found = evaluate(model, test.log, test.shown)
    return [
        {
            "plant": scenario.name,
            "hours": log.hours,
            "passive_hours": 0.0 if kind == "alone" else quiet.hours,
            "seed": seed,
            "learning": kind,
            "horizon": lead,
            "nrmse": found.nrmse[lead],
            "linear": found.linear[lead],
            "train_s": train_s,
        }
        for lead in LEADS
    ]


def report(rows: Sequence[Row], command: str) -> str:
    """The rows as Markdown: errors of linear start and model, mean and standard deviation over the seeds."""
    quiet = max(row["passive_hours"] for row in rows)
    parts = [
        "# A passive log\n\n",
        f"`{command}`\n\n",
        "Root mean squared error over the CVs' standard deviation, mean ± standard deviation over seeds; "
        f"{quiet:.0f} h of passive log but for `alone`.\n",
    ]
    for plant in dict.fromkeys(row["plant"] for row in rows):
        of = [row for row in rows if row["plant"] == plant]
        lines = []
        for hours in sorted({round(row["hours"]) for row in of}):
            for kind in ORDER:
                own = [row for row in of if (round(row["hours"]), row["learning"]) == (hours, kind)]
                if not own:
                    continue
                errors = [
                    spread([row[key] for row in own if row["horizon"] == lead])
                    for key in ("linear", "nrmse")
                    for lead in LEADS
                ]
                seconds = spread([row["train_s"] for row in own if row["horizon"] == LEADS[0]], 0)
                lines.append([f"{hours} h", kind, *errors, seconds])
        header = [f"{part}{lead} ahead" for part in ("linear start, ", "") for lead in LEADS]
        parts.append(f"\n## {plant}\n\n" + table(["log", "learning", *header, "train s"], lines))
    return "".join(parts)
