"""`procwm bench uncertainty`: do a model's error bands hold what they promise on a later log?"""

import asyncio
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from procwm.comparison.operating import operate
from procwm.data.series import Log
from procwm.learning.evaluation.evaluate import evaluate
from procwm.learning.evaluation.scoring import LEADS
from procwm.learning.train import train
from procwm.plant.registry import scenarios as installed
from procwm.plant.scenario import Scenario
from procwm.plant.tags import PlantSpec, names_of
from procwm.world.conformal import BAND_COVERAGE
from procwm.world.model import WorldModel
from procwm_studies import PLANTS, Progress
from procwm_studies.model.cases import SEEDS
from procwm_studies.model.model import HOURS
from procwm_studies.model.real_logs import real_logs
from procwm_studies.results import Row, command_line, spread, table, write_results

TEST_HOURS = 24.0
ELSEWHERE_HOURS = 6.0
_REST = 30
"""Intervals between two steps of an MV, on average."""
_LOG_SEED, _TEST_SEED = 1000, 5000


def run_uncertainty(
    out: Path,
    *,
    scenarios: Sequence[str] = (),
    seeds: Sequence[int] = (),
    hours: float | None = None,
    logs: Path | None = None,
    plants: Path | None = None,
    habits: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Measure the bands' coverage and write `out/uncertainty.json` and `out/uncertainty.md`.

    A routine log of `hours` teaches the model and its bands; a later one, with the disturbances that a
    plant has, tests them against its readings, and so does one in which MVs step anywhere within their
    limits, where the first log seldom was. With `logs`, those of real plants teach and test instead.

    Args:
        out: a folder.
        scenarios: by name, or the names of logs; everything that is there where empty.
        seeds: `procwm_studies.model.cases.SEEDS` where empty.
        hours: of routine log; those of `procwm bench model` where `None`.
        logs: folder of real logs, measured in place of simulated plants.
        plants: folder of their plant files, where they are not beside the logs.
        habits: of the operators who made the logs; each plant's own where `None`.
        progress: told what is being done.
    """
    say = progress or (lambda _: None)
    command = command_line("uncertainty", scenarios, seeds, hours, logs, plants, habits)
    if logs is None:
        cases = _simulated(scenarios, seeds or SEEDS, hours or HOURS, habits)
    else:
        found = real_logs(logs, plants, scenarios)
        cases = (
            (real.name, seed, real.plant, real.taught, {"later": real.test})
            for real in found
            for seed in seeds or SEEDS
        )
    rows: list[Row] = []
    for name, seed, plant, taught, tests in cases:
        say(f"{name}, seed {seed}: learning from {taught.hours:.2f} h")
        rows += _measured(name, seed, plant, taught, tests)
        write_results(out, "uncertainty", rows, report(rows, command))
    return out / "uncertainty.json"


def _simulated(
    names: Sequence[str], seeds: Sequence[int], hours: float, habits: str | None
) -> Iterator[tuple[str, int, PlantSpec, Log, dict[str, Log]]]:
    for name, scenario in installed(names or PLANTS, habits=habits).items():
        for seed in seeds:
            taught = operate(scenario, seed=seed + _LOG_SEED, hours=hours)
            test = operate(scenario, seed=seed + _TEST_SEED, hours=TEST_HOURS)
            elsewhere = asyncio.run(_wandering(scenario, seed + _TEST_SEED))
            yield name, seed, scenario.plant, taught.log, {"later": test.log, "elsewhere": elsewhere}


async def _wandering(scenario: Scenario, seed: int) -> Log:
    """A log in which every MV now and then steps anywhere within its limits, as fast as it may."""
    simulated = scenario.simulate(seed=seed)
    rng, samples = np.random.default_rng(seed), list(simulated.drain())
    mvs, now = scenario.plant.mvs, np.array(simulated.truth.mv)
    reach = np.array([np.inf if tag.max_move is None else tag.max_move for tag in mvs])
    low, high = np.array([tag.bounds for tag in mvs]).T
    wanted = now
    for _ in range(round(ELSEWHERE_HOURS * 3600.0 / scenario.plant.interval_s)):
        wanted = np.where(rng.random(len(mvs)) < 1.0 / _REST, rng.uniform(low, high), wanted)
        now = wanted.clip(now - reach, now + reach)
        await simulated.write(dict(zip(names_of(mvs), now.tolist(), strict=True)))
        simulated.advance()
        samples += simulated.drain()
    return Log.from_samples(samples, scenario.plant)


def _measured(name: str, seed: int, plant: PlantSpec, taught: Log, tests: Mapping[str, Log]) -> list[Row]:
    """One row a log and lead; what a band cannot say is NaN."""
    model = train(plant, taught, seed=seed)
    return [row for kind, test in tests.items() for row in _tested(model, name, seed, taught, kind, test)]


def _tested(model: WorldModel, name: str, seed: int, taught: Log, kind: str, test: Log) -> list[Row]:
    found = evaluate(model, test)
    return [
        {
            "plant": name,
            "log": kind,
            "hours": taught.hours,
            "seed": seed,
            "horizon": lead,
            "asked": BAND_COVERAGE,
            "coverage": found.coverage.get(lead, math.nan),
            "half_width": dict(found.half_width.get(lead, {})),
            "nrmse": found.nrmse[lead],
            "moments": found.moments,
            "widening": asdict(found.band_scores[lead]) if lead in found.band_scores else None,
        }
        for lead in sorted({*LEADS, model.horizon})
        if lead <= model.horizon
    ]


def report(rows: Sequence[Row], command: str) -> str:
    """The rows as Markdown: coverage by lead, mean and standard deviation over the seeds."""
    parts = [
        "# Uncertainty\n\n",
        f"`{command}`\n\n",
        f"Share of a later log's readings within the band that was to hold {BAND_COVERAGE:.0%} of them; a "
        "dash where the log was too short to show it.\n\n",
    ]
    parts.append(_coverage_table([row for row in rows if row["log"] == "later"]))
    parts.append(
        "\nThe band that widens with the ensemble's disagreement and the distance from the log, beside the "
        "constant one; elsewhere is a log in which MVs step anywhere within their limits. Width: mean over "
        "moments and outputs, relative to the constant band's. Seldom: moments more than twice as far from "
        "the log (squared) as is usual. Correlation: of the sizes of errors with the width, by rank.\n\n"
    )
    parts.append(_widening_table([row for row in rows if row["widening"] is not None]))
    return "".join(parts)


def _widening_table(rows: Sequence[Row]) -> str:
    lines = []
    for plant, log, lead in dict.fromkeys((row["plant"], row["log"], row["horizon"]) for row in rows):
        own = [row for row in rows if (row["plant"], row["log"], row["horizon"]) == (plant, log, lead)]
        doubts = [row["widening"] for row in own]
        lines.append(
            [
                plant,
                log,
                str(lead),
                spread([row["coverage"] for row in own]),
                spread(_numbers(doubts, "coverage")),
                spread([_relative_width(row) for row in own]),
                spread(_numbers(doubts, "seldom")),
                spread(_numbers(doubts, "seldom_constant")),
                spread(_numbers(doubts, "seldom_coverage")),
                spread(_numbers(doubts, "correlation")),
            ]
        )
    header = ["plant", "log", "ahead", "constant holds", "widening holds", "its width", "seldom"]
    return table([*header, "there constant holds", "widening holds", "correlation"], lines)


def _numbers(doubts: Sequence[Mapping[str, Any]], name: str) -> list[float]:
    return [math.nan if each[name] is None else each[name] for each in doubts]


def _relative_width(row: Row) -> float:
    """Of the band that widens; NaN where nothing is known."""
    constant, widening = row["half_width"], row["widening"]["half_width"]
    shares = [widening[name] / constant[name] for name in widening if name in constant]
    return sum(shares) / len(shares) if shares else math.nan


def _coverage_table(rows: Sequence[Row]) -> str:
    lines = []
    for plant in dict.fromkeys(row["plant"] for row in rows):
        own = [row for row in rows if row["plant"] == plant]
        leads = (*LEADS, max(row["horizon"] for row in own))
        by_lead = [[row["coverage"] for row in own if row["horizon"] == lead] for lead in leads[:-1]]
        last = [
            max((row for row in own if row["seed"] == seed), key=lambda row: int(row["horizon"]))["coverage"]
            for seed in dict.fromkeys(row["seed"] for row in own)
        ]
        lines.append([plant, f"{own[0]['hours']:.2f}", *(spread(found) for found in (*by_lead, last))])
    header = ["plant", "hours of log", *(f"{lead} ahead" for lead in LEADS), "at the horizon"]
    return table(header, lines)
