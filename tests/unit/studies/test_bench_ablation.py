"""What the ablation leaves out, and that it leaves out nothing else."""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from learning_cases import PLANT, record, trained

from procwm.learning.config import TrainingConfig
from procwm.world.model import WorldModel
from procwm_studies.model import ablation, cases
from procwm_studies.model.ablation import AFTERWARDS, TRAININGS, WHOLE, lessened, measured, report
from procwm_studies.model.cases import Case
from procwm_studies.model.real_logs import RealLog


@pytest.mark.parametrize("without", TRAININGS)
def test_every_training_differs_from_the_whole_one_in_what_it_is_named_for(without: str) -> None:
    whole = TrainingConfig()
    less = replace(whole, **TRAININGS[without])
    changed = {name for name, value in vars(less).items() if value != getattr(whole, name)}
    assert changed == set(TRAININGS[without])
    assert bool(changed) is (without != WHOLE)


def test_what_is_left_out_afterwards_leaves_the_model_as_it_was() -> None:
    model = trained()
    rule, feedback = model.rule, model.feedback.clone()
    undue, unchosen = (lessened(model, left) for left in AFTERWARDS)
    assert undue.rule == replace(rule, due_s=())
    assert torch.equal(undue.feedback, feedback)
    assert unchosen.rule == model.rule == rule
    assert bool((unchosen.feedback == 0.4).all())
    assert torch.equal(model.feedback, feedback)


def test_real_logs_are_scored_without_each_ingredient(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Mapping[str, Any]] = []

    def learned(*_: Any, config: TrainingConfig, **__: Any) -> WorldModel:
        asked.append(asdict(config))
        return trained()

    log = record(600, 7).log
    real = RealLog(name="tanks", plant=PLANT, taught=log, test=log, given=False)
    monkeypatch.setattr(ablation, "train", learned)
    monkeypatch.setattr(cases, "real_logs", lambda *_: (real,))
    written = ablation.run_ablation(tmp_path, seeds=[3], logs=tmp_path)
    rows = json.loads(written.read_text(encoding="utf-8"))
    assert [row["without"] for row in rows[::3]] == list(TRAININGS)
    assert {row["cost"] for row in rows} == {None}
    assert len({repr(config) for config in asked}) == len(TRAININGS)
    assert "| joint read-out |" in written.with_suffix(".md").read_text(encoding="utf-8")


def test_costs_are_relative_to_the_whole_model_on_the_same_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ablation, "train", lambda *_, **__: trained())
    log = record(600, 7).log
    rows: list[dict[str, Any]] = []
    for seed, whole in ((0, 0.1), (1, 1.0)):
        for without, factor in ((WHOLE, 1.0), ("SIGReg", 1.5)):
            _, found = measured(Case(name="tanks", plant=PLANT, taught=log, test=log, seed=seed), without)
            rows += [row | {"cost": whole * factor} for row in found]
    (line,) = [line for line in report(rows, "").splitlines() if line.startswith("| SIGReg")]
    assert line.endswith("| 0.8250 ± 0.9546 | 1.500 ± 0.000 |")
