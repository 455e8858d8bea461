"""A drum boiler with its turbine: pressure and power, while the drum's level shrinks and swells.

R. D. Bell and K. J. Åström, "Dynamic models for boiler-turbine-alternator units: data logs and parameter
estimation for a 160 MW unit", Report TFRT-3192, Lund Institute of Technology (1987), equations and
coefficients as in W. Tan, H. J. Marquez, T. Chen and J. Liu, "Analysis and control of a nonlinear
boiler-turbine unit", Journal of Process Control 15, 883-891 (2005), equations (1) to (5) and operating
point 4 of table 1. The mass in the drum integrates, and its level goes the wrong way first; a loop holds
it with feedwater. The controller moves fuel and steam valve.
"""

import casadi as ca

from procwm.plant.scenario import Equations
from procwm.plant.tags import Role
from procwm_scenarios.base_control import PiLoop
from procwm_scenarios.described import plant_of, tag
from procwm_scenarios.disturbances import DisturbanceModel
from procwm_scenarios.faults import LoadShifts, PlantWears, SensorDrifts
from procwm_scenarios.habits import Habits
from procwm_scenarios.instruments import Instrument
from procwm_scenarios.nominal import settled
from procwm_scenarios.outer_loops import OuterLoop
from procwm_scenarios.programme import Programme
from procwm_scenarios.simulated_scenario import SimulatedScenario

PRESSURE = (0.0018, 0.9, 0.15)
"""Change of the drum pressure, kg/cm2 and s, with steam, fuel and feedwater [Tan 2005, (1)]."""
POWER = (0.073, 0.016, 0.1)
"""Power for valve opening and none, MW/s, and its decay, 1/s [Tan 2005, (2)]."""
DENSITY = (141.0, 1.1, 0.19, 85.0)
"""Change of the fluid density, kg/m3 and s, with feedwater and steam [Tan 2005, (3)]."""
QUALITY = (0.001538, 0.8, 25.6, 1.0394, 0.0012304)
"""Steam quality in the drum [Tan 2005, (4)]."""
EVAPORATION = (0.854, 0.147, 45.59, 2.514, 2.096)
"""Evaporation, kg/s, with steam, fuel and feedwater [Tan 2005, (5)]."""
LEVEL = (0.05, 0.13073, 100.0, 9.0, 67.975)
"""Drum level, m, with density, quality and evaporation [Tan 2005, (4)]."""
NOMINAL_STATE = (108.0, 66.65, 428.0)
"""Drum pressure kg/cm2, power MW, fluid density kg/m3 [Tan 2005, table 1, point 4]."""
NOMINAL_MV = (0.34, 0.69)
"""Fuel and steam valve, shares of fully open [Tan 2005, table 1, point 4]."""
FEEDWATER = 0.436
"""Feedwater valve [Tan 2005, table 1, point 4]."""

LEVEL_LOOP = PiLoop(gain=0.4, integral_s=900.0, tracking_s=200.0, low=0.0, high=1.0)
"""Feedwater valve from the drum level, per m: own tuning, slow against shrink and swell."""
VALVE_S = (8.0, 3.0)
"""Time constants of fuel and steam valve: own choice; the source limits them to 0.7 and 2 % a second."""
DRAWN = 0.03
"""Steam to the works next door, as an opening of the steam valve: own choice."""
LARGEST_KG_S = 78.0
"""Evaporation above which drops are carried over: own choice; 60 at the nominal point."""


def _evaporation(x: ca.SX, feedwater: ca.SX, drawn: ca.SX) -> ca.SX:
    pressure, fuel, valve = x[0], x[3], x[4] + drawn - DRAWN
    a, b, c, d, e = EVAPORATION
    return (a * valve - b) * pressure + c * fuel - d * feedwater - e


def _level(x: ca.SX, evaporation: ca.SX) -> ca.SX:
    pressure, density = x[0], x[2]
    a, b, c, d, e = QUALITY
    quality = (1.0 - a * density) * (b * pressure - c) / (density * (d - e * pressure))
    scale, by_density, by_quality, by_evaporation, zero = LEVEL
    return scale * (by_density * density + by_quality * quality + evaporation / by_evaporation - zero)


def _drum(x: ca.SX, drawn: ca.SX) -> tuple[ca.SX, ca.SX, ca.SX, ca.SX]:
    """Evaporation, level, feedwater and the rate of its loop's integral part."""
    # Explicitly: the loop sees the level without what its own proportional part shrinks at once.
    level = _level(x, _evaporation(x, x[5], drawn))
    feedwater, rate = LEVEL_LOOP.act(setpoint=0.0, measurement=level, integral=x[5])
    evaporation = _evaporation(x, feedwater, drawn)
    return evaporation, _level(x, evaporation), feedwater, rate


