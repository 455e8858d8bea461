"""The van de Vusse reactor against its papers, its balances, and what makes it hard."""

import asyncio

import numpy as np
import pytest

from procwm_scenarios import van_de_vusse as reactor
from procwm_scenarios.integration import SteadyStates

EQUATIONS = reactor.scenario.equations
FEED = (104.9, 5.1)


def rates(state: list[float], feed: float) -> np.ndarray:
    """Per hour."""
    return 3600.0 * np.asarray(EQUATIONS.rhs(state, feed, FEED).full()).ravel()


def test_the_main_operating_point_of_the_papers_is_at_rest() -> None:
    heat = -1113.5
    integral = heat - 400.0 * (reactor.SETPOINT_DEGC - 114.2)
    a, b, _, temperature, jacket, *_ = rates([2.14, 1.09, 1.0, 114.2, 112.9, 14.19, integral], 14.19)
    # Their figures are rounded: per hour, of 14 renewals.
    assert [a, b] == pytest.approx([0.0, 0.0], abs=0.06)
    assert [temperature, jacket] == pytest.approx([0.0, 0.0], abs=3.0)


def test_what_comes_in_goes_out_or_becomes_dicyclopentadiene() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        a, b, c = rng.uniform(0.2, 3.0, 3)
        temperature, feed = rng.uniform(95.0, 130.0), rng.uniform(3.0, 15.0)
        da, db, dc, *_ = rates([a, b, c, temperature, 105.0, feed, -1000.0], feed)
        lost = 9.043e9 * np.exp(-8560.0 / (temperature + 273.15)) * a**2
        assert da + db + dc + lost == pytest.approx(feed * (5.1 - a - b - c), rel=1e-9, abs=1e-9)


def test_more_feed_makes_more_product_up_to_the_largest_yield_and_less_beyond() -> None:
    rest = SteadyStates(EQUATIONS)
    product = []
    for feed in (6.0, 8.0, 11.0, 15.0, 18.0):
        state = rest.at(np.array([feed]))
        assert state is not None
        product.append(state.outputs[0])
    gains = np.diff(product) / np.diff([6.0, 8.0, 11.0, 15.0, 18.0])
    assert gains[0] > 3.0 * gains[1] > 0.0
    assert gains[3] < gains[2] < 0.0


def test_more_feed_washes_the_product_out_first() -> None:
    plant = reactor.scenario.simulate(seed=0, unmeasured=False, noise=False)
    asyncio.run(plant.write({"FC1.SP": 7.5}))
    for _ in range(60):
        plant.advance()
    product = [row.outputs["AT1.PV"] for row in plant.history]
    assert product[1] < product[0] - 1e-4
    assert product[-1] > product[0] + 0.02
