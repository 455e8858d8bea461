"""The exchanger train: its balances, and how it fouls."""

import numpy as np
import pytest

from procwm_scenarios import exchanger_train as train

EQUATIONS = train.scenario.equations
NOMINAL = np.array(EQUATIONS.steady_state)


def rates(state: np.ndarray) -> np.ndarray:
    return EQUATIONS.rhs(state, EQUATIONS.nominal_mv, EQUATIONS.nominal_disturbance).full().ravel()


def test_what_hot_streams_lose_the_crude_gains() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        state = NOMINAL.copy()
        state[:8] += rng.uniform(-20.0, 20.0, 8)
        change = rates(state)
        cold, hot = 2500.0 * 2.2, 3000.0 * 2.4
        stored = cold * change[[0, 1, 4, 5]].sum() + hot * change[[2, 3, 6, 7]].sum()
        crude = 100.0 * 2.2 * (120.0 - state[5])
        product = 0.75 * 60.0 * 2.4 * (260.0 - state[3])
        oil = 45.0 * 2.5 * (320.0 - state[7])
        assert stored == pytest.approx(crude + product + oil, rel=1e-9)


def test_deposit_settles_at_what_the_wall_makes_of_it() -> None:
    for wall, deposit in ((NOMINAL[[1, 2]].mean(), NOMINAL[8]), (NOMINAL[[5, 6]].mean(), NOMINAL[9])):
        assert deposit == pytest.approx(0.0012 * np.exp((wall - 220.0) / 40.0))


def test_a_hotter_wall_fouls_for_days_and_costs_heat() -> None:
    clean = NOMINAL.copy()
    clean[9] /= 2.0
    assert 0.0 < rates(clean)[9] * 86_400.0 < NOMINAL[9]
    assert rates(clean)[5] > 0.0
