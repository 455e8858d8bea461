"""`procwm bench model`: how well the world model predicts, beside persistence and a linear model."""

import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from procwm.bench import Progress
from procwm.bench.operating import operate
from procwm.bench.results import Row, command_line, spread, table, write_results
from procwm.data.log import read_log
from procwm.data.series import Log, TagSeries
from procwm.plant.registry import scenario as find_scenario
from procwm.plant.registry import scenarios as all_scenarios
from procwm.plant.specfile import load_plant
from procwm.plant.tags import PlantSpec
from procwm.training.evaluation import LEADS, evaluate
from procwm.training.trainer import train

SEEDS = (0, 1, 2)
HOURS = 20.0
TEST_HOURS = 8.0
_LOG_SEED, _TEST_SEED = 1000, 3000
PLANTS = Path(__file__).parent / "plants"
"""Plant files of real logs, each for a log of the same name."""
REAL_LOGS = Path("../shared/data")
"""Where real logs are looked for; where there are none, none are measured."""
TRAINED_SHARE = 0.7
"""Of the time of a real log; the rest tests."""
ORDER = ("procwm", "linear", "persistence")


def run_model(
    out: Path,
    *,
    scenarios: Sequence[str] = (),
    seeds: Sequence[int] = (),
    hours: float | None = None,
    progress: Progress | None = None,
) -> Path:
    """Measure prediction errors and write `out/model.json` and `out/model.md`.

    A routine log of `hours` teaches the model; a later one without unmeasured disturbances, which no
    model could foresee, tests it against the noise-free truth as late as each instrument shows it.
    Real logs are split by time instead, and tested against their own readings. The files grow with
    every model.

    Args:
        out: a folder.
        scenarios: by name, real logs included; everything that is there where empty.
        seeds: `SEEDS` where empty.
        hours: of routine log; `HOURS` where `None`.
        progress: told what is being done.
    """
    say = progress or (lambda _: None)
    chosen = seeds or SEEDS
    command = command_line("model", scenarios, seeds, hours)
    rows: list[Row] = []
    for found in (
        _simulated(scenarios, chosen, hours or HOURS, say),
        _real(scenarios, chosen, say),
    ):
        for more in found:
            rows += more
            write_results(out, "model", rows, report(rows, command))
    return out / "model.json"


def _simulated(
    names: Sequence[str], seeds: Sequence[int], hours: float, say: Progress
) -> Iterator[list[Row]]:
    real = real_logs()
    chosen = [name for name in names if name not in real]
    if names and not chosen:
        return
    for name, scenario in ({n: find_scenario(n) for n in chosen} or all_scenarios()).items():
        for seed in seeds:
            say(f"{name}, seed {seed}: learning from {hours:g} h")
            taught = operate(scenario, seed=seed + _LOG_SEED, hours=hours)
            test = operate(scenario, seed=seed + _TEST_SEED, hours=TEST_HOURS, unmeasured=False)
            yield measured(name, scenario.plant, taught.log, test.log, seed=seed, truth=test.shown)


def _real(names: Sequence[str], seeds: Sequence[int], say: Progress) -> Iterator[list[Row]]:
    for name, (plant, log) in real_logs().items():
        if names and name not in names:
            continue
        cut_ns = log.start_ns + round(TRAINED_SHARE * (log.end_ns - log.start_ns))
        taught, test = log.between(log.start_ns, cut_ns), log.between(cut_ns, log.end_ns + 1)
        for seed in seeds:
            say(f"{name}, seed {seed}: learning from {taught.hours:.2f} h")
            yield measured(name, plant, taught, test, seed=seed)


def real_logs(folder: Path = REAL_LOGS) -> dict[str, tuple[PlantSpec, Log]]:
    """The plant file and log of every real plant whose log is in `folder`."""
    found = {}
    for path in sorted(PLANTS.glob("*.toml")):
        data = folder / f"{path.stem}.csv"
        if data.is_file():
            plant = load_plant(path)
            found[path.stem] = (plant, read_log(data, plant))
    return found


def measured(
    name: str,
    plant: PlantSpec,
    taught: Log,
    test: Log,
    *,
    seed: int,
    truth: Mapping[str, TagSeries] | None = None,
) -> list[Row]:
    """One row per model and lead: a world model trained on `taught`, all of them scored on `test`."""
    began = time.perf_counter()
    model = train(plant, taught, seed=seed)
    train_s = time.perf_counter() - began
    found = evaluate(model, test, truth)
    errors = {"procwm": found.nrmse, "linear": found.linear, "persistence": found.persistence}
    return [
        {
            "plant": name,
            "hours": taught.hours,
            "seed": seed,
            "model": kind,
            "extra_tags": 0,
            "horizon": lead,
            "nrmse": errors[kind][lead],
            "train_s": train_s if kind == "procwm" else 0.0,
            "moments": found.moments,
        }
        for kind in ORDER
        for lead in LEADS
        if lead in errors[kind]
    ]


def report(rows: Sequence[Row], command: str) -> str:
    """The rows as Markdown: normalised error by lead, mean and standard deviation over the seeds."""
    seeds = sorted({row["seed"] for row in rows})
    parts = [
        "# Prediction\n\n",
        f"`{command}`\n\n",
        f"Seeds {', '.join(map(str, seeds))}; root mean squared error over the CVs' standard deviation, "
        "mean ± standard deviation over seeds.\n",
    ]
    for plant in dict.fromkeys(row["plant"] for row in rows):
        of = [row for row in rows if row["plant"] == plant]
        lines = []
        for kind in ORDER:
            own = [row for row in of if row["model"] == kind]
            errors = ([row["nrmse"] for row in own if row["horizon"] == lead] for lead in LEADS)
            lines.append([kind, *(spread(found) for found in errors)])
        parts.append(f"\n## {plant}, {of[0]['hours']:.2f} h of log\n\n")
        parts.append(table(["model", *(f"{lead} ahead" for lead in LEADS)], lines))
    return "".join(parts)
