"""The Williams-Otto reactor against its source, its balances and its optimum."""

import numpy as np
import pytest

from procwm_scenarios import williams_otto as reactor
from procwm_scenarios.integration import SteadyStates

EQUATIONS = reactor.scenario.equations


def test_the_nominal_point_and_its_profit_are_those_of_the_source() -> None:
    shares = EQUATIONS.steady_state[:6]
    assert shares == pytest.approx((0.0875, 0.390, 0.0153, 0.291, 0.109, 0.108), rel=0.02)
    assert reactor.profit_per_s(shares, 4.787) == pytest.approx(190.98, abs=0.1)


def test_the_nominal_point_is_where_profit_is_largest() -> None:
    rest = SteadyStates(EQUATIONS)
    for fed, temperature in ((4.6, 89.7), (5.0, 89.7), (4.787, 88.0), (4.787, 91.5)):
        state = rest.at(np.array([fed, temperature]))
        assert state is not None
        assert reactor.profit_per_s(tuple(state.state[:6]), fed) < 190.98


def test_mass_is_kept_in_every_reaction() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        shares = rng.dirichlet(np.ones(6))
        fed_b, temperature = rng.uniform(3.0, 6.0), rng.uniform(75.0, 100.0)
        state = [*shares, fed_b, temperature]
        rates = EQUATIONS.rhs(state, (fed_b, temperature), (1.8275, 1.0)).full().ravel()
        # Shares of mass that sum to 1 keep doing so: as much leaves as comes in.
        assert rates[:6].sum() == pytest.approx(0.0, abs=1e-12)
