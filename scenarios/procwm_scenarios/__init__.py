"""Simulated plants, and the parts to make one of: scenario, instruments, loads, programme."""

from procwm_scenarios.base_control import PiLoop
from procwm_scenarios.disturbances import DisturbanceModel
from procwm_scenarios.habits import Habits
from procwm_scenarios.instruments import Instrument, Stiction
from procwm_scenarios.outer_loops import OuterLoop
from procwm_scenarios.programme import Programme
from procwm_scenarios.simulated_scenario import SimulatedScenario

__all__ = [
    "DisturbanceModel",
    "Habits",
    "Instrument",
    "OuterLoop",
    "PiLoop",
    "Programme",
    "SimulatedScenario",
    "Stiction",
]
