"""`procwm bench model`: how well the world model predicts, beside other models, and how long it learns."""

import importlib.util
import math
import time
from collections.abc import Sequence
from pathlib import Path

from procwm.data.checks.shutdown import running
from procwm.learning.dataset.stopwatch import Stopwatch
from procwm.learning.evaluation.evaluate import evaluate
from procwm.learning.evaluation.scoring import LEADS, scoring
from procwm.learning.train import train
from procwm_studies import Progress
from procwm_studies.model.cases import Case, cases
from procwm_studies.model.probes import state_probes
from procwm_studies.model.real_logs import free_run
from procwm_studies.results import Row, command_line, spread, table, write_results

HOURS = 20.0
"""Of routine log."""


def run_model(
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
    """Measure prediction errors and write `out/model.json` and `out/model.md`.

    A routine log of `hours` teaches the model; a later one without unmeasured disturbances, which no
    model could foresee, tests it against the noise-free truth as late as each instrument shows it.
    With `logs`, those of real plants teach and test instead, against their own readings. Where latentplant is
    installed, its models are beside. The files grow with every model.

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
    command = command_line("model", scenarios, seeds, hours, logs, plants, habits)
    rows: list[Row] = []
    for case in cases(scenarios, seeds, hours or HOURS, logs=logs, plants=plants, habits=habits):
        say(f"{case.name}, seed {case.seed}: learning from {case.taught.hours:.2f} h")
        rows += measured(case)
        write_results(out, "model", rows, report(rows, command))
    return out / "model.json"


def measured(case: Case) -> list[Row]:
    """One row per model and lead: world models trained on a log, all of them scored on the other.

    Rows of the first lead hold more: of procwm, seconds by phase of its training as `phases`; where a test
    file was given, `free_run`; of a simulated plant, `probes`.
    """
    watch = Stopwatch()
    began = time.perf_counter()
    model = train(case.plant, case.taught, seed=case.seed, stopwatch=watch)
    train_s = time.perf_counter() - began
    found = evaluate(model, case.test, case.truth)
    errors = {"procwm": found.nrmse, "linear": found.linear, "persistence": found.persistence}
    alone = free_run(model, case.test) if case.given else {}
    states = () if case.scenario is None else case.scenario.equations.states
    probes = state_probes(model, case.test, case.rows, states) if states else {}
    common = {
        "plant": case.name,
        "hours": case.taught.hours,
        "seed": case.seed,
        "extra_tags": 0,
        "moments": found.moments,
    }
    rows: list[Row] = [
        common
        | {
            "model": kind,
            "horizon": lead,
            "nrmse": errors[kind][lead],
            "train_s": train_s if kind == "procwm" else 0.0,
        }
        | ({"free_run": dict(alone[kind])} if lead == LEADS[0] and kind in alone else {})
        | ({"probes": dict(probes)} if lead == LEADS[0] and kind == "procwm" and probes else {})
        | ({"phases": dict(watch.seconds)} if lead == LEADS[0] and kind == "procwm" else {})
        for kind in errors
        for lead in LEADS
        if lead in errors[kind]
    ]
    if importlib.util.find_spec("latentplant") is not None:
        from procwm_studies.model.latentplant import rivals

        held_to = scoring(model, running(case.test, case.plant, model.rule), case.truth)
        rows += [
            common
            | {"model": "latentplant", "kind": rival.kind, "epochs": rival.epochs}
            | {"horizon": lead, "nrmse": rival.nrmse[lead], "train_s": rival.train_s}
            for rival in rivals(model, case.taught, case.test, held_to, seed=case.seed)
            for lead in LEADS
        ]
    return rows


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
        parts.append(f"\n## {plant}, {of[0]['hours']:.2f} h of log\n\n")
        parts.append(_errors(of))
        probed = [row["probes"] for row in of if "probes" in row]
        if probed:
            lines = [[state, spread([one.get(state, math.nan) for one in probed])] for state in probed[0]]
            parts.append("\nShare of each true state's variance that a linear probe finds in the latent.\n\n")
            parts.append(table(["state", "share"], lines))
        alone = [row for row in of if "free_run" in row]
        if alone:
            parts.append(_alone(alone))
        parts.append(_phases([row for row in of if "phases" in row]))
    return "".join(parts)


def _errors(rows: Sequence[Row]) -> str:
    """Errors and times of one plant as Markdown, by model."""
    lines = []
    for label in dict.fromkeys(_label(row) for row in rows):
        own = [row for row in rows if _label(row) == label]
        errors = ([row["nrmse"] for row in own if row["horizon"] == lead] for lead in LEADS)
        first = [row for row in own if row["horizon"] == LEADS[0]]
        taken = spread([row["train_s"] for row in first], 0) if first[0]["train_s"] else "–"
        epochs = spread([row["epochs"] for row in first if "epochs" in row], 0)
        lines.append([label, *(spread(found) for found in errors), taken, epochs])
    return table(["model", *(f"{lead} ahead" for lead in LEADS), "train s", "epochs"], lines)


def _label(row: Row) -> str:
    """The model, and of latentplant's which one."""
    return f"{row['model']} {row['kind']}" if "kind" in row else str(row["model"])


def _phases(rows: Sequence[Row]) -> str:
    """Seconds by phase of training as Markdown."""
    seconds = [{**row["phases"], "all of it": row["train_s"]} for row in rows]
    lines = [[phase, spread([one[phase] for one in seconds], 1)] for phase in seconds[0]]
    return "\nTraining, by phase.\n\n" + table(["phase", "s"], lines)


def _alone(rows: Sequence[Row]) -> str:
    """Free runs as Markdown, by model and CV."""
    cvs = list(rows[0]["free_run"])
    lines = [
        [kind, *(spread([row["free_run"][cv] for row in rows if row["model"] == kind]) for cv in cvs)]
        for kind in dict.fromkeys(row["model"] for row in rows)
    ]
    return (
        "\nFree run over the test file, the state taken from its first rows: root mean squared error, in the "
        "unit of the CV.\n\n" + table(["model", *cvs], lines)
    )
