"""Case 20: a step a moment early or late is the same step."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from heater import heater, later, learned
from strangers import here

from procwm.control.controller import Controller

pytestmark = [here, pytest.mark.usefixtures("unchecked")]

BEGIN = datetime(2026, 1, 5, 8, tzinfo=UTC)


def test_the_same_step_a_microsecond_early_gives_the_same_setpoint() -> None:
    """As `one_step.py` of the case."""
    controller, temperature, valve = Controller(heater(), learned()), 60.0, 50.0
    state, noise = controller.start(last_mv={"HV1": valve}), np.random.default_rng(0)
    for number in range(60):
        samples = {"TI1": temperature + 0.1 * noise.standard_normal(), "HV1": valve}
        setpoints, time = {"TI1": 60.0 if number < 45 else 63.0}, BEGIN + timedelta(seconds=10 * number)
        early = time - timedelta(microseconds=1)
        moved, _ = controller.step(samples, state, time=early, setpoints=setpoints)
        decision, state = controller.step(samples, state, time=time, setpoints=setpoints)
        assert moved.setpoints == decision.setpoints
        if decision.setpoints is not None:
            valve = decision.setpoints["HV1"]
        temperature = later(temperature, valve)
    assert decision.setpoints is not None


def test_a_plant_at_rest_stays_there_though_every_other_step_is_a_microsecond_early() -> None:
    """As `alternate.py` of the case."""
    controller, temperature, valve = Controller(heater(), learned()), 65.0, 56.25
    state = controller.start(last_mv={"HV1": valve})
    for number in range(60):
        time = BEGIN + timedelta(seconds=10 * number, microseconds=-(number % 2))
        decision, state = controller.step({"TI1": temperature, "HV1": valve}, state, time=time)
        if decision.setpoints is not None:
            valve = decision.setpoints["HV1"]
        assert abs(valve - 56.25) < 0.5
        temperature = later(temperature, valve)
        assert abs(temperature - 65.0) < 0.05


def test_jitter_of_any_size_leaves_the_loop_as_it_is() -> None:
    """As `jitter.py` of the case."""
    exact = valves(0.0)
    for jitter_s in (1e-3, 0.5):
        np.testing.assert_array_equal(valves(jitter_s), exact)


def valves(jitter_s: float) -> list[float]:
    controller = Controller(heater(), learned())
    temperature, valve, found = 65.0, 56.25, []
    state = controller.start(last_mv={"HV1": valve})
    noise, late = np.random.default_rng(0), np.random.default_rng(1)
    for number in range(70):
        time = BEGIN + timedelta(seconds=10 * number + float(late.uniform(-jitter_s, jitter_s)))
        samples = {"TI1": temperature + 0.1 * noise.standard_normal(), "HV1": valve}
        decision, state = controller.step(samples, state, time=time)
        if decision.setpoints is not None:
            valve = decision.setpoints["HV1"]
        found.append(valve)
        temperature = later(temperature, valve)
    return found
