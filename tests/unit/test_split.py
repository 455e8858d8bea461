"""Training, validation and test, apart in time."""

import numpy as np
import pytest

from procwm.data.split import split
from procwm.data.window import Grid, WindowRule
from procwm.errors import LogError

RULE = WindowRule(tags=("y",), interval_s=1.0, history=6, hold_s=(1.0,))


def gridded(count: int) -> Grid:
    values = np.arange(float(count))[:, None]
    return Grid(
        RULE, np.arange(count, dtype=np.int64) * 1_000_000_000, values, *[np.ones((count, 1), dtype=bool)] * 2
    )


def test_parts_follow_each_other_a_history_and_a_horizon_apart() -> None:
    parts = split(gridded(1020), horizon=4)
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (700, 150, 150)
    assert parts.validation.values[0, 0] - parts.train.values[-1, 0] > 6 + 4
    assert parts.test.values[0, 0] - parts.validation.values[-1, 0] > 6 + 4


def test_a_part_that_is_not_asked_for_costs_nothing() -> None:
    parts = split(gridded(110), horizon=4, shares=(0.8, 0.2, 0.0))
    assert (len(parts.train), len(parts.validation), len(parts.test)) == (80, 20, 0)
    assert len(split(gridded(10), horizon=4, shares=(1.0, 0.0, 0.0)).train) == 10


def test_a_log_too_short_to_split_says_how_long_it_must_be() -> None:
    with pytest.raises(LogError, match=r"the log has 50 rows of 1 s; .* needs at least 87"):
        split(gridded(50), horizon=4)
    assert len(split(gridded(87), horizon=4).test) == 10


@pytest.mark.parametrize("shares", [(0.9, 0.2, 0.0), (-0.1, 0.5, 0.5), (0.0, 0.0, 0.0)])
def test_shares_that_make_no_sense_are_refused(shares: tuple[float, float, float]) -> None:
    with pytest.raises(LogError, match="cannot be split into shares"):
        split(gridded(500), horizon=4, shares=shares)
