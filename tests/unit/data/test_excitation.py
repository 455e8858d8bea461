"""Whether a log can teach an MV's effect."""

import math

import numpy as np
import pytest

from procwm.data.checks.excitation import Excitation, ExcitationVerdict, excitation
from procwm.data.window import Grid, WindowRule
from procwm.plant.tags import PlantSpec, Role, Tag

PLANT = PlantSpec(
    name="p",
    interval_s=1.0,
    tags=(
        Tag(name="y", role=Role.CV, range=(0.0, 10.0)),
        Tag(name="P1.SP", role=Role.MV, range=(0.0, 10.0)),
        Tag(name="P2.SP", role=Role.MV, range=(0.0, 1000.0)),
    ),
)
RULE = WindowRule(tags=PLANT.names, interval_s=1.0, history=1, hold_s=(1.0, math.inf, math.inf))
RANDOM = np.random.default_rng(0)
STEPS = np.repeat(RANDOM.uniform(2.0, 8.0, 40), 25)
OTHER_STEPS = np.repeat(RANDOM.uniform(200.0, 800.0, 25), 40)
STILL = np.full(1000, 300.0)


def judged(first: np.ndarray, second: np.ndarray) -> tuple[Excitation, ...]:
    values = np.column_stack((np.zeros(len(first)), first, second))
    time_ns = np.arange(len(first), dtype=np.int64) * 1_000_000_000
    return excitation(Grid(RULE, time_ns, values, np.isfinite(values), np.isfinite(values)), PLANT)


def test_steps_on_each_mv_are_enough() -> None:
    first, second = judged(STEPS, OTHER_STEPS)
    assert first.verdict is second.verdict is ExcitationVerdict.ENOUGH
    assert first.moves == pytest.approx(39, abs=3)
    assert second.moves == pytest.approx(24, abs=2)
    assert first.covered == pytest.approx(0.6, abs=0.1)
    assert first.moving == pytest.approx(first.moves / 999)


def test_a_frozen_mv_is_named() -> None:
    _, frozen = judged(STEPS, STILL)
    assert frozen.verdict is ExcitationVerdict.NONE
    assert frozen.sentence == "P2.SP never moves in this log: its effect cannot be identified"
    _, nearly = judged(STEPS, STILL + RANDOM.normal(0, 0.1, 1000))
    assert nearly.verdict is ExcitationVerdict.NONE
    _, unknown = judged(STEPS, np.full(1000, math.nan))
    assert unknown.verdict is ExcitationVerdict.NONE


def test_too_few_moves_are_counted_out_loud() -> None:
    _, few = judged(STEPS, np.repeat([300.0, 400.0, 350.0, 500.0], 250))
    assert few.verdict is ExcitationVerdict.LITTLE
    assert "P2.SP moves only 3 times in this log" in few.sentence
    _, once = judged(STEPS, np.repeat([300.0, 400.0], 500))
    assert "moves only once" in once.sentence


def test_moves_too_small_to_show_are_little() -> None:
    _, small = judged(STEPS, np.repeat(300.0 + 2.0 * (np.arange(50) % 2), 20))
    assert small.verdict is ExcitationVerdict.LITTLE
    assert "over only 0.20% of its range" in small.sentence


@pytest.mark.parametrize("gain", [100.0, -100.0])
def test_mvs_that_only_move_together_cannot_be_told_apart(gain: float) -> None:
    first, second = judged(STEPS, 500.0 + gain * (STEPS - 5.0))
    assert first.verdict is second.verdict is ExcitationVerdict.LITTLE
    assert first.sentence == "P1.SP moves only together with P2.SP: their effects cannot be told apart"
    assert second.together == ("P1.SP",)


def test_a_ramp_counts_as_moves_and_jitter_does_not_count_twice() -> None:
    ramp = np.concatenate((np.linspace(0, 1000, 500), np.linspace(1000, 0, 500)))
    _, ramped = judged(STEPS, ramp)
    assert ramped.verdict is ExcitationVerdict.ENOUGH
    _, jittering = judged(STEPS, OTHER_STEPS + RANDOM.normal(0, 0.5, 1000))
    assert jittering.moves == pytest.approx(24, abs=2)


def test_missing_rows_are_no_moves() -> None:
    holes = OTHER_STEPS.copy()
    holes[::7] = math.nan
    _, found = judged(STEPS, holes)
    assert found.moves == pytest.approx(24, abs=2)
