"""`procwm bench encoders`: the same training with other networks in the encoder."""

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from procwm.bench import Progress
from procwm.bench.model import SEEDS, TEST_HOURS
from procwm.bench.model_logs import RealLog, real_logs
from procwm.bench.operating import operate
from procwm.bench.results import Row, command_line, spread, table, write_results
from procwm.data.series import Log, TagSeries
from procwm.plant.registry import scenarios as installed
from procwm.plant.tags import PlantSpec
from procwm.training.config import TrainingConfig
from procwm.training.evaluation import evaluate
from procwm.training.preparation import prepare
from procwm.training.scoring import LEADS
from procwm.training.trainer import train
from procwm.world.encoders.encoder import ENCODERS

HOURS = 20.0
SAME = TrainingConfig(horizon=20, steps=150, batch=64, predictor="mlp", members=0)
"""Training time, the same for all."""
SIMULATED = replace(SAME, history=32, latent=8)
"""Windows long enough for an architecture to matter; real logs are short, and ask for their own sizes."""
LINEAR = "linear"
_LOG_SEED, _TEST_SEED = 1000, 3000


@dataclass(frozen=True, eq=False)
class Case:
    """What the encoders are compared on: logs to learn from and to score on, a seed, and sizes."""

    name: str
    plant: PlantSpec
    taught: Log
    test: Log
    truth: Mapping[str, TagSeries] | None
    seed: int
    config: TrainingConfig


def run_encoders(
    out: Path,
    *,
    scenarios: Sequence[str] = (),
    seeds: Sequence[int] = (),
    hours: float | None = None,
    logs: Path | None = None,
    plants: Path | None = None,
    progress: Progress | None = None,
) -> Path:
    """Measure what the encoder's network is worth and write `out/encoders.json` and `out/encoders.md`.

    Plants, logs and errors are those of `procwm bench model`. The files grow with every model.

    Args:
        out: a folder.
        scenarios: by name, or the names of logs; everything that is there where empty.
        seeds: those of `procwm bench model` where empty.
        hours: of routine log; `HOURS` where `None`.
        logs: folder of real logs, measured in place of simulated plants.
        plants: folder of their plant files, where they are not beside the logs.
        progress: told what is being done.
    """
    say = progress or (lambda _: None)
    command = command_line("encoders", scenarios, seeds, hours, logs, plants)
    if logs is None:
        found = _simulated(scenarios, seeds or SEEDS, hours or HOURS)
    else:
        found = _real(real_logs(logs, plants, scenarios), seeds or SEEDS)
    rows: list[Row] = []
    for case in found:
        for kind in ENCODERS:
            say(f"{case.name}, seed {case.seed}: {kind}")
            rows += measured(case, kind)
            write_results(out, "encoders", rows, report(rows, command))
    return out / "encoders.json"


def _simulated(names: Sequence[str], seeds: Sequence[int], hours: float) -> Iterator[Case]:
    for name, scenario in installed(names).items():
        for seed in seeds:
            taught = operate(scenario, seed=seed + _LOG_SEED, hours=hours)
            test = operate(scenario, seed=seed + _TEST_SEED, hours=TEST_HOURS, unmeasured=False)
            yield Case(name, scenario.plant, taught.log, test.log, test.shown, seed, SIMULATED)


def _real(found: Sequence[RealLog], seeds: Sequence[int]) -> Iterator[Case]:
    for real in found:
        whole = prepare(real.plant, real.taught, SAME).whole
        config = replace(SAME, history=whole.rule.history, latent=whole.latent)
        for seed in seeds:
            yield Case(real.name, real.plant, real.taught, real.test, None, seed, config)


def measured(case: Case, kind: str) -> list[Row]:
    """One row a lead for a model with that encoder; with the first one for the linear start, too."""
    began = time.perf_counter()
    model = train(case.plant, case.taught, seed=case.seed, config=replace(case.config, encoder=kind))
    train_s = time.perf_counter() - began
    found = evaluate(model, case.test, case.truth)
    errors = {kind: found.nrmse} | ({LINEAR: found.linear} if kind == ENCODERS[0] else {})
    return [
        {
            "plant": case.name,
            "hours": case.taught.hours,
            "seed": case.seed,
            "encoder": which,
            "horizon": lead,
            "nrmse": error,
            "train_s": train_s if which == kind else 0.0,
            "best_step": model.metrics["best_step"] if which == kind else 0,
            "history": model.rule.history,
            "latent": model.metrics["latent"],
        }
        for which, by_lead in errors.items()
        for lead, error in by_lead.items()
    ]


def report(rows: Sequence[Row], command: str) -> str:
    """The rows as Markdown: errors by lead, seconds and steps, mean and standard deviation over the seeds."""
    parts = [
        "# Encoders\n\n",
        f"`{command}`\n\n",
        f"Root mean squared error over the CVs' standard deviation, mean ± standard deviation over seeds. "
        f"At most {SAME.steps} steps of {SAME.batch} windows.\n",
    ]
    for plant in dict.fromkeys(row["plant"] for row in rows):
        of = [row for row in rows if row["plant"] == plant]
        lines = []
        for kind in (*ENCODERS, LINEAR):
            own = [row for row in of if row["encoder"] == kind]
            errors = [spread([row["nrmse"] for row in own if row["horizon"] == lead]) for lead in LEADS]
            first = [row for row in own if row["horizon"] == LEADS[0]]
            told = [spread([row[key] for row in first], 0) for key in ("best_step", "train_s")]
            lines.append([kind, *errors, *told])
        header = ["encoder", *(f"{lead} ahead" for lead in LEADS), "steps kept", "train s"]
        sizes = f"{of[0]['hours']:.2f} h of log, {of[0]['history']} rows, {of[0]['latent']} latents"
        parts.append(f"\n## {plant}, {sizes}\n\n" + table(header, lines))
    return "".join(parts)
