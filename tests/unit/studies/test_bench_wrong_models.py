"""Models that are wrong in many ways: none is let into AUTO, and none that is forced swings for long."""

import numpy as np
import pytest

from procwm.learning.evaluation.evaluate import evaluate
from procwm.world.fitness import Fitness
from procwm_studies.control import wrong_models
from procwm_studies.control.delayed_plants import exact, operated
from procwm_studies.control.wrong_kinds import ABOUT_RIGHT, HELD, ROWS, WRONG, drawn

LONGEST = 9.0
"""Horizons after which a controller that was forced makes no large swings any more."""
SWING = {
    "no effect known": (1, 3),
    "dead time too short": (2, 4),
    "gain tenfold too small": (0, 1, 2, 3),
    "MVs mirrored": (0, 1, 2, 3),
}
"""Seeds of a dozen loops, most of which swing for good where nobody looks for it."""


def test_a_cycle_is_some_large_swings_in_a_row() -> None:
    rows = np.arange(100)
    assert wrong_models.cycles(50.0 + 15.0 * np.sin(2.0 * np.pi * rows / 20.0)) == [(95, 9)]
    assert wrong_models.cycles(50.0 + 8.0 * np.sin(2.0 * np.pi * rows / 20.0)) == []
    assert wrong_models.cycles(np.repeat([20.0, 80.0, 20.0], 30)) == []
    dying = 50.0 + 40.0 * np.exp(-rows / 30.0) * np.sin(2.0 * np.pi * rows / 20.0)
    assert [count for _, count in wrong_models.cycles(dying)] == [4]


@pytest.mark.parametrize("kind", SWING)
def test_a_wrong_model_that_is_forced_swings_no_longer_than_is_stated(
    kind: str, monkeypatch: pytest.MonkeyPatch, unchecked: None
) -> None:
    monkeypatch.setattr(wrong_models, "HORIZONS", 12)
    for seed in SWING[kind]:
        loop = wrong_models.wrong(kind, seed)
        assert not loop.auto
        assert loop.until <= LONGEST, loop


@pytest.mark.parametrize("kind", WRONG)
def test_no_wrong_model_of_any_kind_is_fit_for_control(kind: str, unchecked: None) -> None:
    for seed in range(2):
        controller, verdict = wrong_models.forced(kind, seed)
        assert verdict.fitness is not Fitness.CONTROL, f"seed {seed}: {verdict}"
        assert controller.clearance.unfit


def test_a_model_that_is_about_right_is_fit_for_control(unchecked: None) -> None:
    for seed in range(3):
        _, verdict = wrong_models.forced(ABOUT_RIGHT, seed)
        assert verdict.fitness is Fitness.CONTROL, f"seed {seed}: {verdict}"


def test_an_exact_model_foresees_what_its_plant_does(unchecked: None) -> None:
    found, plant, _ = drawn("dead time too short", 0)
    log = operated(found.true, 0, rows=ROWS, held=HELD, load=0.0)
    scores = evaluate(exact(found.true, plant, found.horizon), log)
    assert max(scores.nrmse.values()) < 0.1
