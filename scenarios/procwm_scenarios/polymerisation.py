"""Free-radical polymerisation of methyl methacrylate: chain length and conversion, by initiator and feed.

P. Daoutidis, M. Soroush and C. Kravaris, "Feedforward/feedback control of multivariable nonlinear
processes", AIChE Journal 36, 1471-1484 (1990), as in B. R. Maner, F. J. Doyle, B. A. Ogunnaike and
R. K. Pearson, "Nonlinear model predictive control of a simulated multivariable polymerization reactor using
second-order Volterra models", Automatica 32, 1285-1301 (1996), section on the isothermal reactor, equations
and table of parameters. Loops that hold temperature and volume are perfect there. Chains get shorter with
the root of the initiator, so that the gain of the molecular weight changes severalfold.
"""

import casadi as ca

from procwm.plant.scenario import Equations
from procwm.plant.tags import Role
from procwm_scenarios.described import plant_of, tag
from procwm_scenarios.disturbances import DisturbanceModel
from procwm_scenarios.faults import LoadShifts, PlantWears, SensorDrifts
from procwm_scenarios.habits import Habits
from procwm_scenarios.instruments import Instrument
from procwm_scenarios.nominal import settled
from procwm_scenarios.outer_loops import OuterLoop
from procwm_scenarios.programme import Programme
from procwm_scenarios.simulated_scenario import SimulatedScenario

COMBINES_M3_KMOLH, SPLITS_M3_KMOLH = 1.3281e10, 1.0930e11
"""kTc and kTd, termination by combination and by disproportionation [Maner 1996, table 1]."""
STARTS_PER_H = 1.0225e-1
"""kI, decomposition of the initiator [Maner 1996, table 1]."""
GROWS_M3_KMOLH, PASSES_M3_KMOLH = 2.4952e6, 2.4522e3
"""kp and kfm, propagation and transfer to monomer [Maner 1996, table 1]."""
EFFICIENCY = 0.58
"""f* of the initiator [Maner 1996, table 1]."""
VOLUME_M3 = 0.1
"""V [Maner 1996, table 1]."""
INITIATOR_KMOL_M3, MONOMER_KMOL_M3 = 8.0, 6.0
"""CI and Cm of the feeds [Maner 1996, table 1]."""
MONOMER_KG_KMOL = 100.12
"""Mm [Maner 1996, table 1]."""
NOMINAL_L_H = (16.783, 1000.0)
"""Initiator and monomer fed [Maner 1996, table 1: 0.016783 and 1.0 m3/h]."""
NEAR = (5.506774, 0.132906, 0.0019752, 49.38182)
"""Monomer, initiator, chains (kmol/m3) and polymer (kg/m3) there [Maner 1996, table 1]."""

PUMP_S = 10.0
"""Time constant of both feeds behind their flow loops: own choice."""
LARGEST_KG_M3 = 62.0
"""Polymer above which the reactor gets too viscous to be stirred: own choice, a quarter above the nominal."""

_HOUR_S = 3600.0


def _rhs(x: ca.SX, mv: ca.SX, d: ca.SX, efficiency: float) -> ca.SX:
    monomer, initiator, chains, polymer = (x[i] for i in range(4))
    initiator_m3_h, monomer_m3_h = x[4] / 1000.0, x[5] / 1000.0
    started = 2.0 * efficiency * d[1] * STARTS_PER_H * initiator
    radicals = ca.sqrt(started / (SPLITS_M3_KMOLH + COMBINES_M3_KMOLH))
    used = (GROWS_M3_KMOLH + PASSES_M3_KMOLH) * monomer * radicals
    ended = (0.5 * COMBINES_M3_KMOLH + SPLITS_M3_KMOLH) * radicals**2 + PASSES_M3_KMOLH * monomer * radicals
    fed = (monomer_m3_h * d[0], initiator_m3_h * INITIATOR_KMOL_M3)
    return ca.vertcat(
        ((fed[0] - monomer_m3_h * monomer) / VOLUME_M3 - used) / _HOUR_S,
        ((fed[1] - monomer_m3_h * initiator) / VOLUME_M3 - STARTS_PER_H * initiator) / _HOUR_S,
        (ended - monomer_m3_h * chains / VOLUME_M3) / _HOUR_S,
        (MONOMER_KG_KMOL * used - monomer_m3_h * polymer / VOLUME_M3) / _HOUR_S,
        (mv[0] - x[4]) / PUMP_S,
        (mv[1] - x[5]) / PUMP_S,
    )


