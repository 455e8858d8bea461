"""`procwm bench encoders`: the same training with other networks in the encoder."""

import time
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from procwm.learning.config import TrainingConfig
from procwm.learning.evaluation.evaluate import evaluate
from procwm.learning.evaluation.scoring import LEADS
from procwm.learning.identification.preparation import prepare
from procwm.learning.train import train
from procwm.world.predictors.mlp_predictor import MlpPredictor
from procwm.world.storage.catalogue import ENCODERS
from procwm_studies import Progress
from procwm_studies.model.cases import Case, cases
from procwm_studies.results import Row, command_line, spread, table, write_results

HOURS = 20.0
SAME = TrainingConfig(horizon=20, steps=150, batch=64, predictor=MlpPredictor(), members=0)
"""Training time, the same for all."""
SIMULATED = replace(SAME, history=32, latent=8)
"""Windows long enough for an architecture to matter; real logs are short, and ask for their own sizes."""
LINEAR = "linear"
KINDS = ENCODERS.kinds


def run_encoders(
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
    """Measure what the encoder's network is worth and write `out/encoders.json` and `out/encoders.md`.

    Plants, logs and errors are those of `procwm bench model`. The files grow with every model.

    Args:
        out: a folder.
        scenarios: by name, or the names of logs; everything that is there where empty.
        seeds: `procwm_studies.model.cases.SEEDS` where empty.
        hours: of routine log; `HOURS` where `None`.
        logs: folder of real logs, measured in place of simulated plants.
        plants: folder of their plant files, where they are not beside the logs.
        habits: of the operators who made the logs; each plant's own where `None`.
        progress: told what is being done.
    """
    say = progress or (lambda _: None)
    command = command_line("encoders", scenarios, seeds, hours, logs, plants, habits)
    rows: list[Row] = []
    sizes: dict[str, TrainingConfig] = {}
    for case in cases(scenarios, seeds, hours or HOURS, logs=logs, plants=plants, habits=habits):
        if case.name not in sizes:
            sizes[case.name] = SIMULATED if case.scenario is not None else _own_sizes(case)
        for kind in KINDS:
            say(f"{case.name}, seed {case.seed}: {kind}")
            rows += measured(case, kind, sizes[case.name])
            write_results(out, "encoders", rows, report(rows, command))
    return out / "encoders.json"


def _own_sizes(case: Case) -> TrainingConfig:
    """The sizes that the log itself asks for."""
    whole = prepare(case.plant, case.taught, SAME).whole
    return replace(SAME, history=whole.rule.history, latent=whole.latent)


def measured(case: Case, kind: str, config: TrainingConfig) -> list[Row]:
    """One row a lead for a model with that encoder; with the first one for the linear start, too."""
    began = time.perf_counter()
    model = train(
        case.plant, case.taught, seed=case.seed, config=replace(config, encoder=ENCODERS.find(kind)())
    )
    train_s = time.perf_counter() - began
    found = evaluate(model, case.test, case.truth)
    errors = {kind: found.nrmse} | ({LINEAR: found.linear} if kind == KINDS[0] else {})
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
        for kind in (*KINDS, LINEAR):
            own = [row for row in of if row["encoder"] == kind]
            errors = [spread([row["nrmse"] for row in own if row["horizon"] == lead]) for lead in LEADS]
            first = [row for row in own if row["horizon"] == LEADS[0]]
            told = [spread([row[key] for row in first], 0) for key in ("best_step", "train_s")]
            lines.append([kind, *errors, *told])
        header = ["encoder", *(f"{lead} ahead" for lead in LEADS), "steps kept", "train s"]
        sizes = f"{of[0]['hours']:.2f} h of log, {of[0]['history']} rows, {of[0]['latent']} latents"
        parts.append(f"\n## {plant}, {sizes}\n\n" + table(header, lines))
    return "".join(parts)