def _rhs(x: ca.SX, mv: ca.SX, d: ca.SX, heats: float) -> ca.SX:
    pressure, power, fuel, valve = x[0], x[1], x[3], x[4]
    value, drawn = d[0], d[1]
    _, _, feedwater, integral_rate = _drum(x, drawn)
    driving, taken = pressure ** (9.0 / 8.0), valve + drawn - DRAWN
    return ca.vertcat(
        -PRESSURE[0] * taken * driving + heats * PRESSURE[1] * value * fuel - PRESSURE[2] * feedwater,
        (POWER[0] * valve - POWER[1]) * driving - POWER[2] * power,
        (DENSITY[0] * feedwater - (DENSITY[1] * taken - DENSITY[2]) * pressure) / DENSITY[3],
        (mv[0] - fuel) / VALVE_S[0],
        (mv[1] - valve) / VALVE_S[1],
        integral_rate,
    )


def _equations(heats: float = 1.0) -> Equations:
    x, mv, d = ca.SX.sym("x", 6), ca.SX.sym("mv", 2), ca.SX.sym("d", 2)
    sound = ca.Function("rhs", [x, mv, d], [_rhs(x, mv, d, 1.0)])
    evaporation, level, feedwater, _ = _drum(x, d[1])
    near = (*NOMINAL_STATE, *NOMINAL_MV, FEEDWATER)
    return Equations(
        states=(
            "drum pressure, kg/cm2",
            "power, MW",
            "fluid density, kg/m3",
            "fuel",
            "steam valve",
            "integral part of the level loop",
        ),
        steady_state=settled(sound, near, NOMINAL_MV, (1.0, DRAWN)),
        disturbances=("fuel_value", "steam_drawn"),
        nominal_disturbance=(1.0, DRAWN),
        nominal_mv=NOMINAL_MV,
        rhs=ca.Function("rhs", [x, mv, d], [_rhs(x, mv, d, heats)]),
        outputs=ca.Function("outputs", [x, mv, d], [ca.vertcat(x[0], x[1], level, feedwater, d[1])]),
        output_names=("PT1.PV", "JT1.PV", "LT1.PV", "FT3.PV", "FT4.PV"),
        guards=ca.Function("guards", [x, mv, d], [evaporation - LARGEST_KG_S]),
        guard_names=("carry_over",),
    )


scenario = SimulatedScenario(
    name="boiler",
    summary="A drum boiler drives a turbine; pressure and power interact, and too much steam carries drops.",
    source="Bell and Åström 1987, TFRT-3192; Tan, Marquez, Chen, Liu 2005, J. Process Control 15, 883-891",
    plant=plant_of(
        "drum boiler and turbine",
        20.0,
        tag("PT1.PV", Role.CV, "kg/cm2", (60.0, 160.0), setpoint=108.0, limits=(80.0, 140.0)),
        tag("JT1.PV", Role.CV, "MW", (0.0, 150.0), setpoint=66.5, limits=(30.0, 120.0)),
        tag("FC1.SP", Role.MV, "", (0.0, 1.0), limits=(0.2, 0.5), max_move=0.05, move_weight=0.05),
        tag("GC1.SP", Role.MV, "", (0.0, 1.0), limits=(0.5, 0.9), max_move=0.06, move_weight=0.05),
        tag("LT1.PV", Role.PV, "m", (-1.0, 1.0), limits=(-0.5, 0.5)),
        tag("FT3.PV", Role.PV, "", (0.0, 1.0)),
        tag("FT4.PV", Role.DV, "", (0.0, 0.2)),
    ),
    equations=_equations(),
    instruments={
        "PT1.PV": Instrument(noise_sd=0.2, resolution=0.05, failures_per_day=3.0, failure_s=60.0),
        "JT1.PV": Instrument(noise_sd=0.2, resolution=0.05, failures_per_day=3.0, failure_s=60.0),
        "LT1.PV": Instrument(noise_sd=0.01, resolution=0.002, failures_per_day=3.0, failure_s=60.0),
        "FT3.PV": Instrument(noise_sd=0.003, resolution=0.001, failures_per_day=3.0, failure_s=60.0),
        "FT4.PV": Instrument(noise_sd=0.001, resolution=0.0005, failures_per_day=3.0, failure_s=60.0),
    },
    disturbances={
        "fuel_value": DisturbanceModel(
            measured=False, drift_sd=0.01, drift_s=3600.0, step=0.02, step_every_s=10800.0
        ),
        "steam_drawn": DisturbanceModel(
            measured=True, drift_sd=0.003, drift_s=1800.0, step=0.01, step_every_s=5400.0
        ),
    },
    programme=Programme(smallest=0.05, largest=0.2, guard_clearance=3.0, digits=1),
    habits=Habits(digits=3, home=0.4),
    outer_loops=(
        # Own tuning, slow.
        OuterLoop(cv="PT1.PV", mv="FC1.SP", gain=0.003, integral_s=600.0),
        OuterLoop(cv="JT1.PV", mv="GC1.SP", gain=0.002, integral_s=200.0),
    ),
    parts={
        "sensor_drifts": SensorDrifts(tag="PT1.PV", per_h=2.0),
        "fouling": PlantWears(worn=_equations(0.94), what="fuel gives 6 % less heat", over_s=7200.0),
        "feed": LoadShifts(disturbance="fuel_value", shift=-0.05),
    },
)
