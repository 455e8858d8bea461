"""Operating logs with the truth behind them."""

import numpy as np
import pytest

from procwm.comparison.operating import operate
from procwm_scenarios.cstr import scenario as cstr
from procwm_scenarios.quadruple_tank import scenario as quadruple_tank
from procwm_scenarios.simulated_scenario import SimulatedScenario
from procwm_studies.control.offset import PHASE, choose_steps, noise_sd


def test_the_truth_has_a_row_for_every_tick_and_the_log_every_tag() -> None:
    operated = operate(quadruple_tank, seed=0, hours=0.5)
    assert len(operated.rows) == 1 + round(1800 / quadruple_tank.plant.interval_s)
    assert set(operated.log.series) == set(quadruple_tank.plant.names)
    assert set(operated.guards) == {"upper_level_3", "upper_level_4"}
    assert set(operated.outputs) == {"LT1.PV", "LT2.PV", "FT1.PV", "FT2.PV"}


@pytest.mark.parametrize("scenario", [quadruple_tank, cstr], ids=lambda scenario: scenario.name)
def test_the_shown_truth_is_as_late_as_the_instrument(scenario: SimulatedScenario) -> None:
    operated = operate(scenario, seed=0, hours=1.5)
    for tag in scenario.plant.cvs:
        late_ns = operated.shown[tag.name].time_ns[0] - operated.outputs[tag.name].time_ns[0]
        assert late_ns == round(scenario.instruments[tag.name].dead_time_s * 1e9)


def test_the_noise_found_is_the_noise_that_the_instrument_adds() -> None:
    found = noise_sd(quadruple_tank, seed=0)
    assert found["LT1.PV"] == pytest.approx(quadruple_tank.instruments["LT1.PV"].noise_sd, rel=0.15)


def test_steps_are_chosen_away_from_guardrails_and_among_what_is_not_measured() -> None:
    steps = choose_steps(cstr, operate(cstr, seed=0, hours=3.0).rows)
    # More conversion takes a hotter reactor, which is nearer to ignition.
    assert steps.target.tag == "AT1.PV"
    assert steps.target.value > 0.5
    assert steps.load.disturbance == "feed_concentration"
    assert steps.load.tick == PHASE
    richer = steps.load.value - cstr.equations.nominal_disturbance[1]
    assert 0.0 < abs(richer) < 0.1


def test_the_same_seed_gives_the_same_log_and_truth() -> None:
    first, second = (operate(quadruple_tank, seed=3, hours=0.2) for _ in range(2))
    assert first.log.identity == second.log.identity
    np.testing.assert_array_equal(first.outputs["LT1.PV"].value, second.outputs["LT1.PV"].value)
