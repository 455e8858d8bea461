"""The van de Vusse reactor: cyclopentenol from cyclopentadiene, next to where the yield turns around.

S. Engell and K.-U. Klatt, "Nonlinear control of a non-minimum-phase CSTR", American Control Conference
(1993), 2941-2945; equations (1) to (4) and parameters as in H. Chen, A. Kremling and F. Allgöwer,
"Nonlinear predictive control of a benchmark CSTR", European Control Conference (1995), 3247-3252,
section 2 and table 1. A becomes B, B becomes C, and two A become D. More feed first washes B out and only
then makes more of it; the gain falls to nothing at the largest yield and is negative beyond. A temperature
loop moves the heat that the jacket takes out.
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

RATE_PER_H = (1.287e12, 1.287e12)
"""k10, k20 [Chen 1995, table 1]."""
RATE_L_MOLH = 9.043e9
"""k30 [Chen 1995, table 1]."""
ACTIVATION_K = (-9758.3, -9758.3, -8560.0)
"""E1, E2, E3 [Chen 1995, table 1]."""
REACTION_KJ_MOL = (4.2, -11.0, -41.85)
"""Reaction enthalpies of A to B, B to C and A to D [Chen 1995, table 1]."""
DENSITY_KG_L = 0.9342
"""rho [Chen 1995, table 1]."""
HEAT_KJ_KGK = 3.01
"""Cp [Chen 1995, table 1]."""
EXCHANGE_KJ_HM2K = 4032.0
"""kw of the jacket [Chen 1995, table 1]."""
JACKET_M2 = 0.215
"""AR [Chen 1995, table 1]."""
VOLUME_L = 10.0
"""VR [Chen 1995, table 1]."""
COOLANT_KG, COOLANT_KJ_KGK = 5.0, 2.0
"""mK and CpK [Chen 1995, table 1]."""
FEED_MOL_L, FEED_DEGC = 5.1, 104.9
"""cA0 and the feed temperature at the main operating point [Chen 1995, table 1]."""
COOLING_KJ_H = (-9000.0, 0.0)
"""Limits of the heat that the jacket brings [Klatt and Engell 1998, Computers & Chemical Engineering 22]."""

SETPOINT_DEGC = 110.0
"""Of the temperature loop, and fixed: own choice, 4 K below the main point, so that cooling is left."""
NOMINAL_PER_H = 6.5
"""Feed by volume: own choice; the main operating point, 14.19, is at the largest yield."""
TEMPERATURE_LOOP = PiLoop(
    gain=400.0, integral_s=300.0, tracking_s=60.0, low=COOLING_KJ_H[0], high=COOLING_KJ_H[1]
)
"""Heat from the reactor's temperature, kJ/h and K: own tuning."""
FLOW_S = 5.0
"""Time constant of the feed behind its flow loop: own choice."""
LARGEST_C_MOL_L = 2.35
"""Cyclopentanediol that the next unit takes: own choice; a quarter more than at the nominal point."""

_HOUR_S = 3600.0


def _rhs(x: ca.SX, mv: ca.SX, d: ca.SX, exchange: float) -> ca.SX:
    a, b, c, temperature, jacket, feed, integral = (x[i] for i in range(7))
    feed_degc, feed_mol_l = d[0], d[1]
    speed = [RATE_PER_H[0], RATE_PER_H[1], RATE_L_MOLH]
    k1, k2, k3 = (speed[i] * ca.exp(ACTIVATION_K[i] / (temperature + 273.15)) for i in range(3))
    made_b, made_c, made_d = k1 * a, k2 * b, k3 * a**2
    capacity = DENSITY_KG_L * HEAT_KJ_KGK
    released = -sum(h * made for h, made in zip(REACTION_KJ_MOL, (made_b, made_c, made_d), strict=True))
    exchanged = exchange * JACKET_M2 * (jacket - temperature)
    heat, integral_rate = TEMPERATURE_LOOP.act(
        setpoint=SETPOINT_DEGC, measurement=temperature, integral=integral
    )
    return ca.vertcat(
        (feed * (feed_mol_l - a) - made_b - made_d) / _HOUR_S,
        (-feed * b + made_b - made_c) / _HOUR_S,
        (-feed * c + made_c) / _HOUR_S,
        (feed * (feed_degc - temperature) + (released + exchanged / VOLUME_L) / capacity) / _HOUR_S,
        (heat - exchanged) / (COOLANT_KG * COOLANT_KJ_KGK) / _HOUR_S,
        (mv[0] - feed) / FLOW_S,
        integral_rate,
    )


