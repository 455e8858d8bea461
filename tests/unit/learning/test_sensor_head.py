"""Soft sensors: a quantity that nothing measures, read from the frozen latent, with a band."""

from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from learning_cases import PLANT, Record, record, trained

from procwm.data.window import grid
from procwm.errors import SpecError, TrainingError
from procwm.learning.dataset.tensors import log_tensors
from procwm.learning.labelled.label_times import suggest_label_times
from procwm.learning.labelled.labels import Labels, labels
from procwm.learning.labelled.soft_sensor import learn_soft_sensor
from procwm.testing import exact_model
from procwm.world.model import WorldModel
from procwm.world.storage.model_files import load_model

FAR = 300.0
"""Added to the quantity: no value of it is near 0."""


def judged(count: int) -> Labels:
    known = record(1500)
    times = suggest_label_times(trained(), known.log, count)
    return labels(times, FAR + known.hidden[np.searchsorted(known.time_ns, times)])


@cache
def sensing() -> WorldModel:
    return learn_soft_sensor(trained(), record(1500).log, judged(32), name="hidden")


def test_a_soft_sensor_reads_what_nothing_measures_and_its_band_holds() -> None:
    later = Record(1200, seed=5)
    model = sensing()
    rows = grid(later.log, model.rule)
    tensors = log_tensors(rows, PLANT, model.scaler, torch.float64)
    moments = torch.arange(model.rule.history, len(rows))
    read = model.sense(model.encode(tensors.windows(moments)))[:, 0].numpy()
    error = read - (FAR + later.hidden[moments.numpy()])
    (head,) = model.sensor_heads
    assert np.sqrt(np.mean(error**2)) < 0.2 * later.hidden.std()
    assert head.coverage == pytest.approx(0.9)
    assert np.mean(np.abs(error) <= head.half_width) >= 0.85
    assert head.half_width < 0.5 * later.hidden.std()


def test_a_soft_sensor_changes_nothing_else_and_is_kept_with_the_model(tmp_path: Path) -> None:
    model = sensing()
    before, after = trained().state_dict(), model.state_dict()
    assert all(torch.equal(value, after[name]) for name, value in before.items())
    assert trained().sense(torch.zeros((3, 4), dtype=torch.float64)).shape == (3, 0)
    model.save(tmp_path / "model")
    kept = load_model(tmp_path / "model", PLANT)
    latent = torch.randn((5, model.readout.in_features), dtype=torch.float64)
    assert torch.equal(kept.sense(latent), model.sense(latent))
    assert kept.sensor_heads[0].half_width == model.sensor_heads[0].half_width
    again = learn_soft_sensor(model, record(1500).log, judged(16), name="hidden")
    assert [head.name for head in again.sensor_heads] == ["hidden"]


@pytest.mark.parametrize(
    ("values", "graded", "name", "told"),
    [
        ([1.0, 2.0], True, "q", "2 labels cannot show a coverage"),
        ([-1.0, 1.0] * 6, False, "q", "learns from values"),
        ([3.0] * 12, True, "q", "all 12 labels are the same"),
        ([1.0] * 12, True, " ", "needs a name"),
    ],
)
def test_labels_that_teach_no_soft_sensor_are_refused(
    values: list[float], graded: bool, name: str, told: str
) -> None:
    times = record(1500).time_ns[100 : 100 + len(values)]
    with pytest.raises(TrainingError, match=told):
        learn_soft_sensor(
            trained(), record(1500).log, labels(times, np.array(values), graded=graded), name=name
        )


def test_a_decoded_latent_shows_every_measured_tag() -> None:
    model, later = trained(), Record(1200, seed=5)
    assert model.surprise is not None
    rows = grid(later.log, model.rule)
    tensors = log_tensors(rows, PLANT, model.scaler, torch.float64)
    moments = torch.arange(100, 1100)
    decoded = model.decode(model.encode(tensors.windows(moments)), tensors.mv[moments], tensors.dv[moments])
    values = tensors.values[moments][:, rows.columns(model.surprise.tags)]
    assert decoded.shape == values.shape
    shown = 1.0 - (decoded - values).square().mean(dim=0) / values.var(dim=0)
    assert bool((shown > 0.95).all()), shown


def test_a_model_without_probes_says_so() -> None:
    model = exact_model(PLANT, state_matrix=0.9 * np.eye(2), input_matrix=np.ones((2, 1)))
    one = torch.zeros((1, 2), dtype=torch.float64)
    with pytest.raises(SpecError, match="has no probes of its tags"):
        model.decode(one, one[:, :1], one[:, :1])
