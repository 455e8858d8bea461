"""The regulatory layer below the MPC, as expressions for a symbolic plant model."""

from dataclasses import dataclass
from typing import Any

import casadi as ca


@dataclass(frozen=True, kw_only=True)
class PiLoop:
    """A PI controller with setpoint weight, output limits and back-calculation anti-windup.

    Åström and Hägglund, Advanced PID Control (2006), sections 3.4 (setpoint weight) and 3.5
    (anti-windup). Its one state is the integral part, in units of the output.

    Attributes:
        gain: K, output units per measurement unit; negative where more output lowers the measurement.
        integral_s: Ti.
        tracking_s: Tt, how fast the integral part follows a limited output.
        setpoint_weight: b, the share of a setpoint change that the proportional part sees.
        low, high: limits of the output.
    """

    gain: float
    integral_s: float
    tracking_s: float
    setpoint_weight: float = 1.0
    low: float
    high: float

    def act(self, *, setpoint: Any, measurement: Any, integral: Any) -> tuple[Any, Any]:
        """The limited output, and the time derivative (per second) of `integral`."""
        wanted = self.gain * (self.setpoint_weight * setpoint - measurement) + integral
        output = ca.fmin(ca.fmax(wanted, self.low), self.high)
        rate = self.gain / self.integral_s * (setpoint - measurement) + (output - wanted) / self.tracking_s
        return output, rate

    def steady_integral(self, *, setpoint: float, output: float) -> float:
        """The integral part at rest with `output` inside its limits and the measurement at `setpoint`."""
        return output - self.gain * (self.setpoint_weight - 1.0) * setpoint
