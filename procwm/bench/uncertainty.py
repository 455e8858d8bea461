"""`procwm bench uncertainty`: do a model's error bands hold what they promise on a later log?"""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from procwm.bench import Progress
from procwm.bench.model import HOURS, SEEDS, named
from procwm.bench.model_logs import real_logs
from procwm.bench.operating import operate
from procwm.bench.results import Row, command_line, spread, table, write_results
from procwm.data.series import Log
from procwm.plant.registry import scenario as find_scenario
from procwm.plant.registry import scenarios as all_scenarios
from procwm.plant.tags import PlantSpec
from procwm.training.evaluation import LEADS, evaluate
from procwm.training.trainer import train
from procwm.world.calibration import BAND_COVERAGE

TEST_HOURS = 24.0
_LOG_SEED, _TEST_SEED = 1000, 5000


def run_uncertainty(
    out: Path,
    *,
    scenarios: Sequence[str] = (),
    seeds: Sequence[int] = (),
    hours: float | None = None,
    logs: Path | None = None,
    plants: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Measure the bands' coverage and write `out/uncertainty.json` and `out/uncertainty.md`.

    A routine log of `hours` teaches the model and its bands; a later one, with the disturbances that a
    plant has, tests them against its readings. With `logs`, those of real plants teach and test instead.

    Args:
        out: a folder.
        scenarios: by name, or the names of logs; everything that is there where empty.
        seeds: those of `procwm bench model` where empty.
        hours: of routine log; those of `procwm bench model` where `None`.
        logs: folder of real logs, measured in place of simulated plants.
        plants: folder of their plant files, where they are not beside the logs.
        progress: told what is being done.
    """
    say = progress or (lambda _: None)
    command = command_line("uncertainty", scenarios, seeds, hours)
    if logs is None:
        cases = _simulated(scenarios, seeds or SEEDS, hours or HOURS)
    else:
        command += " --logs LOGS" + (" --plants PLANTS" if plants is not None else "")
        found = named(real_logs(logs, plants), scenarios)
        cases = (
            (real.name, seed, real.plant, real.taught, real.test) for real in found for seed in seeds or SEEDS
        )
    rows: list[Row] = []
    for name, seed, plant, taught, test in cases:
        say(f"{name}, seed {seed}: learning from {taught.hours:.2f} h")
        rows += _measured(name, seed, plant, taught, test)
        write_results(out, "uncertainty", rows, report(rows, command))
    return out / "uncertainty.json"


def _simulated(
    names: Sequence[str], seeds: Sequence[int], hours: float
) -> Iterator[tuple[str, int, PlantSpec, Log, Log]]:
    for name, scenario in ({n: find_scenario(n) for n in names} or all_scenarios()).items():
        for seed in seeds:
            taught = operate(scenario, seed=seed + _LOG_SEED, hours=hours)
            test = operate(scenario, seed=seed + _TEST_SEED, hours=TEST_HOURS)
            yield name, seed, scenario.plant, taught.log, test.log


def _measured(name: str, seed: int, plant: PlantSpec, taught: Log, test: Log) -> list[Row]:
    """One row a lead; what the band cannot say is NaN."""
    model = train(plant, taught, seed=seed)
    found = evaluate(model, test)
    return [
        {
            "plant": name,
            "hours": taught.hours,
            "seed": seed,
            "horizon": lead,
            "asked": BAND_COVERAGE,
            "coverage": found.coverage.get(lead, math.nan),
            "half_width": dict(found.half_width.get(lead, {})),
            "nrmse": found.nrmse[lead],
            "moments": found.moments,
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
    return "".join(parts) + table(header, lines)
