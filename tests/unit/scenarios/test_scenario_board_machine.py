"""The board machine: its balances, and how late the reel is."""

import asyncio

import numpy as np
import pytest

from procwm.plant.scenario import LoadChange
from procwm_scenarios import board_machine as machine
from procwm_scenarios.integration import SteadyStates

EQUATIONS = machine.scenario.equations
STILL = [LoadChange(tick=0, disturbance="speed", value=machine.SPEED_M_S)]


def test_at_rest_all_fibre_that_comes_in_leaves_in_the_sheet() -> None:
    rest = SteadyStates(EQUATIONS)
    for stock in (100.0, 114.3, 130.0):
        state = rest.at(np.array([stock, 293.0]))
        assert state is not None
        assert state.outputs[0] * machine.SPEED_M_S * 4.0 / 1000.0 == pytest.approx(0.035 * stock)


def test_fibre_that_is_not_retained_comes_back() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        stock, back = rng.uniform(90.0, 140.0), rng.uniform(1.0, 3.0)
        state = [stock, back, *EQUATIONS.steady_state[2:]]
        rates = EQUATIONS.rhs(state, (stock, 293.0), EQUATIONS.nominal_disturbance).full().ravel()
        # A lag of the way to the reel takes 10 s.
        weight = EQUATIONS.steady_state[3] + 10.0 * rates[3]
        on_wire = weight * machine.SPEED_M_S * 4.0 / 1000.0
        # What the pit gains is what came in with the stock less what left with the sheet.
        assert 45.0 * rates[1] == pytest.approx(0.035 * stock - on_wire)


def test_stock_acts_at_the_wire_at_once_and_at_the_reel_minutes_later() -> None:
    plant = machine.scenario.simulate(seed=0, unmeasured=False, noise=False, loads=STILL)
    asyncio.run(plant.write({"FC1.SP": 118.0}))
    for _ in range(40):
        plant.advance()
    made = [row.state[3] for row in plant.history]
    reeled = [row.outputs["WT1.PV"] for row in plant.history]
    whole = reeled[-1] - reeled[0]
    assert made[3] - made[0] > 0.5 * whole
    assert reeled[4] - reeled[0] < 0.05 * whole
    assert reeled[12] - reeled[0] > 0.5 * whole
