"""The polymerisation against its papers and its balances."""

import numpy as np
import pytest

from procwm_scenarios import polymerisation as reactor
from procwm_scenarios.integration import SteadyStates

EQUATIONS = reactor.scenario.equations


def test_the_nominal_point_is_that_of_the_paper() -> None:
    monomer, initiator, chains, polymer, *_ = EQUATIONS.steady_state
    assert (monomer, initiator, chains, polymer) == pytest.approx(
        (5.506774, 0.132906, 0.0019752, 49.38182), rel=1e-4
    )
    shown = EQUATIONS.outputs(EQUATIONS.steady_state, EQUATIONS.nominal_mv, EQUATIONS.nominal_disturbance)
    assert float(shown[0]) == pytest.approx(25.0005, rel=1e-4)


def test_every_monomer_leaves_as_monomer_or_in_a_chain() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        state = [
            rng.uniform(4.5, 5.9), rng.uniform(0.05, 0.3), rng.uniform(1e-3, 4e-3), rng.uniform(30.0, 70.0),
            rng.uniform(10.0, 40.0), rng.uniform(700.0, 1500.0),
        ]  # fmt: skip
        rates = 3600.0 * EQUATIONS.rhs(state, (20.0, 1000.0), (6.0, 1.0)).full().ravel()
        flow = state[5] / 1000.0 / 0.1
        held = state[0] + state[3] / 100.12
        assert rates[0] + rates[3] / 100.12 == pytest.approx(flow * (6.0 - held), rel=1e-9, abs=1e-9)


def test_the_gain_from_initiator_to_molecular_weight_changes_severalfold() -> None:
    rest = SteadyStates(EQUATIONS)
    weights = []
    for fed in (8.0, 9.0, 38.0, 39.0):
        state = rest.at(np.array([fed, 1000.0]))
        assert state is not None
        weights.append(state.outputs[0])
    assert weights[0] - weights[1] > 5.0 * (weights[2] - weights[3]) > 0.0
