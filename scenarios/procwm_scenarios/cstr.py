"""The exothermic stirred tank reactor at its unstable operating point, under a temperature loop.

D. E. Seborg, T. F. Edgar, D. A. Mellichamp and F. J. Doyle, Process Dynamics and Control, 4th ed.
(2016), chapter 2, example 2.5 (equations 2-66, 2-68 and table 2.3), after M. A. Henson and
D. E. Seborg, Nonlinear Process Control (1997), chapter 1. The middle one of its three steady states
is unstable: on its own the reactor either dies or ignites. The regulatory layer holds it: a PI loop
sets the coolant temperature from the reactor's. The controller moves that loop's setpoint, and sees
the product's concentration through an analyser that is slow and late.
"""

import math

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

FLOW_L_MIN = 100.0
"""q, feed and product flow [Seborg 2016, table 2.3]."""
VOLUME_L = 100.0
"""V, reactor volume [Seborg 2016, table 2.3]."""
HEAT_CAPACITY_J_LK = 239.0
"""rho C, 1000 g/L times 0.239 J/(g K) [Seborg 2016, table 2.3]."""
REACTION_HEAT_J_MOL = 5.0e4
"""-dH_R, released by the reaction [Seborg 2016, table 2.3]."""
ACTIVATION_K = 8750.0
"""E/R [Seborg 2016, table 2.3]."""
RATE_PER_MIN = 7.2e10
"""k0 [Seborg 2016, table 2.3]."""
EXCHANGE_J_MINK = 5.0e4
"""UA of the jacket [Seborg 2016, table 2.3]."""
FEED_K = 350.0
"""Ti, feed temperature at the nominal point [Seborg 2016, table 2.3]."""
FEED_MOL_L = 1.0
"""cAi, feed concentration at the nominal point [Seborg 2016, table 2.3]."""
NOMINAL_K = 350.0
"""T at the unstable steady state; there cA is 0.5 mol/L and Tc 300 K [Seborg 2016, table 2.3]."""

JACKET_S = 4.0
"""Time constant of the coolant temperature behind its valves: own choice; the unstable pole's is
21 s, and the loop must be faster."""
COLDEST_K, HOTTEST_K = 285.0, 340.0
"""What the coolant can reach: own choice."""
TEMPERATURE_LOOP = PiLoop(
    gain=6.0, integral_s=60.0, tracking_s=20.0, setpoint_weight=0.0, low=COLDEST_K, high=HOTTEST_K
)
"""Coolant temperature from reactor temperature: own tuning, well damped from 338 K to 362 K."""

RESERVE_K_MIN = 24.0
"""Cooling that must be left over against ignition: own choice. At rest, undisturbed, 3 K/min (at
362 K) to 14 K/min (at 338 K) more are left than that; heating up uses them."""

_MINUTE_S = 60.0


def _reaction_per_min(temperature: ca.SX) -> ca.SX:
    return RATE_PER_MIN * ca.exp(-ACTIVATION_K / temperature)


def _heating_k_min(
    concentration: ca.SX,
    temperature: ca.SX,
    coolant: ca.SX | float,
    feed_k: ca.SX,
    exchange: float = EXCHANGE_J_MINK,
) -> ca.SX:
    """dT/dt by the energy balance (2-68), K/min."""
    released = REACTION_HEAT_J_MOL / HEAT_CAPACITY_J_LK * _reaction_per_min(temperature) * concentration
    carried = FLOW_L_MIN / VOLUME_L * (feed_k - temperature)
    exchanged = exchange / (VOLUME_L * HEAT_CAPACITY_J_LK) * (coolant - temperature)
    return released + carried + exchanged


def _rhs(x: ca.SX, mv: ca.SX, d: ca.SX, exchange: float) -> ca.SX:
    concentration, temperature, coolant, integral = (x[i] for i in range(4))
    feed_k, feed_mol_l = d[0], d[1]
    command, integral_rate = TEMPERATURE_LOOP.act(setpoint=mv, measurement=temperature, integral=integral)
    consumed = _reaction_per_min(temperature) * concentration
    return ca.vertcat(
        (FLOW_L_MIN / VOLUME_L * (feed_mol_l - concentration) - consumed) / _MINUTE_S,
        _heating_k_min(concentration, temperature, coolant, feed_k, exchange) / _MINUTE_S,
        (command - coolant) / JACKET_S,
        integral_rate,
    )


