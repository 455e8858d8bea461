"""The quadruple-tank process, in both settings: two pumps, four tanks, and levels that nobody measures.

K. H. Johansson, "The quadruple-tank process: a multivariable laboratory process with an adjustable
zero", IEEE Transactions on Control Systems Technology 8(3), 456-465 (2000): equation (1), and the
parameters of its minimum-phase setting P- and its non-minimum-phase setting P+. Pump 1 fills tank 1 and,
above tank 2, tank 4; pump 2 fills tank 2 and, above tank 1, tank 3. The lower levels are measured, the
upper ones are not. In P+ most of a pump's flow goes through the upper tank: a level answers to the other
pump, late, and both have to go the wrong way first.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import casadi as ca

from procwm.plant.scenario import Equations
from procwm.plant.tags import OpcUaSettings, PlantSpec, Role, Tag
from procwm_scenarios.base_control import PiLoop
from procwm_scenarios.disturbances import DisturbanceModel
from procwm_scenarios.faults import LoadShifts, PlantWears, SensorDrifts, SensorSticks, ValveSticks
from procwm_scenarios.habits import Habits
from procwm_scenarios.instruments import Instrument
from procwm_scenarios.outer_loops import OuterLoop
from procwm_scenarios.programme import Programme
from procwm_scenarios.simulated_scenario import SimulatedScenario

AREA_CM2 = (28.0, 32.0, 28.0, 32.0)
"""A1..A4, cross-sections of the tanks [Johansson 2000, section II]."""
OUTLET_CM2 = (0.071, 0.057, 0.071, 0.057)
"""a1..a4, cross-sections of the outlets [Johansson 2000, section II]."""
GRAVITY_CM_S2 = 981.0
"""g [Johansson 2000, section II]."""
TANK_HEIGHT_CM = 20.0
"""Height of the lower tanks [Johansson 2000, figure 1]; above it they spill."""
SPILL_CM2_S = 50.0
"""Spill over the rim per centimetre above it: own choice, steep enough to hold the level."""
LAMINAR_CM = 0.05
"""Below about this level the outflow turns from Torricelli's root to linear: own choice, so that an
empty tank has a derivative; 0.03 % less outflow at a nominal upper level."""

DRIVE_S = 2.0
"""Time constant of a pump's speed behind its drive: own choice, fast beside the tanks."""
DRIVE_LOOP = PiLoop(gain=1.0, integral_s=2.0, tracking_s=1.0, setpoint_weight=1.0, low=0.0, high=10.0)
"""Speed loop of each pump, in volts: lambda tuning for a closed-loop time constant of 2 s."""


@dataclass(frozen=True, kw_only=True)
class Setting:
    """How pumps and valves are set.

    Attributes:
        pump_cm3_vs: k1, k2, flow per volt of each pump.
        split: gamma1, gamma2, share of each pump's flow that enters the lower tank.
        nominal_v: v1, v2; levels follow from them.
        upper_limit_cm: of tanks 3 and 4, above which they carry over: own choice, about 1.5 times the
            nominal levels.
    """

    pump_cm3_vs: tuple[float, float]
    split: tuple[float, float]
    nominal_v: tuple[float, float]
    upper_limit_cm: tuple[float, float]


MINIMUM_PHASE = Setting(
    pump_cm3_vs=(3.33, 3.35), split=(0.70, 0.60), nominal_v=(3.0, 3.0), upper_limit_cm=(2.4, 2.1)
)
"""P- [Johansson 2000, section II]."""
NON_MINIMUM_PHASE = Setting(
    pump_cm3_vs=(3.14, 3.29), split=(0.43, 0.34), nominal_v=(3.15, 3.15), upper_limit_cm=(7.2, 7.4)
)
"""P+ [Johansson 2000, section II]."""


def _outflow(level: ca.SX, outlet_cm2: float) -> ca.SX:
    """Flow out of a tank, cm3/s: a sqrt(2 g h), linear and odd around an empty tank."""
    root = level * (level**2 + LAMINAR_CM**2) ** -0.25
    return outlet_cm2 * math.sqrt(2.0 * GRAVITY_CM_S2) * root


