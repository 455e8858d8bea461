"""Idle tags, and what is compared with how many of them."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch
from learning_cases import PLANT, QUICK, record

from procwm.learning.config import CollapsePrevention, FirstWeights, Others
from procwm.learning.identification.preparation import prepare
from procwm.world.protocols import ModelInput
from procwm_studies.model.collapse import WITH_INVERSE, settings, trained
from procwm_studies.model.extra_tags import DRIFT_S, extra_log, extra_plant
from procwm_studies.model.objectives import ORDER, objectives, report

WIDE = extra_plant(PLANT, 4)
LOG = extra_log(PLANT, record(1500).log, 4, seed=3)


def test_every_other_idle_tag_is_noise_and_the_rest_drift_slowly() -> None:
    plant = replace(PLANT, interval_s=DRIFT_S / 20.0)
    log = extra_log(plant, record(1500).log, 2, seed=1)
    noise, drift = (log.series[name].value for name in ("XT1.PV", "XT2.PV"))
    assert len(noise) < 60, "an interval of 20 to a time constant leaves few rows of this log"
    many = [extra_log(plant, record(1500).log, 2, seed=seed) for seed in range(60)]
    next_to = {
        name: np.mean([np.mean(one.series[name].value[1:] * one.series[name].value[:-1]) for one in many])
        for name in ("XT1.PV", "XT2.PV")
    }
    assert next_to["XT1.PV"] == pytest.approx(0.0, abs=0.1)
    assert next_to["XT2.PV"] == pytest.approx(np.exp(-1.0 / 20.0), abs=0.2)
    assert drift.std() > 0.0


def _double(window: ModelInput) -> ModelInput:
    return ModelInput(window.values.double(), window.valid.double())


def test_idle_tags_are_the_same_for_the_same_seed_and_leave_the_others_alone() -> None:
    again = extra_log(PLANT, record(1500).log, 4, seed=3)
    assert again.identity == LOG.identity
    assert extra_log(PLANT, record(1500).log, 4, seed=4).identity != LOG.identity
    assert all(LOG.series[name] is record(1500).log.series[name] for name in PLANT.names)


@pytest.mark.parametrize(
    ("others", "seen", "foreseen"), [(Others.CHOSEN, 0, 0), (Others.SEEN, 4, 0), (Others.FORESEEN, 4, 4)]
)
def test_what_becomes_of_idle_tags_is_what_was_asked(others: Others, seen: int, foreseen: int) -> None:
    prepared = prepare(WIDE, LOG, replace(QUICK, others=others))
    assert len(prepared.whole.rule.tags) == len(PLANT.names) + seen
    assert len(prepared.whole.companions) == foreseen


def test_twins_differ_from_the_rest_by_weights_alone() -> None:
    compared = objectives(WIDE)
    assert tuple(compared) == ORDER
    for name in ("supervised", "generative"):
        assert compared[name].latent_weight == compared[name].collapse_weight == 0.0
        assert compared[name].inverse_weight == 0.0
    # Four idle tags beside two outputs: each weighs the same.
    assert compared["generative"].companion_weight == 2.0
    sizes = {(c.history, c.latent, c.horizon, c.steps, c.batch) for c in compared.values()}
    assert len(sizes) == 1


def test_a_report_has_a_line_for_every_model_and_count_of_idle_tags() -> None:
    row = {"table": "objectives", "plant": "p", "hours": 10.0, "seed": 0, "train_s": 3.0}
    rows = [
        row
        | {"model": kind, "extra_tags": count, "horizon": lead, "nrmse": 0.1}
        | ({"guard_error": {"spill": 0.25}, "cost": 0.5 if not count else math.nan} if lead == 1 else {})
        for count in (0, 20)
        for kind in ("jepa", "generative")
        for lead in (1, 5, 20)
    ]
    text = report(rows, "procwm bench objectives --out DIR")
    assert "| 0 | generative | 0.100 | 0.100 | 0.100 | 0.25 | 0.500 | 3 |" in text
    assert "| 20 | generative | 0.100 | 0.100 | 0.100 | 0.25 | – | 3 |" in text
    assert text.count("| jepa |") == 2


def test_what_keeps_latents_apart_is_compared_by_it_alone() -> None:
    compared = settings()
    choices = {choice.value for choice in CollapsePrevention}
    for latents, expected in (("pinned", {"sigreg", "none"}), ("free", {*choices, WITH_INVERSE})):
        own = {kept: config for (name, kept), config in compared.items() if name == latents}
        assert set(own) == expected
        assert {config.inverse_weight for kept, config in own.items() if kept != WITH_INVERSE} == {0.0}
        alike = {
            replace(config, collapse=CollapsePrevention.NONE, inverse_weight=0.0) for config in own.values()
        }
        assert len(alike) == 1
    free = compared["free", "none"]
    assert free.start is FirstWeights.RANDOM
    assert not free.joint_readout


def test_a_report_has_a_line_for_everything_that_keeps_latents_apart() -> None:
    row = {"table": "collapse", "plant": "p", "hours": 10.0, "seed": 0, "latents": "free"}
    first = {"rank": 1.0, "least_std": 0.0012, "probe_r2": {"level": 0.5, "flow": 0.25}, "cost": 2.0}
    rows = [
        row | {"model": kept, "horizon": lead, "nrmse": 0.1} | (first if lead == 1 else {})
        for kept in ("sigreg", "none")
        for lead in (1, 5, 20)
    ]
    text = report(rows, "procwm bench objectives --out DIR")
    assert "| none | 0.100 | 0.100 | 0.100 | 0.38 | 0.25 | 1.0 | 0.0012 | 2.000 |" in text


def test_a_compared_model_takes_all_steps_and_can_be_controlled_with() -> None:
    prepared = prepare(PLANT, record(1500).log, QUICK)
    model = trained(PLANT, prepared, replace(QUICK, steps=3), seed=0)
    assert model.feedback.shape == (8, 2)
    untrained = trained(PLANT, prepared, replace(QUICK, steps=1, rate=1e-9), seed=0)
    window = prepared.training.part.tensors.windows(prepared.training.part.moments[:1])
    assert not torch.equal(model.encoder(_double(window)), untrained.encoder(_double(window)))
