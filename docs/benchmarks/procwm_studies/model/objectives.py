"""`procwm bench objectives`: what keeps latents from collapsing, and what is worth foreseeing.

The first is `procwm_studies.model.collapse`; the second the same model trained to foresee other things,
with more and more idle tags.

The *generative* twin foresees every tag, the *supervised* one the outputs alone, *jepa* outputs and its own
latents. They differ in the weights of one objective, and all of them see every tag; *procwm* is what a user
gets, which leaves out the tags that tell nothing before it trains.
"""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from procwm.comparison.operating import OperatingLog, operate
from procwm.data.series import Log, TagSeries
from procwm.data.window import grid, held
from procwm.errors import LogError
from procwm.learning.config import Others, TrainingConfig
from procwm.learning.evaluation.evaluate import evaluate
from procwm.learning.evaluation.scoring import LEADS
from procwm.learning.labelled.guardrail import learn_guardrail
from procwm.learning.labelled.labels import labels
from procwm.learning.train import train
from procwm.plant.registry import scenarios as installed
from procwm.plant.scenario import Scenario
from procwm.plant.tags import PlantSpec
from procwm.world.heads import GuardHead
from procwm.world.model import WorldModel
from procwm_studies import PLANTS, Progress
from procwm_studies.model.cases import SEEDS, TEST_HOURS
from procwm_studies.model.collapse import INTERVALS, collapse_report, collapse_rows, loop_cost
from procwm_studies.model.extra_tags import extra_log, extra_plant
from procwm_studies.results import Row, command_line, spread, table, write_results

HOURS = 10.0
EXTRA_TAGS = (0, 20, 60)
LABELS = 16
_LOG_SEED, _TEST_SEED = 1000, 3000
_SAME = TrainingConfig(history=8, latent=8, horizon=20, steps=200, members=0)
"""Sizes and training time, the same for all of them; without the ensemble, which changes no prediction."""
ORDER = ("procwm", "jepa", "supervised", "generative")


def objectives(plant: PlantSpec) -> Mapping[str, TrainingConfig]:
    """What is compared, by name: weights of one objective.

    Every tag weighs the same for the generative twin.
    """
    others = len(plant.names) - len(plant.mvs) - len(plant.dvs) - len(plant.outputs)
    twin = replace(_SAME, latent_weight=0.0, collapse_weight=0.0, inverse_weight=0.0)
    return {
        "procwm": _SAME,
        "jepa": replace(_SAME, others=Others.SEEN),
        "supervised": replace(twin, others=Others.SEEN),
        "generative": replace(twin, others=Others.FORESEEN, companion_weight=others / len(plant.outputs)),
    }


def run_objectives(
    out: Path,
    *,
    scenarios: Sequence[str] = (),
    seeds: Sequence[int] = (),
    hours: float | None = None,
    habits: str | None = None,
    progress: Progress | None = None,
) -> Path:
    """Measure what objectives are worth and write `out/objectives.json` and `out/objectives.md`.

    Prediction errors are against noise-free truth, in a log without unmeasured disturbances. A guardrail
    is learned on each model's latents from the same evenly spread labels and its error, without margin,
    measured in another routine log. Closed loops have no idle tags.

    Args:
        out: a folder.
        scenarios: by name; `PLANTS` where empty.
        seeds: `procwm_studies.model.cases.SEEDS` where empty.
        hours: of routine log; `HOURS` where `None`.
        habits: of the operators who made the logs; each plant's own where `None`.
        progress: told what is being done.
    """
    say = progress or (lambda _: None)
    command = command_line("objectives", scenarios, seeds, hours, habits=habits)
    rows: list[Row] = []
    for seed in seeds or SEEDS:
        for name, scenario in installed(scenarios or PLANTS, habits=habits).items():
            taught = operate(scenario, seed=seed + _LOG_SEED, hours=hours or HOURS)
            test = operate(scenario, seed=seed + _TEST_SEED, hours=TEST_HOURS, unmeasured=False)
            for found in collapse_rows(scenario, taught, test, seed, say):
                rows += found
                write_results(out, "objectives", rows, report(rows, command))
            for count in EXTRA_TAGS:
                for kind in ORDER:
                    say(f"{name}, seed {seed}, {count} more tags: {kind}")
                    rows += _measured(scenario, taught, test, count, kind, seed)
                    write_results(out, "objectives", rows, report(rows, command))
    return out / "objectives.json"


