"""MVs that only a feedback loop moved are named, and no other."""

import math

import numpy as np
import pytest

from procwm.data.checks.feedback_moves import feedback_moves
from procwm.data.window import Grid, WindowRule
from procwm.plant.tags import PlantSpec, Role, Tag

PLANT = PlantSpec(
    name="p",
    interval_s=10.0,
    tags=(
        Tag(name="other", role=Role.CV, range=(0.0, 10.0)),
        Tag(name="level", role=Role.CV, range=(0.0, 10.0)),
        Tag(name="valve", role=Role.MV, range=(0.0, 10.0)),
    ),
)
RULE = WindowRule(tags=PLANT.names, interval_s=10.0, history=1, hold_s=(10.0, math.inf, math.inf))
ROWS, SCANS = 1500, 10


def named(level: np.ndarray, valve: np.ndarray) -> list[tuple[str, str]]:
    other = np.random.default_rng(7).uniform(4.0, 6.0, len(level))
    values = np.column_stack((other, level, valve))
    time_ns = np.arange(len(level), dtype=np.int64) * 10_000_000_000
    known = np.isfinite(values)
    return [(one.mv, one.cv) for one in feedback_moves(Grid(RULE, time_ns, values, known, known), PLANT)]


def loop(noise: float, *, every: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """A PI loop that scans ten times an interval; its setpoint moves `every` so many rows, if at all."""
    rng = np.random.default_rng(0)
    y, total, load, setpoint = 5.0, 5.0, 0.0, 5.0
    pipe, rows = [5.0] * 30, []
    for row in range(ROWS):
        setpoint = rng.uniform(4.0, 6.0) if every and row % every == 0 else setpoint
        for _ in range(SCANS):
            error = setpoint - (y + noise * rng.standard_normal())
            total += 0.01 * error
            pipe.append(total + error)
            load += -load / 300.0 + 0.3 * math.sqrt(2.0 / 300.0) * rng.standard_normal()
            y += (pipe[-25] - y + load) / 80.0
        rows.append((y + noise * rng.standard_normal(), pipe[-1]))
    level, valve = np.array(rows).T
    return level, valve


@pytest.mark.parametrize("noise", [0.0, 0.02])
def test_an_mv_that_only_a_loop_moved_is_named_with_the_cv_that_it_answers(noise: float) -> None:
    assert named(*loop(noise)) == [("valve", "level")]


def test_a_loop_whose_setpoint_was_moved_holds_moves_of_its_own() -> None:
    assert named(*loop(0.02, every=50)) == []


@pytest.mark.parametrize("held", [1, 5, 25])
def test_moves_that_nobody_took_from_the_cv_are_not_named_though_the_cv_follows_them(held: int) -> None:
    rng = np.random.default_rng(1)
    valve = np.repeat(rng.uniform(2.0, 7.0, ROWS // held), held)
    level = np.full(ROWS, 5.0)
    for row in range(1, ROWS):
        level[row] = 0.8 * level[row - 1] + 0.2 * valve[row]
    assert named(level, valve) == []
    assert named(level, np.append(valve[1:], valve[-1])) == []