def _equations(efficiency: float = EFFICIENCY) -> Equations:
    x, mv, d = ca.SX.sym("x", 6), ca.SX.sym("mv", 2), ca.SX.sym("d", 2)
    sound = ca.Function("rhs", [x, mv, d], [_rhs(x, mv, d, EFFICIENCY)])
    weight, converted = x[3] / x[2] / 1000.0, 100.0 * (1.0 - x[0] / d[0])
    return Equations(
        states=(
            "monomer, kmol/m3",
            "initiator, kmol/m3",
            "chains, kmol/m3",
            "polymer, kg/m3",
            "initiator fed, l/h",
            "monomer fed, l/h",
        ),
        steady_state=settled(sound, (*NEAR, *NOMINAL_L_H), NOMINAL_L_H, (MONOMER_KMOL_M3, 1.0)),
        disturbances=("monomer_concentration", "inhibition"),
        nominal_disturbance=(MONOMER_KMOL_M3, 1.0),
        nominal_mv=NOMINAL_L_H,
        rhs=ca.Function("rhs", [x, mv, d], [_rhs(x, mv, d, efficiency)]),
        outputs=ca.Function("outputs", [x, mv, d], [ca.vertcat(weight, converted, d[0])]),
        output_names=("AT1.PV", "AT2.PV", "AT3.PV"),
        guards=ca.Function("guards", [x, mv, d], [x[3] - LARGEST_KG_M3]),
        guard_names=("viscosity",),
    )


_MOVES = {"move_weight": 0.05}

scenario = SimulatedScenario(
    name="polymerisation",
    summary="Chain length and conversion of a polymer; gains change severalfold, and it can get too thick.",
    source="Daoutidis et al. 1990, AIChE J. 36, 1471-1484; Maner et al. 1996, Automatica 32, 1285-1301",
    plant=plant_of(
        "methyl methacrylate polymerisation",
        60.0,
        tag("AT1.PV", Role.CV, "kg/mol", (10.0, 50.0), setpoint=25.0, limits=(14.0, 45.0)),
        tag("AT2.PV", Role.CV, "%", (0.0, 20.0), setpoint=8.2, limits=(3.0, 16.0)),
        tag("FC1.SP", Role.MV, "l/h", (0.0, 80.0), limits=(5.0, 45.0), max_move=4.0, **_MOVES),
        tag(
            "FC2.SP",
            Role.MV,
            "l/h",
            (400.0, 2000.0),
            limits=(600.0, 1600.0),
            max_move=100.0,
            move_weight=0.05,
        ),
        tag("AT3.PV", Role.DV, "kmol/m3", (5.0, 7.0)),
    ),
    equations=_equations(),
    instruments={
        "AT1.PV": Instrument(
            noise_sd=0.15, resolution=0.05, dead_time_s=120.0, failures_per_day=3.0, failure_s=180.0
        ),
        "AT2.PV": Instrument(noise_sd=0.05, resolution=0.01, failures_per_day=3.0, failure_s=120.0),
        "AT3.PV": Instrument(noise_sd=0.01, resolution=0.005, failures_per_day=3.0, failure_s=120.0),
    },
    disturbances={
        "monomer_concentration": DisturbanceModel(
            measured=True, drift_sd=0.03, drift_s=3600.0, step=0.08, step_every_s=10800.0
        ),
        "inhibition": DisturbanceModel(
            measured=False, drift_sd=0.01, drift_s=3600.0, step=0.03, step_every_s=10800.0
        ),
    },
    programme=Programme(smallest=0.06, largest=0.3, guard_clearance=3.0, digits=1),
    habits=Habits(digits=1, home=0.4),
    outer_loops=(
        # Own tuning, slow.
        OuterLoop(cv="AT1.PV", mv="FC1.SP", gain=-0.3, integral_s=900.0),
        OuterLoop(cv="AT2.PV", mv="FC2.SP", gain=-20.0, integral_s=900.0),
    ),
    parts={
        "sensor_drifts": SensorDrifts(tag="AT1.PV", per_h=0.5),
        "wearing": PlantWears(
            worn=_equations(0.8 * EFFICIENCY), what="the initiator loses a fifth of its effect", over_s=7200.0
        ),
        "feed": LoadShifts(disturbance="inhibition", shift=-0.12),
    },
)