def _measured(
    scenario: Scenario, taught: OperatingLog, test: OperatingLog, count: int, kind: str, seed: int
) -> list[Row]:
    """One row a lead; the first of them also has the guardrails' errors and the cost of a closed loop."""
    plant = extra_plant(scenario.plant, count)
    log = extra_log(plant, taught.log, count, seed=seed + _LOG_SEED)
    later = extra_log(plant, test.log, count, seed=seed + _TEST_SEED)
    began = time.perf_counter()
    model = train(plant, log, seed=seed, config=objectives(plant)[kind])
    train_s = time.perf_counter() - began
    found = evaluate(model, later, test.shown)
    guards = {name: guard_error(model, log, taught, later, test, name) for name in taught.guards}
    cost = math.nan if count else loop_cost(scenario, model, seed)
    return [
        {
            "table": "objectives",
            "plant": scenario.name,
            "hours": taught.log.hours,
            "seed": seed,
            "model": kind,
            "extra_tags": count,
            "horizon": lead,
            "nrmse": found.nrmse[lead],
            "train_s": train_s,
        }
        | ({"guard_error": guards, "cost": cost} if lead == LEADS[0] else {})
        for lead in LEADS
    ]


@torch.no_grad()
def guard_error(
    model: WorldModel, log: Log, taught: OperatingLog, later: Log, test: OperatingLog, name: str
) -> float:
    """Root mean squared error of a learned guardrail without its margin, over the truth's standard deviation.

    Args:
        log, later: what the model sees of `taught`, which is labelled, and of `test`.
    """
    seen = grid(log, model.rule)
    usable = np.flatnonzero(seen.ready)[model.horizon :]
    times = seen.time_ns[usable[np.linspace(0, len(usable) - 1, LABELS).astype(int)]]
    judged = labels(times, held(taught.guards[name], times, np.inf))
    head = learn_guardrail(model, log, judged, name=name).guard_heads[-1]
    rows = grid(later, model.rule)
    chosen = np.flatnonzero(rows.ready)[::4]
    if not len(chosen):
        raise LogError("the test log is nowhere long enough for a window")
    latent = model.encode(model.model_input(rows.windows(chosen.tolist())))
    truth: TagSeries = test.guards[name]
    true = held(truth, rows.time_ns[chosen], np.inf)
    assert isinstance(head, GuardHead)
    error = head(latent)[:, 0].numpy() - head.margin - true
    return float(np.sqrt(np.mean(error**2)) / np.std(true))


def report(rows: Sequence[Row], command: str) -> str:
    """The rows as Markdown: mean and standard deviation over the seeds."""
    apart, foreseen = ([row for row in rows if row["table"] == name] for name in ("collapse", "objectives"))
    return "".join(
        (
            "# Objectives\n\n",
            f"`{command}`\n\n",
            "Root mean squared error over the standard deviation, mean ± standard deviation over seeds; "
            f"closed-loop cost over {INTERVALS} intervals.\n\n",
            "# What keeps latents apart\n",
            collapse_report(apart),
            "\n# What is foreseen\n\n",
            f"Guardrails from {LABELS} labels.\n",
            _foreseen(foreseen),
        )
    )


def _foreseen(rows: Sequence[Row]) -> str:
    parts = []
    for plant in dict.fromkeys(row["plant"] for row in rows):
        of = [row for row in rows if row["plant"] == plant]
        names = list(next(row["guard_error"] for row in of if "guard_error" in row))
        lines = []
        for count in dict.fromkeys(row["extra_tags"] for row in of):
            for kind in ORDER:
                own = [row for row in of if (row["extra_tags"], row["model"]) == (count, kind)]
                first = [row for row in own if row["horizon"] == LEADS[0]]
                if first:
                    errors = ([row["nrmse"] for row in own if row["horizon"] == lead] for lead in LEADS)
                    guards = ([row["guard_error"][name] for row in first] for name in names)
                    lines.append(
                        [
                            str(count),
                            kind,
                            *(spread(error) for error in errors),
                            *(spread(guard, 2) for guard in guards),
                            spread([row["cost"] for row in first]),
                            spread([row["train_s"] for row in first], 0),
                        ]
                    )
        header = ["more tags", "model", *(f"{lead} ahead" for lead in LEADS), *names, "cost", "train s"]
        parts.append(f"\n## {plant}, {of[0]['hours']:.2f} h of log\n\n" + table(header, lines))
    return "".join(parts)
