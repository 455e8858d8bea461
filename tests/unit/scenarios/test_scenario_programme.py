"""Setpoint programmes of benchmark runs."""

from dataclasses import replace
from itertools import groupby

import numpy as np
import pytest
from scipy.optimize import least_squares

from procwm.errors import SimulationError
from procwm_scenarios import cstr, quadruple_tank
from procwm_scenarios.integration import SteadyStates
from procwm_scenarios.simulated_scenario import SimulatedScenario

SCENARIOS = {"quadruple_tank": quadruple_tank.scenario, "cstr": cstr.scenario}


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_every_target_can_be_held_within_limits_and_guardrails(scenario: SimulatedScenario) -> None:
    steady = SteadyStates(scenario.equations)
    names = [tag.name for tag in scenario.plant.cvs]
    low, high = np.array([tag.bounds for tag in scenario.plant.mvs]).T
    target = {tag.name: tag.setpoint for tag in scenario.plant.cvs}

    def error(mv: np.ndarray) -> np.ndarray:
        rest = steady.at(mv)
        assert rest is not None
        return rest.outputs[: len(names)] - np.array([target[name] for name in names], dtype=float)

    programme = scenario.program(seed=0, intervals=600)
    for _, changes in groupby(programme, key=lambda change: change.tick):
        target.update({change.tag: change.value for change in changes})
        found = least_squares(error, scenario.equations.nominal_mv, bounds=(low, high))
        assert np.abs(found.fun).max() < 1e-4
        rest = steady.at(found.x)
        assert rest is not None
        assert rest.guards.max() < 0.0


@pytest.mark.parametrize("scenario", SCENARIOS.values(), ids=SCENARIOS)
def test_targets_are_held_for_60_to_100_intervals(scenario: SimulatedScenario) -> None:
    for seed in range(5):
        ticks = sorted({change.tick for change in scenario.program(seed=seed, intervals=600)})
        assert ticks[0] < 60
        assert np.diff(ticks).min() >= 60
        assert np.diff(ticks).max() <= 100


def test_a_programme_that_cannot_be_drawn_says_so() -> None:
    scenario = cstr.scenario
    impossible = replace(scenario, programme=replace(scenario.programme, guard_clearance=1000.0))
    with pytest.raises(SimulationError, match="exothermic CSTR: no setpoint step"):
        impossible.program(seed=0, intervals=100)
