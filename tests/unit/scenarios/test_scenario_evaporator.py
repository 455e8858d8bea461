"""The evaporator against its book and its balances."""

import numpy as np
import pytest

from procwm_scenarios import evaporator

EQUATIONS = evaporator.scenario.equations


def test_the_nominal_point_is_that_of_the_book() -> None:
    level, composition, pressure, *_ = EQUATIONS.steady_state
    assert (level, composition, pressure) == pytest.approx((1.0, 25.0, 50.5), rel=1e-3)
    shown = EQUATIONS.outputs(EQUATIONS.steady_state, EQUATIONS.nominal_mv, EQUATIONS.nominal_disturbance)
    assert float(shown[3]) == pytest.approx(84.6, abs=0.1)


def test_liquor_solids_and_vapour_are_kept() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        composition, pressure, feed, product = (
            rng.uniform(18.0, 35.0), rng.uniform(45.0, 60.0), rng.uniform(8.0, 12.0), rng.uniform(1.0, 3.0)
        )  # fmt: skip
        state = [1.0, composition, pressure, 200.0, 200.0, product]
        rates = 60.0 * EQUATIONS.rhs(state, (200.0, 200.0), (feed, 5.0, 25.0)).full().ravel()
        product_degc = 0.5616 * pressure + 0.3126 * composition + 48.43
        heating = 0.16 * (feed + 50.0) * (0.1538 * 200.0 + 90.0 - product_degc)
        boiled = (heating - feed * 0.07 * (product_degc - 40.0)) / 38.5
        cooled = 6.84 * (0.507 * pressure + 55.0 - 25.0) / (1.0 + 6.84 / (2.0 * 0.07 * 200.0))
        assert 20.0 * rates[0] == pytest.approx(feed - boiled - product)
        assert 20.0 * rates[1] == pytest.approx(5.0 * feed - product * composition)
        assert 4.0 * rates[2] == pytest.approx(boiled - cooled / 38.5)
