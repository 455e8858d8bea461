"""A controller that swings an MV to and fro is noticed within a few swings, and nothing else is."""

import math
from dataclasses import replace

import numpy as np
import pytest

from procwm.control.swinging import MORE_SWINGS, SWINGS, Swings, watched
from procwm.control.targets import Targets
from procwm.plant.request import Request
from procwm.plant.tags import PlantSpec, Role, Tag

PLANT = PlantSpec(
    name="kiln",
    interval_s=10.0,
    tags=(
        Tag(name="AI1", role=Role.CV, unit="%", range=(0.0, 100.0), setpoint=45.0),
        Tag(name="CL.SP", role=Role.MV, unit="%", range=(0.0, 100.0)),
        Tag(name="FC.SP", role=Role.MV, unit="%", range=(0.0, 100.0)),
    ),
)
PERIOD, HORIZON = 40, 30


def over(
    mv: np.ndarray,
    cv: np.ndarray,
    swings: Swings | None = None,
    aim: Targets | None = None,
    surprise: float = math.nan,
    plant: PlantSpec = PLANT,
) -> Swings:
    """`swings` after rows of the first MV and the CV."""
    swings = swings or Swings()
    for u, y in zip(mv.tolist(), cv.tolist(), strict=True):
        swings = watched(swings, plant, aim or Targets(), (u, 50.0), np.array([y]), surprise, HORIZON)
    return swings


def wave(size: float, rows: int, *, of: float = 50.0, ahead: int = 0) -> np.ndarray:
    return of + size * np.sin(2.0 * np.pi * (np.arange(rows) + ahead) / PERIOD)


def test_swings_in_a_row_are_noticed_and_told_and_more_of_them_hold_the_mv_in_their_middle() -> None:
    rows = (SWINGS + 3) * PERIOD // 2
    found = over(wave(40.0, rows), wave(10.0, rows, of=45.0, ahead=10))
    assert found.swung == (0,)
    assert np.isnan(found.held(2)).all()
    assert "CL.SP: it swings to and fro: moves are made smaller" in next(found.notes(PLANT))
    more = (MORE_SWINGS + 3) * PERIOD // 2
    found = over(wave(30.0, more), wave(10.0, more, of=45.0, ahead=10), found)
    assert found.held(2)[0] == pytest.approx(50.0, abs=2.0)
    assert np.isnan(found.held(2)[1])
    assert "held at 50" in next(found.notes(PLANT))


def swung(length: int, swings: Swings | None = None) -> Swings:
    """`swings` once it has found swings, each so many intervals long."""
    found = before = swings or Swings()
    for mv in np.resize([20.0, 80.0], 20):
        found = over(np.full(length, mv), np.full(length, 40.0 + mv / 10.0), found)
        if found.slowed > before.slowed:
            return found
    return found


def test_short_swings_slow_feedback_to_their_own_period_first_then_further_and_then_hold_the_mv() -> None:
    once = swung(3)
    assert once.slowed == pytest.approx(6.0)
    twice = swung(3, once)
    assert twice.slowed == pytest.approx(18.0)
    assert np.isnan(twice.held(2)).all(), "feedback of six intervals was not slow for a horizon of thirty"
    assert swung(3, twice).held(2)[0] == pytest.approx(50.0)


def test_a_new_setpoint_makes_feedback_quicker_again_and_lets_go_of_nothing_that_is_held() -> None:
    moved = Targets(setpoints={"AI1": 60.0})
    once = swung(3)
    freed = over(np.array([50.0]), np.array([60.0]), once, moved)
    assert (freed.slowed, freed.swung) == (0.0, ())
    thrice = replace(swung(3, once), slowed=54.0)
    quicker = over(np.array([50.0]), np.array([60.0]), thrice, moved)
    assert (quicker.slowed, quicker.swung) == (6.0, (0,))
    held = swung(3, swung(3, once))
    assert over(np.array([50.0]), np.array([60.0]), held, moved).held(2)[0] == pytest.approx(50.0)


@pytest.mark.parametrize(
    ("mv", "cv"),
    [
        (wave(40.0, 400), wave(0.5, 400, of=45.0)),
        (wave(40.0, 400), wave(10.0, 400, of=60.0)),
        (wave(5.0, 400), wave(10.0, 400, of=45.0)),
        (wave(40.0, 400) * np.exp(-np.arange(400) / 15.0), wave(10.0, 400, of=45.0)),
        (np.repeat([20.0, 80.0], 200), wave(10.0, 400, of=45.0)),
    ],
    ids=["a CV at rest", "a CV on one side", "small moves", "moves that die away", "a single step"],
)
def test_nothing_else_is_taken_for_swings(mv: np.ndarray, cv: np.ndarray) -> None:
    assert over(mv, cv).swung == ()


def test_swings_of_any_kind_are_noticed_where_the_model_is_surprised_all_the_time() -> None:
    mv = np.repeat(np.tile([20.0, 90.0, 45.0, 75.0, 0.0], 3), np.random.default_rng(0).integers(5, 60, 15))
    far = np.full(len(mv), 20.0)
    assert over(mv, far, surprise=0.9).swung == ()
    assert over(mv, far, surprise=1.1).swung == (0,)


def test_swings_that_all_come_within_a_horizon_are_noticed_wherever_the_cv_is() -> None:
    quick = np.repeat(np.tile([20.0, 60.0, 45.0, 75.0, 30.0], 3), 5)
    assert over(quick, np.full(len(quick), 20.0)).swung == (0,)
    slow = np.repeat(np.tile([20.0, 60.0, 45.0, 75.0, 30.0], 3), 15)
    assert over(slow, np.full(len(slow), 20.0)).swung == ()


def test_an_mv_with_levels_goes_to_and_fro_by_nature() -> None:
    rows = (SWINGS + 3) * PERIOD // 2
    pump, cv = 50.0 + 50.0 * np.sign(wave(40.0, rows) - 50.0), wave(10.0, rows, of=45.0, ahead=10)
    assert over(pump, cv).swung == (0,)
    ai1, cl, fc = PLANT.tags
    levels = replace(PLANT, tags=(ai1, replace(cl, levels=(0.0, 50.0, 100.0)), fc))
    assert over(pump, cv, plant=levels).swung == ()


def test_swings_are_counted_anew_where_somebody_gives_another_setpoint() -> None:
    rows = SWINGS * PERIOD // 2
    mv, cv = wave(40.0, rows), wave(10.0, rows, of=45.0, ahead=10)
    other = Targets().with_(PLANT, Request(setpoints={"AI1": 46.0}))
    assert over(mv, cv, over(mv, cv), other).swung == ()
    assert over(mv, cv, over(mv, cv)).swung == (0,)


def test_a_load_that_comes_by_chance_is_seldom_taken_for_swings() -> None:
    rng = np.random.default_rng(0)
    found = 0
    for _ in range(10):
        load = np.zeros(1500)
        for row in range(1, len(load)):
            load[row] = 0.97 * load[row - 1] + rng.standard_normal()
        answered = np.convolve(load, np.exp(-np.arange(20) / 6.0) / 6.0)[: len(load)]
        found += bool(over(np.clip(50.0 + 2.0 * answered, 0.0, 100.0), 45.0 + load).swung)
    assert found <= 1, "of ten runs in which the MV has to answer a load by a third of its range"
