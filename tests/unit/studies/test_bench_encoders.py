"""Encoders side by side."""

from dataclasses import replace
from pathlib import Path

import pytest
from learning_cases import PLANT, QUICK, record

from procwm.errors import SpecError
from procwm_studies.model.cases import Case
from procwm_studies.model.encoders import KINDS, LINEAR, measured, report, run_encoders

CONFIG = replace(QUICK, horizon=20, steps=2, batch=8)


def test_every_encoder_is_measured_at_every_lead_and_the_linear_start_once() -> None:
    taught, test = record(400), record(300, seed=1)
    pressure = 0.5 * test.hidden + 0.1 * test.hidden**2
    truth = {"LT.PV": test.series(test.level), "PT.PV": test.series(pressure)}
    case = Case(name="p", plant=PLANT, taught=taught.log, test=test.log, seed=0, truth=truth)
    rows = {kind: measured(case, kind, CONFIG) for kind in ("mlp", "patch")}
    assert [(row["encoder"], row["horizon"]) for row in rows["mlp"]] == [
        (which, lead) for which in ("mlp", LINEAR) for lead in (1, 5, 20)
    ]
    assert [row["encoder"] for row in rows["patch"]] == ["patch"] * 3
    assert all(0.0 < row["nrmse"] < 1.0 for found in rows.values() for row in found)
    assert rows["mlp"][0]["train_s"] > 0.0 == rows["mlp"][-1]["train_s"]


def test_a_report_has_a_line_for_every_encoder() -> None:
    row = {
        "plant": "p",
        "hours": 20.0,
        "nrmse": 0.1,
        "train_s": 31.0,
        "best_step": 250,
        "history": 32,
        "latent": 8,
    }
    rows = [
        row | {"seed": seed, "encoder": kind, "horizon": lead}
        for seed in (0, 1)
        for kind in (*KINDS, LINEAR)
        for lead in (1, 5, 20)
    ]
    text = report(rows, "procwm bench encoders --out DIR")
    assert "| gru | 0.100 ± 0.000 | 0.100 ± 0.000 | 0.100 ± 0.000 | 250 ± 0 | 31 ± 0 |" in text
    assert text.count("| linear |") == 1


def test_a_log_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match=r"no NAME\.toml with a log"):
        run_encoders(tmp_path / "out", logs=tmp_path)
