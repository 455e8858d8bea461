"""Case 18: setpoints that cannot be had, glitches of a sensor, values that are none, clocks that jump."""

import math
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from heater import heater, later, learned
from strangers import here

from procwm.control.controller import Controller
from procwm.errors import ProcwmError

pytestmark = [here, pytest.mark.usefixtures("unchecked")]

BEGIN = datetime(2026, 1, 5, 8, tzinfo=UTC)


def loop(
    *,
    cycles: int = 120,
    target: Callable[[int], float] = lambda number: 60.0,
    spoilt: Callable[[int, float], float] = lambda number, value: value,
    passes_s: Callable[[int], float] = lambda number: 10.0,
    weight: float = 0.0,
) -> tuple[np.ndarray, np.ndarray]:
    """Temperatures, and the valve after each step."""
    plant = heater("18-windup-jitter-clock", HV1={"move_weight": weight})
    controller, temperature, valve, time = Controller(plant, learned()), 60.0, 50.0, BEGIN
    state, noise = controller.start(last_mv={"HV1": valve}), np.random.default_rng(0)
    rows = []
    for number in range(cycles):
        read = spoilt(number, temperature + 0.1 * noise.standard_normal())
        decision, state = controller.step(
            {"TI1": read, "HV1": valve}, state, time=time, setpoints={"TI1": target(number)}
        )
        if decision.setpoints is not None:
            valve = decision.setpoints["HV1"]
        rows.append((temperature, valve))
        for _ in range(round(passes_s(number) / 10.0)):
            temperature = later(temperature, valve)
        time += timedelta(seconds=passes_s(number))
    found = np.array(rows)
    return found[:, 0], found[:, 1]


def test_a_setpoint_that_cannot_be_had_winds_nothing_up() -> None:
    _, valves = loop(target=lambda number: 130.0 if 40 <= number < 100 else 60.0)
    np.testing.assert_allclose(valves[60:100], 100.0)
    assert valves[100] < 99.0, "it leaves its limit in the step in which the setpoint comes back"
    assert valves[102:110].max() < 50.0


@pytest.mark.parametrize("weight", [0.0, 0.05])
def test_a_spike_of_one_sample_is_not_acted_upon(weight: float) -> None:
    _, calm = loop(weight=weight)
    for spike in (10.0, 60.0):
        temperatures, valves = loop(
            weight=weight, spoilt=lambda number, value, high=spike: value + high * (number == 80)
        )
        assert np.abs(valves - calm).max() < 6.0, "the case saw 82"
        assert np.abs(temperatures[80:] - 60.0).max() < 0.5, "the case saw 1.8"


def test_for_a_value_that_is_no_number_the_last_good_one_stands_in() -> None:
    temperatures, valves = loop(
        spoilt=lambda number, value: math.nan if 60 <= number < 63 else value, weight=0.05
    )
    assert np.abs(temperatures[60:] - 60.0).max() < 0.5
    assert np.ptp(valves[60:70]) < 10.0


def test_none_and_a_time_that_goes_backwards_are_refused() -> None:
    with pytest.raises(ProcwmError, match="TI1: None is not a number"):
        loop(spoilt=lambda number, value: None if number == 60 else value)  # type: ignore[arg-type, return-value]
    with pytest.raises(ProcwmError, match="time goes backwards"):
        loop(passes_s=lambda number: -3600.0 if number == 60 else 10.0)


def test_intervals_that_are_skipped_now_and_then_leave_the_plant_where_it_is_to_be() -> None:
    temperatures, _ = loop(passes_s=lambda number: 30.0 if number % 10 == 9 else 10.0, weight=0.05)
    assert np.abs(temperatures[40:] - 60.0).max() < 0.5
