"""Moments with a whole history and future around them."""

import math

import numpy as np
import pytest

from procwm.data.anchors import anchors
from procwm.data.window import Grid, WindowRule
from procwm.plant.tags import PlantSpec, Role, Tag

PLANT = PlantSpec(
    name="p",
    interval_s=1.0,
    tags=(
        Tag(name="y", role=Role.CV, range=(0.0, 1.0)),
        Tag(name="t", role=Role.PV, range=(0.0, 1.0), limits=(0.0, 1.0)),
        Tag(name="x", role=Role.PV, range=(0.0, 1.0)),
        Tag(name="u", role=Role.MV, range=(0.0, 1.0)),
    ),
)
RULE = WindowRule(tags=PLANT.names, interval_s=1.0, history=3, hold_s=(1.0,) * 4)


def gridded(seconds: list[int]) -> Grid:
    """Tag `k` has the value `row + k / 10`."""
    values = np.arange(len(seconds))[:, None] + np.arange(4) / 10
    return Grid(
        RULE,
        np.array(seconds, dtype=np.int64) * 1_000_000_000,
        values,
        *[np.ones_like(values, dtype=bool)] * 2,
    )


def without(rows: Grid, *cells: tuple[int, str]) -> Grid:
    values = rows.values.copy()
    for row, tag in cells:
        values[row, RULE.tags.index(tag)] = math.nan
    return Grid(RULE, rows.time_ns, values, np.isfinite(values), np.isfinite(values))


def found(rows: Grid) -> list[int]:
    moments: list[int] = anchors(rows, PLANT, history=3, horizon=2).tolist()
    return moments


def test_a_moment_has_a_history_before_it_and_a_future_after_it() -> None:
    assert found(gridded(list(range(8)))) == [2, 3, 4, 5]


def test_no_moment_is_within_reach_of_a_gap() -> None:
    assert found(gridded([*range(6), *range(100, 107)])) == [2, 3, 8, 9, 10]


def test_every_mv_is_known_throughout() -> None:
    assert found(without(gridded(list(range(12))), (5, "u"))) == [2, 8, 9]


def test_a_future_needs_half_of_its_outputs_and_nothing_else() -> None:
    rows = without(gridded(list(range(8))), (6, "y"), (6, "t"), (7, "y"), (1, "y"), (6, "x"))
    assert found(rows) == [2, 3, 4]


@pytest.mark.parametrize("count", [0, 1, 4])
def test_a_log_shorter_than_a_history_and_a_future_has_no_moment(count: int) -> None:
    assert found(gridded(list(range(count)))) == []


def test_anchors_take_any_length_of_history() -> None:
    assert anchors(gridded(list(range(8))), PLANT, history=6, horizon=1).tolist() == [5, 6]
