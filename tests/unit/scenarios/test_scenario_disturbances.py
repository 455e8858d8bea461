"""Disturbances that a simulated plant meets by itself."""

import numpy as np
import pytest

from procwm.plant.scenario import LoadChange
from procwm_scenarios.disturbances import DisturbanceModel, Load

DRIFT = DisturbanceModel(measured=False, drift_sd=0.5, drift_s=100.0, step=0.0, step_every_s=1e9)
STEPS = DisturbanceModel(measured=False, drift_sd=0.0, drift_s=100.0, step=2.0, step_every_s=500.0)


def path(kind: DisturbanceModel, count: int, **options: object) -> np.ndarray:
    given = {"active": True, "changes": (), **options}
    load = Load(kind, 10.0, interval_s=10.0, rng=np.random.default_rng(0), **given)  # type: ignore[arg-type]
    return np.array([load.over(tick) for tick in range(count)])


def test_drift_has_the_stated_spread_and_memory() -> None:
    drift = path(DRIFT, 40_000) - 10.0
    assert np.std(drift) == pytest.approx(0.5, rel=0.1)
    assert np.corrcoef(drift[:-10], drift[10:])[0, 1] == pytest.approx(np.exp(-1.0), abs=0.05)


def test_steps_come_at_the_stated_rate_and_stay_in_bounds() -> None:
    levels = path(STEPS, 20_000) - 10.0
    assert np.abs(levels).max() <= 2.0
    assert np.count_nonzero(np.diff(levels)) == pytest.approx(20_000 * 10.0 / 500.0, rel=0.2)


def test_a_disturbance_set_by_the_caller_does_nothing_by_itself() -> None:
    changes = (LoadChange(tick=3, disturbance="d", value=7.0), LoadChange(tick=1, disturbance="d", value=8.0))
    assert path(DRIFT, 5, changes=changes).tolist() == [10.0, 8.0, 8.0, 7.0, 7.0]


def test_a_disturbance_that_is_switched_off_stays_nominal() -> None:
    assert set(path(DRIFT, 50, active=False)) == {10.0}