def _equations(exchange: float = EXCHANGE_J_MINK) -> Equations:
    x, mv, d = ca.SX.sym("x", 4), ca.SX.sym("mv", 1), ca.SX.sym("d", 2)
    coldest = _heating_k_min(x[0], x[1], COLDEST_K, d[0])
    return Equations(
        states=(
            "concentration, mol/L",
            "temperature, K",
            "coolant temperature, K",
            "integral part of the temperature loop, K",
        ),
        steady_state=_steady_state(),
        disturbances=("feed_temperature", "feed_concentration"),
        nominal_disturbance=(FEED_K, FEED_MOL_L),
        nominal_mv=(NOMINAL_K,),
        rhs=ca.Function("rhs", [x, mv, d], [_rhs(x, mv, d, exchange)]),
        outputs=ca.Function("outputs", [x, mv, d], [ca.vertcat(x[0], x[1], x[2], d[0])]),
        output_names=("AT1.PV", "TT1.PV", "TT3.PV", "TT2.PV"),
        guards=ca.Function("guards", [x, mv, d], [coldest + RESERVE_K_MIN]),
        guard_names=("ignition",),
    )


def _steady_state() -> tuple[float, ...]:
    per_min = RATE_PER_MIN * math.exp(-ACTIVATION_K / NOMINAL_K)
    renewal = FLOW_L_MIN / VOLUME_L
    concentration = renewal * FEED_MOL_L / (renewal + per_min)
    released = REACTION_HEAT_J_MOL / HEAT_CAPACITY_J_LK * per_min * concentration
    exchange = EXCHANGE_J_MINK / (VOLUME_L * HEAT_CAPACITY_J_LK)
    coolant = NOMINAL_K - (released + renewal * (FEED_K - NOMINAL_K)) / exchange
    integral = TEMPERATURE_LOOP.steady_integral(setpoint=NOMINAL_K, output=coolant)
    return concentration, NOMINAL_K, coolant, integral


_TAGS = (
    Tag(
        name="AT1.PV",
        role=Role.CV,
        unit="mol/L",
        range=(0.0, 1.0),
        setpoint=0.5,
        weight=1.0,
        limits=(0.2, 0.8),
        node="ns=2;s=AT1.PV",
        max_hold_s=150.0,
    ),
    Tag(
        name="TC1.SP",
        role=Role.MV,
        unit="K",
        range=(320.0, 380.0),
        limits=(338.0, 362.0),
        max_move=4.0,
        move_weight=0.1,
        node="ns=2;s=TC1.SP",
    ),
    Tag(
        name="TT1.PV",
        role=Role.PV,
        unit="K",
        range=(320.0, 420.0),
        limits=(335.0, 365.0),
        node="ns=2;s=TT1.PV",
    ),
    Tag(name="TT3.PV", role=Role.PV, unit="K", range=(270.0, 350.0), node="ns=2;s=TT3.PV"),
    Tag(name="TT2.PV", role=Role.DV, unit="K", range=(330.0, 370.0), node="ns=2;s=TT2.PV"),
)

_ANALYSER = Instrument(
    noise_sd=0.003, resolution=0.001, dead_time_s=90.0, cycle_s=60.0, failures_per_day=3.0, failure_s=180.0
)
_THERMOMETER = Instrument(noise_sd=0.1, resolution=0.02, failures_per_day=3.0, failure_s=60.0)

scenario = SimulatedScenario(
    name="cstr",
    summary="An exothermic reactor held at its unstable point; concentration comes late, ignition is near.",
    source="Seborg, Edgar, Mellichamp, Doyle, Process Dynamics and Control, 4th ed. 2016, example 2.5",
    plant=PlantSpec(
        name="exothermic CSTR",
        interval_s=30.0,
        tags=_TAGS,
        opcua=OpcUaSettings(endpoint="opc.tcp://127.0.0.1:4840"),
    ),
    equations=_equations(),
    instruments={
        "AT1.PV": _ANALYSER,
        "TT1.PV": _THERMOMETER,
        "TT3.PV": _THERMOMETER,
        "TT2.PV": _THERMOMETER,
    },
    disturbances={
        "feed_temperature": DisturbanceModel(
            measured=True, drift_sd=0.8, drift_s=1800.0, step=1.5, step_every_s=7200.0
        ),
        "feed_concentration": DisturbanceModel(
            measured=False, drift_sd=0.008, drift_s=2400.0, step=0.012, step_every_s=7200.0
        ),
    },
    programme=Programme(smallest=0.08, largest=0.28, guard_clearance=4.5, digits=3),
    habits=Habits(
        pause_s=(480.0, 1200.0), reach=0.5, portion=0.3, portion_s=30.0, campaign=0.5, home=0.15, digits=1
    ),
    # Own tuning: SIMC, detuned by 2.
    outer_loops=(OuterLoop(cv="AT1.PV", mv="TC1.SP", gain=-5.0, integral_s=100.0),),
    clearance=0.05,
    parts={
        "sensor_drifts": SensorDrifts(tag="AT1.PV", per_h=0.02),
        "sensor_sticks": SensorSticks(tag="AT1.PV"),
        "setpoint_sticks": ValveSticks(tag="TC1.SP", band=4.0),
        "fouling": PlantWears(
            worn=_equations(0.8 * EXCHANGE_J_MINK), what="heat exchange falls by 20 %", over_s=3600.0
        ),
        "feed": LoadShifts(disturbance="feed_concentration", shift=0.05),
    },
)
