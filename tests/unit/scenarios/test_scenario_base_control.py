"""The PI loop below the controller."""

import casadi as ca
import pytest

from procwm_scenarios.base_control import PiLoop

LOOP = PiLoop(gain=2.0, integral_s=10.0, tracking_s=5.0, setpoint_weight=0.5, low=0.0, high=10.0)


def act(setpoint: float, measurement: float, integral: float) -> tuple[float, float]:
    output, rate = LOOP.act(
        setpoint=ca.DM(setpoint), measurement=ca.DM(measurement), integral=ca.DM(integral)
    )
    return float(output), float(rate)


def test_output_is_the_weighted_proportional_part_plus_the_integral_part() -> None:
    assert act(4.0, 1.0, 3.0)[0] == pytest.approx(2.0 * (0.5 * 4.0 - 1.0) + 3.0)


def test_the_integral_part_follows_the_error_inside_the_limits() -> None:
    assert act(4.0, 1.0, 3.0)[1] == pytest.approx(2.0 / 10.0 * 3.0)


def test_a_limited_output_stops_the_integral_part_from_winding_up() -> None:
    output, rate = act(40.0, 1.0, 30.0)
    assert output == 10.0
    assert rate < 0.0


def test_the_steady_integral_part_holds_the_output_without_error() -> None:
    integral = LOOP.steady_integral(setpoint=4.0, output=6.0)
    assert act(4.0, 4.0, integral) == (pytest.approx(6.0), pytest.approx(0.0))
