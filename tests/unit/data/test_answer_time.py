"""Answers that come after the longest horizon are told of, with an interval that sees them."""

import math

import numpy as np
import pytest

from procwm.data.checks.answer_time import SlowAnswer, slow_answers
from procwm.data.window import Grid, WindowRule
from procwm.plant.tags import PlantSpec, Role, Tag

PLANT = PlantSpec(
    name="kiln",
    interval_s=10.0,
    tags=(
        Tag(name="AI1", role=Role.CV, range=(0.0, 100.0)),
        Tag(name="CL.SP", role=Role.MV, range=(0.0, 100.0)),
        Tag(name="FC.SP", role=Role.MV, range=(0.0, 100.0)),
    ),
)
ROWS = 6000


def found(
    *, dead: int, settling: float, rows: int = ROWS, integrates: bool = False, at_once: float = 0.0
) -> tuple[SlowAnswer, ...]:
    """Of a log in which the first MV acts after `dead` rows, with a time constant, and the other at once.

    `at_once` is what the first MV does besides, without a dead time.
    """
    rng = np.random.default_rng(0)
    u = np.stack([np.repeat(rng.uniform(20.0, 80.0, rows // n + 1), n)[:rows] for n in (40, 25)], axis=1)
    late = np.vstack((np.repeat(u[:1], dead, axis=0), u))[:rows, 0]
    slow, quick, values = 50.0, 50.0, np.empty(rows)
    for row in range(rows):
        slow += (late[row] - 50.0) / settling if integrates else (late[row] - slow) / settling
        quick += (u[row, 1] - quick) / 8.0
        early = at_once * (u[row - 1, 0] if row else 50.0)
        values[row] = 0.5 * slow + 0.3 * quick + early + 0.1 * rng.standard_normal()
    columns = np.column_stack((values, u))
    known = np.isfinite(columns)
    rule = WindowRule(tags=PLANT.names, interval_s=10.0, history=1, hold_s=(10.0, math.inf, math.inf))
    time_ns = np.arange(rows, dtype=np.int64) * 10_000_000_000
    return slow_answers(Grid(rule, time_ns, columns, known, known), PLANT)


def test_a_dead_time_beyond_the_horizon_is_told_with_an_interval_that_sees_it() -> None:
    (late,) = found(dead=80, settling=10.0)
    assert (late.mv, late.cv, late.unseen) == ("CL.SP", "AI1", True)
    assert late.settled_s == pytest.approx(1030.0, abs=120.0)
    assert 60 * late.interval_s > late.settled_s
    assert late.sentence == (
        f"AI1 takes about {late.settled_s:g} s to answer CL.SP, and a horizon of 60 intervals of 10 s sees "
        f"nothing of it: choose interval_s = {late.interval_s:g} in the plant file"
    )


def test_an_answer_that_turns_round_beyond_the_horizon_is_told() -> None:
    (turning,) = found(dead=80, settling=10.0, at_once=-0.2)
    assert turning.unseen
    assert "a horizon of 60 intervals of 10 s sees it go the other way: choose" in turning.sentence
    assert 60 * turning.interval_s > turning.settled_s
    assert found(dead=80, settling=10.0, at_once=-1.5) == (), "what comes back a little overshoots"


def test_a_time_constant_that_the_horizon_sees_little_of_is_told() -> None:
    (slow,) = found(dead=0, settling=60.0)
    assert not slow.unseen
    assert slow.settled_s == pytest.approx(60.0 * math.log(10.0) * 10.0, rel=0.3)
    assert "sees too little of it" in slow.sentence


@pytest.mark.parametrize(("dead", "settling"), [(0, 10.0), (20, 10.0)])
def test_nothing_is_told_of_answers_that_a_horizon_sees(dead: int, settling: float) -> None:
    assert found(dead=dead, settling=settling) == ()


def test_nothing_is_told_of_what_never_settles_nor_of_a_short_log() -> None:
    assert found(dead=0, settling=200.0, integrates=True) == ()
    assert found(dead=80, settling=10.0, rows=1000) == ()
