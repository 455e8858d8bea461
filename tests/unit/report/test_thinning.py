"""Long curves keep their extremes on a page."""

import numpy as np
import pytest

from procwm.report.thinning import thinned


@pytest.mark.parametrize("rows", [10, 3000, 3001, 50_000, 525_600])
def test_a_thinned_curve_keeps_its_extremes_and_ends(rows: int) -> None:
    value = np.random.default_rng(0).standard_normal(rows)
    value[rows // 3], value[rows // 2] = 36.6, -40.0
    kept = thinned(value, 3000)
    assert len(kept) <= 3800
    assert (np.diff(kept) > 0).all()
    assert {0, rows // 3, rows // 2, rows - 1} <= set(kept.tolist())


def test_every_lone_excess_is_drawn() -> None:
    value = np.zeros(400_000)
    value[np.random.default_rng(1).choice(400_000, 300, replace=False)] = 2.0
    kept = thinned(value, 3000)
    stretches = {int(row) // (400_000 * 4 // 3000 + 1) for row in np.flatnonzero(value > 1)}
    assert len(stretches) <= (value[kept] > 1).sum()


def test_a_curve_stays_broken_where_nothing_is_known() -> None:
    value = np.zeros(30_000)
    value[12_345] = np.nan
    value[20_000:25_000] = np.nan
    kept = thinned(value, 3000)
    assert 12_345 in kept
    assert np.isnan(value[kept[(kept > 20_000) & (kept < 24_900)]]).all()


def test_a_short_curve_is_drawn_whole() -> None:
    assert thinned(np.arange(5.0), 3000).tolist() == [0, 1, 2, 3, 4]
