"""The tubular reactor against its source, its balances, and how its hot spot runs away."""

import numpy as np
import pytest

from procwm_scenarios import tubular_reactor as reactor
from procwm_scenarios.integration import SteadyStates

EQUATIONS = reactor.scenario.equations


def rest(salt: float, percent: float) -> np.ndarray:
    """Temperatures of the cells at rest."""
    state = SteadyStates(EQUATIONS).at(np.array([salt, percent]))
    assert state is not None
    return state.state[: reactor.CELLS]


def test_heat_that_reacts_leaves_with_gas_and_salt() -> None:
    temperature = np.array(EQUATIONS.steady_state[: reactor.CELLS])
    shown = EQUATIONS.outputs(EQUATIONS.steady_state, EQUATIONS.nominal_mv, EQUATIONS.nominal_disturbance)
    released = 307_000.0 * float(shown[1])
    to_gas = 4684.0 * 0.25 * (temperature[-1] - 625.0)
    to_salt = 4.0 * 82.7 / 0.0254 * 3.0 / reactor.CELLS * np.sum(temperature - 625.0)
    assert released == pytest.approx(to_gas + to_salt, rel=1e-6)


def test_what_is_converted_is_made() -> None:
    shown = EQUATIONS.outputs(EQUATIONS.steady_state, EQUATIONS.nominal_mv, EQUATIONS.nominal_disturbance)
    fed = 4684.0 / 29.48 * 0.014
    assert float(shown[1]) == pytest.approx(fed * float(shown[0]) / 100.0, rel=1e-9)


def test_the_hot_spot_grows_faster_and_faster_and_wanders() -> None:
    hottest = [rest(630.0, percent).max() for percent in (1.3, 1.4, 1.5, 1.6)]
    assert (np.diff(hottest, 2) > 0.0).all()
    assert np.argmax(rest(613.0, 1.0)) != np.argmax(rest(636.0, 1.0))


def test_the_guardrail_is_that_of_the_hottest_cell() -> None:
    for salt, percent in ((620.0, 1.2), (630.0, 1.6)):
        state = SteadyStates(EQUATIONS).at(np.array([salt, percent]))
        assert state is not None
        over = state.state[: reactor.CELLS].max() - reactor.HOTTEST_K
        assert over <= state.guards[0] < over + 1.5