def _equations(exchange: float = EXCHANGE_KJ_HM2K) -> Equations:
    x, mv, d = ca.SX.sym("x", 7), ca.SX.sym("mv", 1), ca.SX.sym("d", 2)
    rhs = ca.Function("rhs", [x, mv, d], [_rhs(x, mv, d, exchange)])
    nominal = settled(
        ca.Function("rhs", [x, mv, d], [_rhs(x, mv, d, EXCHANGE_KJ_HM2K)]),
        (1.6, 1.0, 1.9, SETPOINT_DEGC, 108.0, NOMINAL_PER_H, -1500.0),
        (NOMINAL_PER_H,),
        (FEED_DEGC, FEED_MOL_L),
    )
    return Equations(
        states=(
            "cyclopentadiene, mol/l",
            "cyclopentenol, mol/l",
            "cyclopentanediol, mol/l",
            "temperature, degC",
            "jacket temperature, degC",
            "feed by volume, 1/h",
            "integral part of the temperature loop, kJ/h",
        ),
        steady_state=nominal,
        disturbances=("feed_temperature", "feed_concentration"),
        nominal_disturbance=(FEED_DEGC, FEED_MOL_L),
        nominal_mv=(NOMINAL_PER_H,),
        rhs=rhs,
        outputs=ca.Function("outputs", [x, mv, d], [ca.vertcat(x[1], x[3], x[4], d[0])]),
        output_names=("AT1.PV", "TT1.PV", "TT2.PV", "TT3.PV"),
        guards=ca.Function("guards", [x, mv, d], [x[2] - LARGEST_C_MOL_L]),
        guard_names=("diol",),
    )


_THERMOMETER = Instrument(noise_sd=0.1, resolution=0.02, failures_per_day=3.0, failure_s=60.0)

scenario = SimulatedScenario(
    name="van_de_vusse",
    summary="A product that its own feed first washes out; the gain vanishes where the yield is largest.",
    source="Engell and Klatt, ACC 1993, 2941-2945; Chen, Kremling, Allgöwer, ECC 1995, 3247-3252",
    plant=plant_of(
        "van de Vusse reactor",
        60.0,
        tag("AT1.PV", Role.CV, "mol/l", (0.6, 1.4), setpoint=0.99, limits=(0.7, 1.3), max_hold_s=240.0),
        tag("FC1.SP", Role.MV, "1/h", (0.0, 20.0), limits=(3.5, 13.0), max_move=2.0, move_weight=0.05),
        tag("TT1.PV", Role.PV, "degC", (80.0, 140.0), limits=(100.0, 120.0)),
        tag("TT2.PV", Role.PV, "degC", (80.0, 140.0)),
        tag("TT3.PV", Role.DV, "degC", (95.0, 115.0)),
    ),
    equations=_equations(),
    instruments={
        "AT1.PV": Instrument(
            noise_sd=0.004, resolution=0.001, dead_time_s=60.0, failures_per_day=3.0, failure_s=180.0
        ),
        "TT1.PV": _THERMOMETER,
        "TT2.PV": _THERMOMETER,
        "TT3.PV": _THERMOMETER,
    },
    disturbances={
        "feed_temperature": DisturbanceModel(
            measured=True, drift_sd=0.6, drift_s=3600.0, step=1.0, step_every_s=10800.0
        ),
        "feed_concentration": DisturbanceModel(
            measured=False, drift_sd=0.015, drift_s=3600.0, step=0.03, step_every_s=10800.0
        ),
    },
    programme=Programme(smallest=0.03, largest=0.2, guard_clearance=0.06, digits=3),
    habits=Habits(digits=1),
    outer_loops=(OuterLoop(cv="AT1.PV", mv="FC1.SP", gain=5.0, integral_s=900.0),),
    parts={
        "sensor_drifts": SensorDrifts(tag="AT1.PV", per_h=0.02),
        "fouling": PlantWears(
            worn=_equations(0.7 * EXCHANGE_KJ_HM2K), what="heat exchange falls by 30 %", over_s=7200.0
        ),
        "feed": LoadShifts(disturbance="feed_concentration", shift=-0.3),
    },
)
