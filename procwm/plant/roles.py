"""What a tag is to the controller, and what may be said of a tag of each role."""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from procwm.plant.contract import OnLoss

Interval = tuple[float, float]
"""A closed interval `(low, high)` in engineering units."""


class Role(StrEnum):
    """What a tag is to the controller."""

    CV = "CV"
    """Controlled variable: has a setpoint, a zone or limits."""
    MV = "MV"
    """Manipulated variable: what the controller writes, as a rule a setpoint of the PID layer."""
    DV = "DV"
    """Measured disturbance."""
    PV = "PV"
    """Any other measurement; with `limits` it is constrained like a CV without a target."""


ON_LOSS: Mapping[Role, tuple[OnLoss, ...]] = MappingProxyType(
    {
        Role.CV: (OnLoss.PREDICT, OnLoss.DROP, OnLoss.SHED),
        Role.PV: (OnLoss.PREDICT, OnLoss.SHED),
        Role.MV: (OnLoss.HOLD, OnLoss.SHED),
        Role.DV: (OnLoss.HOLD, OnLoss.SHED),
    }
)
"""What may be done about a lost tag; the first is the default."""
TAKEN_BY: Mapping[str, tuple[Role, ...]] = MappingProxyType(
    {
        "setpoint": (Role.CV,),
        "zone": (Role.CV,),
        "limits": (Role.CV, Role.MV, Role.PV),
        "max_move": (Role.MV,),
        "move_weight": (Role.MV,),
        "max_move_per_hour": (Role.MV,),
        "test_step": (Role.MV,),
        "cascade_node": (Role.MV,),
        "rank": (Role.CV, Role.PV),
        "ideal": (Role.MV,),
        "price": (Role.CV, Role.MV),
        "price_quadratic": (Role.CV, Role.MV),
        "frozen_after_s": (Role.CV, Role.DV, Role.PV),
        "reference_s": (Role.CV,),
        "reference_move": (Role.CV,),
        "levels": (Role.MV,),
        "forecast_node": (Role.CV, Role.DV),
        "raises": (Role.MV,),
        "lowers": (Role.MV,),
        "no_effect": (Role.MV,),
        "setpoint_of": (Role.MV,),
        "gains": (Role.MV,),
        "dead_times_s": (Role.MV,),
    }
)
"""Roles that a key of a tag is for; the others leave it out."""
ABOVE_ZERO = (
    "max_move",
    "max_hold_s",
    "max_move_per_hour",
    "test_step",
    "loss_s",
    "frozen_after_s",
    "reference_s",
    "reference_move",
)
"""Keys of a tag that are numbers above 0, where given at all."""
