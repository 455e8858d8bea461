"""`procwm bench ablation`: each ingredient of a model left out, and what that does to it."""

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

import torch

from procwm.comparison.closed_loop import closed_loop
from procwm.control.controller import Controller
from procwm.learning.config import CollapsePrevention, FirstWeights, Others, TrainingConfig
from procwm.learning.evaluation.evaluate import evaluate
from procwm.learning.evaluation.scoring import LEADS
from procwm.learning.train import train
from procwm.plant.scenario import Scenario
from procwm.world.model import DEFAULT_FEEDBACK, WorldModel
from procwm.world.predictors.mlp_predictor import MlpPredictor
from procwm_studies import Progress
from procwm_studies.model.cases import Case, cases
from procwm_studies.results import Row, command_line, spread, table, write_results

HOURS = 10.0
INTERVALS = 180
"""Scored control intervals of every run."""
_BASE = TrainingConfig(history=8, latent=8, horizon=20, steps=200, predictor=MlpPredictor(), members=0)
"""Sizes and training time, the same for all; without the ensemble, which changes no prediction."""
WHOLE = "nothing"

TRAININGS: Mapping[str, Mapping[str, Any]] = MappingProxyType(
    {
        WHOLE: {},
        "joint read-out": {"joint_readout": False},
        "linear start": {"start": FirstWeights.RANDOM, "linear_rate": 3e-3, "encoder_rate": 1e-3},
        "network of the encoder": {"encoder_network_rate": 0.0},
        # Without its rate the head of inverse dynamics learns nothing either.
        "network of the predictor": {"rate": 0.0, "inverse_weight": 0.0},
        "averaging of weights": {"averaging": 0.0},
        "choice of PVs": {"others": Others.SEEN},
        "loss of PVs that belong": {"companion_weight": 0.0},
        "latent loss, SIGReg and inverse dynamics": {
            "latent_weight": 0.0,
            "collapse": CollapsePrevention.NONE,
            "inverse_weight": 0.0,
        },
        "inverse dynamics": {"inverse_weight": 0.0},
        "SIGReg": {"collapse": CollapsePrevention.NONE},
        "latent loss": {"latent_weight": 0.0},
    }
)
"""What is left out of training, and how."""

AFTERWARDS = ("filling of what is overdue", "choice of feedback")
"""What is left out of the finished model; only control shows it."""


def run_ablation(
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
    """Measure what each ingredient is worth and write `out/ablation.json` and `out/ablation.md`.

    Errors are against noise-free truth, in a log without unmeasured disturbances; costs are those of one
    closed loop without guardrails. With `logs`, those of real plants teach and test instead, and there is no
    loop. The files grow with every model.

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
    command = command_line("ablation", scenarios, seeds, hours, logs, plants, habits)
    rows: list[Row] = []
    for case in cases(scenarios, seeds, hours or HOURS, logs=logs, plants=plants, habits=habits):
        for without in TRAININGS:
            say(f"{case.name}, seed {case.seed}, without {without}")
            rows += _scored(case, without)
            write_results(out, "ablation", rows, report(rows, command))
    return out / "ablation.json"


def _scored(case: Case, without: str) -> list[Row]:
    """Errors and cost without an ingredient; of the whole model also without what is left out of it."""
    model, found = measured(case, without)
    if case.scenario is None:
        return [row | {"cost": math.nan} for row in found]
    cost = _cost(case.scenario, model, case.seed)
    rows: list[Row] = [row | {"cost": cost} for row in found]
    for left in AFTERWARDS if without == WHOLE else ():
        cost = _cost(case.scenario, lessened(model, left), case.seed)
        rows += [row | {"without": left, "nrmse": math.nan, "cost": cost} for row in found]
    return rows


def measured(case: Case, without: str) -> tuple[WorldModel, list[dict[str, Any]]]:
    """A model trained without an ingredient, and a row for each lead of its scores."""
    began = time.perf_counter()
    model = train(case.plant, case.taught, seed=case.seed, config=replace(_BASE, **TRAININGS[without]))
    train_s = time.perf_counter() - began
    found = evaluate(model, case.test, case.truth)
    kept = model.metrics["best_step"] == 0
    return model, [
        {
            "plant": case.name,
            "hours": case.taught.hours,
            "seed": case.seed,
            "without": without,
            "horizon": lead,
            "nrmse": found.nrmse[lead],
            "start_kept": kept,
            "train_s": train_s,
        }
        for lead in LEADS
    ]


def lessened(model: WorldModel, left: str) -> WorldModel:
    """A copy of `model` without `left`, one of `AFTERWARDS`."""
    if left == AFTERWARDS[0]:
        return WorldModel(replace(model.parts, rule=replace(model.rule, due_s=()))).finished()
    return model.with_calibration(feedback=torch.full_like(model.feedback, DEFAULT_FEEDBACK))


def _cost(scenario: Scenario, model: WorldModel, seed: int) -> float:
    # What a model comes to is measured whatever its verdict is.
    controller = Controller(scenario.plant, model, despite_verdict=True)
    return closed_loop(scenario, lambda _: controller, seed=seed, intervals=INTERVALS).cost


def report(rows: Sequence[Row], command: str) -> str:
    """The rows as Markdown: errors by lead, and cost relative to that of the whole model on the same seed."""
    seeds = ", ".join(str(seed) for seed in sorted({row["seed"] for row in rows}))
    parts = [
        "# Ablation\n\n",
        f"`{command}`\n\n",
        f"Seeds {seeds}; {_BASE.steps} steps of training. Normalised error of the CVs by lead, cost of "
        f"{INTERVALS} intervals of closed loop, and the latter relative to that of the model that lacks "
        "nothing; mean ± standard deviation over seeds.\n",
    ]
    for plant in dict.fromkeys(row["plant"] for row in rows):
        of = [row for row in rows if row["plant"] == plant]
        whole = {row["seed"]: row["cost"] for row in of if row["without"] == WHOLE}
        lines = []
        for without in (*TRAININGS, *AFTERWARDS):
            own = [row for row in of if row["without"] == without]
            errors = [spread([row["nrmse"] for row in own if row["horizon"] == lead]) for lead in LEADS]
            once = [row for row in own if row["horizon"] == LEADS[0]]
            costs = spread([row["cost"] for row in once], 4)
            relative = spread([row["cost"] / whole[row["seed"]] for row in once])
            lines.append([without, *errors, costs, relative])
        parts.append(f"\n## {plant}, {of[0]['hours']:.2f} h of log\n\n")
        parts.append(table(["without", *(f"{lead} ahead" for lead in LEADS), "cost", "relative"], lines))
    return "".join(parts)