def _rhs(x: ca.SX, mv: ca.SX, d: ca.SX, of: Setting, outlet_cm2: Sequence[float]) -> ca.SX:
    level, speed, integral = x[0:4], x[4:6], x[6:8]
    out = [_outflow(level[i], outlet_cm2[i]) for i in range(4)]
    spill = [SPILL_CM2_S * ca.fmax(level[i] - TANK_HEIGHT_CM, 0.0) for i in range(2)]
    pumped = [of.pump_cm3_vs[i] * speed[i] for i in range(2)]
    net = (
        out[2] + of.split[0] * pumped[0] + d[0] - out[0] - spill[0],
        out[3] + of.split[1] * pumped[1] + d[1] - out[1] - spill[1],
        (1.0 - of.split[1]) * pumped[1] - out[2],
        (1.0 - of.split[0]) * pumped[0] - out[3],
    )
    drives = [DRIVE_LOOP.act(setpoint=mv[i], measurement=speed[i], integral=integral[i]) for i in range(2)]
    return ca.vertcat(
        *(net[i] / AREA_CM2[i] for i in range(4)),
        *((command - speed[i]) / DRIVE_S for i, (command, _) in enumerate(drives)),
        *(rate for _, rate in drives),
    )


def _equations(of: Setting, outlet_cm2: Sequence[float] = OUTLET_CM2) -> Equations:
    x, mv, d = ca.SX.sym("x", 8), ca.SX.sym("mv", 2), ca.SX.sym("d", 2)
    outputs = ca.vertcat(x[0], x[1], of.pump_cm3_vs[0] * x[4], of.pump_cm3_vs[1] * x[5])
    return Equations(
        states=(
            *(f"level of tank {i}, cm" for i in (1, 2, 3, 4)),
            *(f"speed of pump {i}, V" for i in (1, 2)),
            *(f"integral part of drive {i}, V" for i in (1, 2)),
        ),
        steady_state=_steady_state(of),
        disturbances=("inflow_1", "inflow_2"),
        nominal_disturbance=(0.0, 0.0),
        nominal_mv=of.nominal_v,
        rhs=ca.Function("rhs", [x, mv, d], [_rhs(x, mv, d, of, outlet_cm2)]),
        outputs=ca.Function("outputs", [x, mv, d], [outputs]),
        output_names=("LT1.PV", "LT2.PV", "FT1.PV", "FT2.PV"),
        guards=ca.Function("guards", [x, mv, d], [x[2:4] - ca.DM(of.upper_limit_cm)]),
        guard_names=("upper_level_3", "upper_level_4"),
    )


def _steady_state(of: Setting) -> tuple[float, ...]:
    pumped = [of.pump_cm3_vs[i] * of.nominal_v[i] for i in range(2)]
    upper = ((1.0 - of.split[1]) * pumped[1], (1.0 - of.split[0]) * pumped[0])
    flow = (upper[0] + of.split[0] * pumped[0], upper[1] + of.split[1] * pumped[1], *upper)
    levels = []
    for through, outlet in zip(flow, OUTLET_CM2, strict=True):
        # Inverse of `_outflow`: with s = (q / a)^2 / 2g, h^4 = s^2 (h^2 + e^2), quadratic in h^2.
        s = (through / outlet) ** 2 / (2.0 * GRAVITY_CM_S2)
        levels.append(math.sqrt((s**2 + math.sqrt(s**4 + 4.0 * s**2 * LAMINAR_CM**2)) / 2.0))
    integral = [DRIVE_LOOP.steady_integral(setpoint=volt, output=volt) for volt in of.nominal_v]
    return (*levels, *of.nominal_v, *integral)


def _level(number: int, setpoint: float) -> Tag:
    return Tag(
        name=f"LT{number}.PV",
        role=Role.CV,
        unit="cm",
        range=(0.0, 20.0),
        setpoint=setpoint,
        weight=1.0,
        limits=(1.0, 19.0),
        node=f"ns=2;s=LT{number}.PV",
    )


def _pump(number: int) -> Tag:
    return Tag(
        name=f"P{number}.SP",
        role=Role.MV,
        unit="V",
        range=(0.0, 10.0),
        limits=(1.0, 6.0),
        max_move=0.5,
        move_weight=0.05,
        node=f"ns=2;s=P{number}.SP",
    )


