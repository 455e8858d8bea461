"""Pairs of history and future."""

import math

import numpy as np
import pytest

from procwm.data.dataset import anchors, dataset
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


def test_a_pair_is_what_came_before_a_moment_and_what_came_after() -> None:
    pairs = dataset(gridded(list(range(8))), PLANT, horizon=2)
    assert pairs.anchors.tolist() == [2, 3, 4, 5]
    batch = pairs.batch(np.array([0, 3]))
    assert batch.history[:, :, 0].tolist() == [[0, 1, 2], [3, 4, 5]]
    assert batch.future[:, :, 3].tolist() == [[3.3, 4.3], [6.3, 7.3]]
    assert batch.future_valid.all()
    assert len(pairs.batch(slice(1, None)).history) == 3


def test_no_pair_crosses_a_gap() -> None:
    pairs = dataset(gridded([*range(6), *range(100, 107)]), PLANT, horizon=2)
    assert pairs.anchors.tolist() == [2, 3, 8, 9, 10]


def test_every_mv_is_known_throughout() -> None:
    assert dataset(without(gridded(list(range(12))), (5, "u")), PLANT, horizon=2).anchors.tolist() == [
        2,
        8,
        9,
    ]


def test_a_future_needs_its_share_of_outputs_and_nothing_else() -> None:
    rows = without(gridded(list(range(8))), (6, "y"), (6, "t"), (7, "y"), (1, "y"), (6, "x"))
    assert dataset(rows, PLANT, horizon=2).anchors.tolist() == [2, 3, 4]
    assert dataset(rows, PLANT, horizon=2, least_valid=0.25).anchors.tolist() == [2, 3, 4, 5]
    assert dataset(rows, PLANT, horizon=2, least_valid=1.0).anchors.tolist() == [2, 3]
    batch = dataset(rows, PLANT, horizon=2).batch(np.array([2]))
    assert batch.future_valid[0, :, 0].tolist() == [True, False]
    assert math.isnan(batch.future[0, 1, 0])


@pytest.mark.parametrize("count", [0, 1, 4])
def test_a_log_shorter_than_a_pair_has_none(count: int) -> None:
    pairs = dataset(gridded(list(range(count))), PLANT, horizon=2)
    assert len(pairs) == 0
    assert pairs.batch(slice(None)).history.shape == (0, 3, 4)


def test_anchors_take_any_length_of_history() -> None:
    assert anchors(gridded(list(range(8))), PLANT, history=6, horizon=1).tolist() == [5, 6]
