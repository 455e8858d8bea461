"""The neutralisation against its paper, its balances and its titration curve."""

import numpy as np
import pytest

from procwm_scenarios import neutralisation as ph
from procwm_scenarios.integration import SteadyStates

EQUATIONS = ph.scenario.equations
FLOWS = (16.6, 0.55)


def test_the_nominal_point_is_that_of_the_paper() -> None:
    level, charge, carbonate, value, base = EQUATIONS.steady_state
    assert [level, charge, carbonate] == pytest.approx([14.0, -4.32e-4, 5.28e-4], rel=0.02)
    assert value == pytest.approx(7.0, abs=0.05)
    assert base == 15.6


def test_water_charge_and_carbonate_are_kept() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        level, base, ph_now = rng.uniform(8.0, 20.0), rng.uniform(10.0, 20.0), rng.uniform(5.0, 9.0)
        held = rng.uniform(-1e-3, 1e-3, 2)
        found = EQUATIONS.rhs([level, *held, ph_now, base], base, FLOWS).full().ravel()
        out = ph.OUTLET_ML_S * (level + 11.5) ** 0.607
        assert 207.0 * found[0] == pytest.approx(16.6 + 0.55 + base - out)
        for index, fed in ((0, (3.0e-3, -3.0e-2, -3.05e-3)), (1, (0.0, 3.0e-2, 5.0e-5))):
            # d(V W)/dt = what comes in less what goes out.
            change = 207.0 * (level * found[1 + index] + held[index] * found[0])
            inflow = 16.6 * fed[0] + 0.55 * fed[1] + base * fed[2]
            assert change == pytest.approx(inflow - out * held[index], rel=1e-9)


def test_at_rest_the_charges_balance_at_the_ph_that_is_shown() -> None:
    _, charge, carbonate, value, _ = EQUATIONS.steady_state
    first, second = 10.0 ** (6.35 - value), 10.0 ** (value - 10.25)
    bound = carbonate * (1.0 + 2.0 * second) / (1.0 + first + second)
    assert charge + 10.0 ** (value - 14.0) + bound - 10.0**-value == pytest.approx(0.0, abs=1e-12)


def test_the_gain_changes_severalfold_along_the_titration_curve() -> None:
    rest = SteadyStates(EQUATIONS)
    shown = []
    for base in (13.0, 14.0, 16.0, 17.0, 19.0, 20.0):
        state = rest.at(np.array([base]))
        assert state is not None
        shown.append(state.outputs[0])
    slopes = np.diff(shown)[::2]
    assert slopes[1] > 3.0 * slopes[0]
    assert slopes[1] > 3.0 * slopes[2]
