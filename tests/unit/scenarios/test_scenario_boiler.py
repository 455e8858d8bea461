"""The boiler against its source, its balances, and how its level swells."""

import asyncio

import numpy as np
import pytest

from procwm.plant.scenario import LoadChange
from procwm_scenarios import boiler

EQUATIONS = boiler.scenario.equations


def test_the_nominal_point_is_that_of_the_source() -> None:
    pressure, power, density, *_, feedwater = EQUATIONS.steady_state
    assert (pressure, power, density) == pytest.approx((108.0, 66.65, 428.0), rel=2e-3)
    assert feedwater == pytest.approx(0.436, rel=2e-3)


def test_heat_power_and_mass_change_as_the_source_says() -> None:
    rng = np.random.default_rng(0)
    for _ in range(20):
        pressure, power, density = (
            rng.uniform(90.0, 125.0),
            rng.uniform(40.0, 90.0),
            rng.uniform(415.0, 440.0),
        )
        fuel, valve, drawn = rng.uniform(0.25, 0.45), rng.uniform(0.55, 0.85), rng.uniform(0.0, 0.05)
        state, load = [pressure, power, density, fuel, valve, 0.43], (0.97, drawn)
        feedwater = float(EQUATIONS.outputs(state, (fuel, valve), load)[3])
        rates = EQUATIONS.rhs(state, (fuel, valve), load).full().ravel()
        taken, driving = valve + drawn - 0.03, pressure**1.125
        assert rates[0] == pytest.approx(-0.0018 * taken * driving + 0.9 * 0.97 * fuel - 0.15 * feedwater)
        assert rates[1] == pytest.approx((0.073 * valve - 0.016) * driving - 0.1 * power)
        assert 85.0 * rates[2] == pytest.approx(141.0 * feedwater - (1.1 * taken - 0.19) * pressure)


def test_a_steam_valve_that_opens_lets_the_level_swell_while_water_leaves() -> None:
    still = [LoadChange(tick=0, disturbance="steam_drawn", value=boiler.DRAWN)]
    plant = boiler.scenario.simulate(seed=0, unmeasured=False, noise=False, loads=still)
    asyncio.run(plant.write({"GC1.SP": 0.75}))
    for _ in range(90):
        plant.advance()
    levels = np.array([row.outputs["LT1.PV"] for row in plant.history])
    densities = np.array([row.state[2] for row in plant.history])
    assert levels[1] > 0.015
    assert densities[3] < densities[0]
    assert levels.min() < -0.01
