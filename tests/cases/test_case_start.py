"""Case 21: a plant that stands at its setpoint is left alone from the first plan on."""

from datetime import UTC, datetime, timedelta

import numpy as np
import pytest
from heater import heater, later, learned
from strangers import here

from procwm.control.controller import Controller
from procwm.control.measurement import nanoseconds
from procwm.plant.samples import Quality, Sample

pytestmark = [here, pytest.mark.usefixtures("unchecked")]

BEGIN = datetime(2026, 1, 5, 8, tzinfo=UTC)


@pytest.mark.parametrize(("valve", "rows", "weight"), [(25, 0, 0), (75, 0, 0.05), (25, 31, 0)])
def test_a_heater_at_rest_is_taken_over_without_a_bump(valve: float, rows: int, weight: float) -> None:
    """As `start.py` of the case; it saw the valve between 0 and 66 and the temperature off by 1.55."""
    target = 20.0 + 0.8 * valve
    plant = heater("21-bump-at-start", TI1={"setpoint": target}, HV1={"move_weight": weight})
    controller, temperature = Controller(plant, learned()), target
    history = [
        Sample(tag, value, Quality.GOOD, nanoseconds(BEGIN + timedelta(seconds=-10 * row)))
        for row in range(rows, 0, -1)
        for tag, value in (("TI1", target), ("HV1", float(valve)))
    ]
    state, valves, off = controller.start(last_mv={"HV1": float(valve)}, history=history), [], 0.0
    held = float(valve)
    for number in range(60):
        time = BEGIN + timedelta(seconds=10 * number)
        decision, state = controller.step({"TI1": temperature, "HV1": held}, state, time=time)
        if decision.setpoints is not None:
            held = decision.setpoints["HV1"]
            valves.append(held)
        temperature = later(temperature, held)
        off = max(off, abs(temperature - target))
    assert len(valves) > 16
    np.testing.assert_allclose(valves, valve, atol=0.5)
    assert off < 0.05
