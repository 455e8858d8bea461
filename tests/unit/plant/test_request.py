"""A request in words, whatever it holds."""

import pytest

from procwm.plant.request import Request


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, "nothing"),
        ({"mode": "auto", "on": {"V1": False}}, "mode auto, V1 off"),
        ({"setpoints": {"L1": 12.5}, "zones": {"L1": (1.0, 2.0)}}, "L1 setpoint 12.5, L1 zone [1, 2]"),
        ({"limits": {"V1": (1.0, 2.0)}}, "V1 limits [1, 2]"),
        ({"limits": {"V1": (1.0, None)}}, "V1 low limit 1"),
        ({"limits": {"V1": (None, 2.0)}}, "V1 high limit 2"),
        ({"limits": {"V1": (None, None)}}, "V1 limits as they are"),
        ({"limits": {"V1": None}}, "V1 limits (a NoneType)"),
        ({"limits": {"V1": ("low", 2.0)}}, "V1 limits [(a str), 2]"),
        ({"limits": {"V1": (1.0,)}}, "V1 limits (a tuple)"),
        ({"zones": {"L1": 3.0}}, "L1 zone 3"),
        ({"setpoints": {"L1": 10**400}}, "L1 setpoint (a int)"),
        ({"setpoints": "all"}, "(a str)"),
    ],
)
def test_a_request_can_be_told_whatever_it_holds(unchecked, asked, told: str) -> None:
    assert str(Request(**asked)) == told