def _flow(number: int) -> Tag:
    name = f"FT{number}.PV"
    return Tag(name=name, role=Role.PV, unit="cm3/s", range=(0.0, 40.0), node=f"ns=2;s={name}")


_LEVEL = Instrument(noise_sd=0.02, resolution=0.005, dead_time_s=20.0, failures_per_day=3.0, failure_s=60.0)
"""The transmitter averages out the waves, which makes it late: own choice."""
_FLOW = Instrument(noise_sd=0.1, resolution=0.01, failures_per_day=3.0, failure_s=60.0)
_INFLOW = DisturbanceModel(measured=False, drift_sd=0.2, drift_s=1800.0, step=0.3, step_every_s=7200.0)

scenario = SimulatedScenario(
    name="quadruple_tank",
    summary="Two pumps fill four coupled tanks; the upper levels, unmeasured, must not overflow.",
    source="Johansson 2000, IEEE Trans. Control Systems Technology 8(3), 456-465, minimum phase (P-)",
    plant=PlantSpec(
        name="quadruple tank",
        interval_s=10.0,
        tags=(_level(1, 12.4), _level(2, 12.7), _pump(1), _pump(2), _flow(1), _flow(2)),
        opcua=OpcUaSettings(endpoint="opc.tcp://127.0.0.1:4840"),
    ),
    equations=_equations(MINIMUM_PHASE),
    instruments={"LT1.PV": _LEVEL, "LT2.PV": _LEVEL, "FT1.PV": _FLOW, "FT2.PV": _FLOW},
    disturbances={"inflow_1": _INFLOW, "inflow_2": _INFLOW},
    programme=Programme(smallest=0.06, largest=0.18, guard_clearance=0.35, digits=1),
    habits=Habits(digits=2, home=0.4),
    outer_loops=(
        # Own tuning: SIMC, detuned by 2.
        OuterLoop(cv="LT1.PV", mv="P1.SP", gain=0.1, integral_s=125.0),
        OuterLoop(cv="LT2.PV", mv="P2.SP", gain=0.16, integral_s=190.0),
    ),
    parts={
        "sensor_drifts": SensorDrifts(tag="LT1.PV", per_h=0.5),
        "sensor_sticks": SensorSticks(tag="LT1.PV"),
        "pump_sticks": ValveSticks(tag="P1.SP", band=0.8),
        "fouling": PlantWears(
            worn=_equations(MINIMUM_PHASE, (0.85 * OUTLET_CM2[0], *OUTLET_CM2[1:])),
            what="the outlet of tank 1 narrows by 15 %",
            over_s=3600.0,
        ),
        "feed": LoadShifts(disturbance="inflow_1", shift=1.0),
    },
)

inverse = replace(
    scenario,
    name="quadruple_tank_inverse",
    summary="The four tanks with most of the flow through the upper ones: crossed, slow, and wrong at first.",
    source="Johansson 2000, IEEE Trans. Control Systems Technology 8(3), 456-465, non-minimum phase (P+)",
    plant=PlantSpec(
        name="quadruple tank, non-minimum phase",
        interval_s=20.0,
        tags=(_level(1, 12.4), _level(2, 13.2), _pump(1), _pump(2), _flow(1), _flow(2)),
        opcua=OpcUaSettings(endpoint="opc.tcp://127.0.0.1:4840"),
    ),
    equations=_equations(NON_MINIMUM_PHASE),
    programme=Programme(smallest=0.06, largest=0.2, guard_clearance=0.6, digits=1),
    outer_loops=(
        # Own tuning, crossed as the gains are at rest, and slow.
        OuterLoop(cv="LT1.PV", mv="P2.SP", gain=0.04, integral_s=400.0),
        OuterLoop(cv="LT2.PV", mv="P1.SP", gain=0.04, integral_s=400.0),
    ),
    parts={
        "sensor_drifts": SensorDrifts(tag="LT2.PV", per_h=0.5),
        "fouling": PlantWears(
            worn=_equations(NON_MINIMUM_PHASE, (0.85 * OUTLET_CM2[0], *OUTLET_CM2[1:])),
            what="the outlet of tank 1 narrows by 15 %",
            over_s=3600.0,
        ),
        "feed": LoadShifts(disturbance="inflow_2", shift=1.0),
    },
)
