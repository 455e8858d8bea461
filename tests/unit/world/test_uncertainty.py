"""Bands that widen with doubt: what they are made of, what they hold, and what a controller takes of them."""

import copy
from dataclasses import replace
from datetime import UTC, datetime
from functools import cache

import numpy as np
import pytest
import torch
from hand_clock import HandClock
from learning_cases import PLANT, QUICK, Record, record

from procwm.control.controller import Controller
from procwm.data.window import grid
from procwm.learning.calibration.band_widening import band_scores, errors_and_signs, learned_uncertainty
from procwm.learning.evaluation.evaluate import evaluate
from procwm.learning.train import train
from procwm.runtime.hindcast import half_widths, hindcast
from procwm.world.confidence import confidence, half_width_held
from procwm.world.model import WorldModel
from procwm.world.uncertainty import Uncertainty


@cache
def model() -> WorldModel:
    """Not to be changed."""
    return train(PLANT, record(1500).log, config=replace(QUICK, steps=20, members=2))


def test_the_factor_grows_with_disagreement_and_with_distance_by_their_weights() -> None:
    uncertainty = Uncertainty(horizon=2, outputs=1).double()
    uncertainty.usual = torch.tensor([[0.5], [1.0]], dtype=torch.float64)
    uncertainty.weights = torch.tensor([0.3, 0.1], dtype=torch.float64)
    apart = torch.tensor([[[1.0], [3.0]]], dtype=torch.float64)
    factor = uncertainty.factor(apart, torch.tensor([[1.0, 4.0]], dtype=torch.float64))
    expected = [np.sqrt(1 + 0.3 * 4 + 0.1), np.sqrt(1 + 0.3 * 9 + 0.1 * 4)]
    assert factor[0, :, 0].tolist() == pytest.approx(expected)


def test_a_band_in_another_scale_is_the_same_in_engineering_units() -> None:
    uncertainty = model().uncertainty
    assert uncertainty is not None
    doubled = uncertainty.times(np.array([2.0, 2.0]))
    apart, away = torch.ones((1, 8, 2)).double(), torch.ones((1, 8)).double()
    one, other = (
        each.band * each.factor(scale * apart, away) for each, scale in ((uncertainty, 1), (doubled, 2))
    )
    torch.testing.assert_close(2.0 * one, other)


def test_the_band_holds_what_it_promises_of_a_later_log() -> None:
    found = evaluate(model(), record(1500, seed=7).log).band_scores
    assert found.keys() == {1, 5, 8}
    for lead in found.values():
        assert lead.coverage == pytest.approx(0.9, abs=0.08)
        assert lead.distance == pytest.approx(1.0, abs=0.4)


def test_far_from_the_log_the_band_is_wider() -> None:
    latent = torch.zeros((2, 4), dtype=torch.float64)
    latent[1] = 8.0
    still = torch.zeros((2, 8, 1), dtype=torch.float64)
    found = confidence(model(), latent, still, still)
    assert (found.distance[1] > 5.0 * found.distance[0]).all()
    assert (found.disagreement[1] > found.disagreement[0]).all()
    assert (found.half_width[1] >= found.half_width[0]).all()


def test_moments_where_the_log_never_was_are_told_apart() -> None:
    rows = grid(Record(600, seed=4).log, model().rule)
    moved = replace(rows, values=rows.values.copy())
    moved.values[300:, [rows.rule.tags.index("LT.PV"), rows.rule.tags.index("P.SP")]] *= 2.0
    usual, elsewhere = (band_scores(model(), each, (8,))[8] for each in (rows, moved))
    assert usual.seldom < 0.2 < elsewhere.seldom
    assert elsewhere.seldom_coverage is not None
    assert elsewhere.seldom_constant is not None
    assert elsewhere.seldom_coverage >= elsewhere.seldom_constant


def test_a_replayed_band_is_that_of_every_moment_and_lies_where_the_prediction_does() -> None:
    rows, lead = grid(Record(600, seed=4).log, model().rule), 8
    # Which signs widen a band is learned; here both do.
    doubting = copy.deepcopy(model())
    assert doubting.uncertainty is not None
    doubting.uncertainty.weights = torch.tensor([1.0, 1.0], dtype=torch.float64)
    found, predicted = half_widths(doubting, rows, lead), hindcast(doubting, rows, [lead]).predicted[lead]
    assert (np.isfinite(found) == np.isfinite(predicted)).all()
    errors, apart, away = errors_and_signs(doubting, rows)
    widening = doubting.uncertainty.band * doubting.uncertainty.factor(apart, away)
    _, width = doubting.scaler.part(doubting.output_names)
    assert len(errors) > 500
    # Of the log's first row the MV is not known yet, and nobody learns from its window.
    learnable = found[np.isfinite(found[:, 0])][-len(errors) :]
    np.testing.assert_allclose(learnable, widening[:, -1].numpy() * width)
    few = half_widths(doubting, rows, lead, most=100)
    seen = np.isfinite(few[:, 0])
    assert 50 < seen.sum() <= 100
    np.testing.assert_allclose(few[seen], found[seen])
    assert np.isinf(half_widths(doubting, rows, lead + 1)).all()


def test_without_an_ensemble_nothing_widens() -> None:
    rows = grid(Record(600, seed=4).log, model().rule)
    assert learned_uncertainty(model().members[0], rows) is None
    assert band_scores(model().members[0], rows, (8,)) == {}


def test_tightening_takes_the_band_of_the_moment() -> None:
    plant = replace(PLANT, control=replace(PLANT.control, tightening=1.0))
    latent, mv, dv = np.zeros(4), np.array([4.0]), np.full((8, 1), 5.0)
    near, far = (half_width_held(model(), at, mv, dv) for at in (latent, latent + 8.0))
    assert near.shape == (8, 2)
    assert (far >= near).all()
    assert (far > near).any() or not model().uncertainty.weights.any()  # type: ignore[union-attr]
    controller = Controller(plant, model(), clock=HandClock())
    state = controller.start({"P.SP": 4.0})
    history = record(40).log
    for row in range(40):
        sample = {name: float(series.value[row]) for name, series in history.series.items()}
        time = datetime.fromtimestamp(int(history.series["LT.PV"].time_ns[row]) / 1e9, UTC)
        decision, state = controller.step(sample, state, time=time)
    assert decision.setpoints is not None
