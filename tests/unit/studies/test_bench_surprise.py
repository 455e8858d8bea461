"""Alarms counted, delays measured, and the peer that the surprise is compared with."""

import numpy as np
import pytest

from procwm.data.window import Grid, WindowRule
from procwm_studies.model.pca_monitor import fit_pca
from procwm_studies.model.surprise import Watched, report

MINUTE_NS = 60_000_000_000


def watched(ratio: list[float]) -> Watched:
    return Watched(MINUTE_NS * 10 * np.arange(len(ratio)), np.array(ratio))


def test_alarms_within_half_an_hour_are_one() -> None:
    assert watched([0.5, 2.0, 0.5, 2.0, np.nan, 0.1, 0.1, 0.1, 3.0]).alarms() == 2
    assert watched([0.5, np.nan]).alarms() == 0


def test_a_delay_counts_from_the_fault() -> None:
    one = watched([9.0, 0.0, 0.0, 0.0, 1.5, 1.5])
    assert one.delay_min(2 * 10 * MINUTE_NS) == 20.0
    assert np.isnan(one.delay_min(2 * 10 * MINUTE_NS, limit=1.6))


def test_the_matched_limit_brings_one_alarm() -> None:
    one = watched([0.1, 0.7, 0.2, 0.1, 0.1, 0.1, 0.9, 0.8, 0.3])
    assert one.matched == 0.7
    assert one.alarms(one.matched) == 1


def rows(values: np.ndarray) -> Grid:
    rule = WindowRule(tags=("a", "b"), interval_s=1.0, history=1, hold_s=(1.0, 1.0))
    known = np.isfinite(values)
    return Grid(rule, np.arange(len(values), dtype=np.int64) * 1_000_000_000, values, known, known)


@pytest.mark.parametrize("lags", [0, 2])
def test_a_component_monitor_sees_a_relation_break_that_no_single_tag_shows(lags: int) -> None:
    rng = np.random.default_rng(0)
    common = rng.standard_normal((4000, 1))
    values = np.hstack((common, 2.0 * common)) + 0.1 * rng.standard_normal((4000, 2))
    seen = fit_pca(rows(values[:2000]), lags=lags)
    limits = seen.limits(rows(values[2000:3000]), block=20, period=1000.0)
    monitor = fit_pca(rows(values[:3000]), lags=lags, limits=limits)
    assert np.nanmax(monitor.ratios(rows(values[3000:]))) < 1.2
    broken = values[3000:].copy()
    broken[500, 1] *= -1.0
    broken[500] = [1.0, -1.0]
    assert monitor.ratios(rows(broken))[500] > 1.5


def test_a_report_says_how_many_seeds_saw_a_fault() -> None:
    row = {"plant": "p", "monitor": "procwm", "fault": "leak", "alarms_per_day": 1.0}
    delays = [(0, 4.0, 6.0), (1, 8.0, np.nan), (2, np.nan, np.nan)]
    made = [row | {"seed": s, "delay_min": d, "matched_delay_min": m} for s, d, m in delays]
    text = report(made, {"p": {"leak": "it leaks"}}, "procwm bench surprise --out DIR")
    assert "| it leaks | 8 (2 of 3) | none (1 of 3) |" in text
    assert "| alarms a day without a fault | 1.0 ± 0.0 | 1 |" in text
