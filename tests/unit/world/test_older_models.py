"""Models that an earlier version wrote are read as that version read them."""

from pathlib import Path

import numpy as np
import pytest
import torch
from learning_cases import PLANT

from procwm.world.confidence import confidence
from procwm.world.parts.specs import PartSpec
from procwm.world.predictors.mean import MeanPredictor
from procwm.world.predictors.mlp_predictor import MlpPredictor
from procwm.world.predictors.scheduled import ScheduledPredictor
from procwm.world.storage.catalogue import ENCODERS, HEADS, PREDICTORS
from procwm.world.storage.model_files import load_model
from procwm.world.storage.older_models import current_config

BEFORE_SPECS = Path(__file__).parent / "models" / "before_specs"
"""Trained and written at revision 493ecdb, with an ensemble of two."""


def test_a_model_from_before_there_were_specs_predicts_what_it_did(tmp_path: Path) -> None:
    model = load_model(BEFORE_SPECS, PLANT)
    latent = torch.linspace(-1.0, 1.0, 4, dtype=torch.float64)[None]
    mv = torch.full((1, 8, 1), 0.3, dtype=torch.float64)
    # Printed by the revision that wrote it.
    rollout, wide = model.rollout(latent, mv, 0.5 * mv), confidence(model, latent, mv, 0.5 * mv).half_width
    np.testing.assert_allclose(rollout.cv[0, -1], [-0.44818393788809446, 0.14461596390063694], rtol=1e-9)
    np.testing.assert_allclose(wide[0, -1], [0.023097412704167885, 0.06552975241565004], rtol=1e-9)
    np.testing.assert_allclose(
        model.response_error[-1], [[0.0023833324584792777, 0.01459725062097913]], rtol=1e-9
    )
    np.testing.assert_allclose(model.feedback[-1], [0.12313244400644441] * 2, rtol=1e-9)
    assert model.predictor.spec == ScheduledPredictor(gates=4)
    assert len(model.members) == 2
    model.save(tmp_path / "model")
    assert torch.equal(load_model(tmp_path / "model").rollout(latent, mv, 0.5 * mv).cv, rollout.cv)


@pytest.mark.parametrize(
    ("kind", "hidden", "spec"),
    [
        ("mlp", [64, 32], MlpPredictor(hidden=(64, 32))),
        ("scheduled", [3], ScheduledPredictor(gates=3)),
        ("mean", [64, 32, 3], MeanPredictor(hidden=(64, 32), gates=3)),
    ],
)
def test_widths_of_a_predictor_become_its_spec(kind: str, hidden: list[int], spec: PartSpec) -> None:
    config = current_config({"predictor": kind, "predictor_hidden": hidden})
    assert PREDICTORS.read(config["predictor"]) == spec


def test_encoders_without_a_kind_and_heads_without_one_are_what_there_was_then() -> None:
    config = current_config(
        {
            "encoder_hidden": [8],
            "guards": [{"name": "high", "widths": [4, 9, 1], "margin": 0.5, "coverage": 0.9}],
            "sensors": [{"name": "purity", "widths": [4, 1], "half_width": 0.1, "coverage": 0.8}],
        }
    )
    assert ENCODERS.read(config["encoder"]).as_config() == {"kind": "mlp", "hidden": (8,)}
    guard, sensor = HEADS.read(config["guards"][0]), HEADS.read(config["sensors"][0])
    assert (guard.kind, guard.name, sensor.kind, sensor.name) == (
        "guardrail",
        "high",
        "soft_sensor",
        "purity",
    )
    width = current_config({"encoder": "gru", "encoder_hidden": [12]})["encoder"]
    assert ENCODERS.read(width).as_config() == {"kind": "gru", "width": 12}
