"""What keeps latents from collapsing, compared on the same plants: one half of `procwm bench objectives`.

Twice, since the way procwm learns hardly lets a latent collapse: its weights start at a linear model whose
latent is white, and the outputs are read jointly. `pinned` is that. In `free` the weights start anywhere
and read-outs learn from latents without shaping them, so that nothing else keeps the latents apart.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch

from procwm.comparison.closed_loop import closed_loop
from procwm.comparison.operating import OperatingLog
from procwm.control.controller import Controller
from procwm.learning.calibration.feedback import arriving_errors, chosen_feedback
from procwm.learning.config import CollapsePrevention, FirstWeights, TrainingConfig
from procwm.learning.evaluation.evaluate import evaluate
from procwm.learning.evaluation.scoring import LEADS
from procwm.learning.identification.preparation import Prepared, prepare
from procwm.learning.optimisation.gradient_descent import Optimisation
from procwm.learning.train import assembled
from procwm.plant.scenario import Scenario
from procwm.plant.tags import PlantSpec
from procwm.world.model import WorldModel
from procwm.world.predictors.mlp_predictor import MlpPredictor
from procwm_studies import Progress
from procwm_studies.model.probes import state_probes
from procwm_studies.results import Row, spread, table

INTERVALS = 120
"""Scored control intervals of a closed loop."""
WITH_INVERSE = "sigreg and inverse dynamics"
_PINNED = TrainingConfig(
    history=8, latent=8, horizon=20, steps=200, predictor=MlpPredictor(), inverse_weight=0.0
)
_FREE = replace(
    _PINNED,
    start=FirstWeights.RANDOM,
    joint_readout=False,
    latent_weight=1.0,
    collapse_weight=1.0,
    rate=1e-2,
    linear_rate=1e-2,
    encoder_rate=3e-3,
    encoder_network_rate=3e-3,
)
"""Rates that bring any weights to a model in as many steps."""
_TELLING = (CollapsePrevention.SIGREG, CollapsePrevention.NONE)


def settings() -> Mapping[tuple[str, str], TrainingConfig]:
    """What is compared, by how free the latents are and by what keeps them apart.

    Inverse dynamics also keeps something in a latent, so it is left out of all but one. Where nothing keeps
    pinned latents apart and they do not collapse, the other losses need no trial.
    """
    found = {("pinned", choice.value): replace(_PINNED, collapse=choice) for choice in _TELLING}
    found |= {("free", choice.value): replace(_FREE, collapse=choice) for choice in CollapsePrevention}
    found["free", WITH_INVERSE] = replace(_FREE, inverse_weight=1.0)
    return found


def collapse_rows(
    scenario: Scenario, taught: OperatingLog, test: OperatingLog, seed: int, say: Progress
) -> Iterator[list[Row]]:
    """For everything that is compared one row a lead; the first also tells of the latent and the cost.

    Every training takes all of its steps, on the first part of the log: none is stopped before it
    collapses. The part left out chooses how the controller takes new errors.
    """
    prepared = prepare(scenario.plant, taught.log, _PINNED)
    for (latents, kept), config in settings().items():
        say(f"{scenario.name}, seed {seed}: {latents} latents, {kept}")
        model = trained(scenario.plant, prepared, config, seed)
        found = evaluate(model, test.log, test.shown)
        more: Row = {
            "rank": found.diagnosis.collapse.rank,
            "least_std": found.diagnosis.collapse.std[-1],
            "probe_r2": state_probes(model, test.log, test.rows, scenario.equations.states),
            "cost": loop_cost(scenario, model, seed),
        }
        yield [
            {
                "table": "collapse",
                "plant": scenario.name,
                "hours": taught.log.hours,
                "seed": seed,
                "latents": latents,
                "model": kept,
                "horizon": lead,
                "nrmse": found.nrmse[lead],
            }
            | (dict(more) if lead == LEADS[0] else {})
            for lead in LEADS
        ]


def trained(plant: PlantSpec, prepared: Prepared, config: TrainingConfig, seed: int) -> WorldModel:
    """A model after all steps of one run."""
    with torch.random.fork_rng(devices=[]):
        run = Optimisation(prepared.training, config, seed)
        for _ in range(config.steps):
            run.advance()
        model = assembled(plant, prepared.training, run.average)
    return model.with_calibration(feedback=chosen_feedback(arriving_errors(model, prepared.validation.grid)))


def loop_cost(scenario: Scenario, model: WorldModel, seed: int) -> float:
    """Cost of `INTERVALS` of control with `model`."""
    # What a model comes to is measured whatever its verdict is.
    controller = Controller(scenario.plant, model, despite_verdict=True)
    return closed_loop(scenario, lambda _: controller, seed=seed, intervals=INTERVALS).cost


def collapse_report(rows: Sequence[Row]) -> str:
    """The rows as Markdown tables, mean and standard deviation over the seeds."""
    parts = []
    for plant in dict.fromkeys(row["plant"] for row in rows):
        for latents in dict.fromkeys(row["latents"] for row in rows):
            of = [row for row in rows if (row["plant"], row["latents"]) == (plant, latents)]
            lines = []
            for kept in dict.fromkeys(row["model"] for row in of):
                own = [row for row in of if row["model"] == kept]
                first = [row for row in own if row["horizon"] == LEADS[0]]
                errors = ([row["nrmse"] for row in own if row["horizon"] == lead] for lead in LEADS)
                probes = [list(row["probe_r2"].values()) for row in first]
                lines.append(
                    [
                        kept,
                        *(spread(error) for error in errors),
                        spread([float(np.mean(probe)) for probe in probes], 2),
                        spread([min(probe) for probe in probes], 2),
                        spread([row["rank"] for row in first], 1),
                        spread([row["least_std"] for row in first], 4),
                        spread([row["cost"] for row in first]),
                    ]
                )
            header = ["kept apart by", *(f"{lead} ahead" for lead in LEADS), "probe R2, mean", "least"]
            title = f"\n## {plant}, {of[0]['hours']:.2f} h of log, {latents} latents\n\n"
            parts.append(title + table([*header, "rank", "least std", "cost"], lines))
    return "".join(parts)
