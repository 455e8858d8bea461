"""Neutralisation of an acid stream by base, with a buffer that nobody measures.

R. C. Hall and D. E. Seborg, "Modelling and self-tuning control of a multivariable pH neutralization
process", American Control Conference (1989), 1822-1827, as in M. A. Henson and D. E. Seborg, "Adaptive
nonlinear control of a pH neutralization process", IEEE Transactions on Control Systems Technology 2(3),
169-182 (1994): equations (1) to (8) and table I. Two reaction invariants are mixed in a tank; pH follows
from them by the titration curve, whose slope changes with pH and with the buffer.
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

AREA_CM2 = 207.0
"""A, cross-section of the tank [Henson 1994, table I]."""
LEVEL_CM = 14.0
"""h at the nominal point [Henson 1994, table I]."""
OUTLET_CM, OUTLET_POWER = 11.5, 0.607
"""z, drop below the tank, and n: outflow is Cv (h + z)^n [Henson 1994, table I]."""
FLOW_ML_S = (16.6, 0.55, 15.6)
"""q1 acid, q2 buffer, q3 base at the nominal point [Henson 1994, table I]."""
OUTLET_ML_S = sum(FLOW_ML_S) / (LEVEL_CM + OUTLET_CM) ** OUTLET_POWER
"""Cv, so that the nominal level is at rest: 4.59 ml/s and cm^n."""
CHARGE_MOL_L = (3.0e-3, -3.0e-2, -3.05e-3)
"""Wa of acid, buffer and base: charge [Henson 1994, table I]."""
CARBONATE_MOL_L = (0.0, 3.0e-2, 5.0e-5)
"""Wb of the same: all carbonate [Henson 1994, table I]."""
PK1, PK2, PKW = 6.35, 10.25, 14.0
"""Dissociation of carbonic acid [Henson 1994, table I] and of water."""

ELECTRODE_S = 5.0
"""pH goes to what the charges balance at with this time constant: own choice, fast beside the tank."""
PUMP_S = 4.0
"""Time constant of the base behind its flow loop: own choice."""
LARGEST_CO2_MOL_L = 3.1e-4
"""Undissociated carbonic acid at which the effluent gasses: own choice, thrice the nominal."""


def _shares(ph: ca.SX) -> tuple[ca.SX, ca.SX]:
    """Mean charge of a carbonate, and the share that is undissociated."""
    first, second = 10.0 ** (PK1 - ph), 10.0 ** (ph - PK2)
    all_forms = 1.0 + first + second
    return (1.0 + 2.0 * second) / all_forms, first / all_forms


def _charge(ph: ca.SX, charge: ca.SX, carbonate: ca.SX) -> ca.SX:
    """Equation (7): what is missing to neutral charge, mol/l; rises with pH."""
    return charge + 10.0 ** (ph - PKW) + carbonate * _shares(ph)[0] - 10.0 ** (-ph)


def _rhs(x: ca.SX, mv: ca.SX, d: ca.SX, outlet: float) -> ca.SX:
    level, charge, carbonate, ph, base = (x[i] for i in range(5))
    flows = (d[0], d[1], base)
    out = outlet * (level + OUTLET_CM) ** OUTLET_POWER
    mixed = [
        sum(q * (fed - held) for q, fed in zip(flows, feed, strict=True)) / (AREA_CM2 * level)
        for held, feed in ((charge, CHARGE_MOL_L), (carbonate, CARBONATE_MOL_L))
    ]
    missing = _charge(ph, charge, carbonate)
    symbol = ca.SX.sym("ph")
    slope = ca.Function(
        "slope",
        [symbol, charge, carbonate],
        [ca.jacobian(_charge(symbol, charge, carbonate), symbol)],
    )(ph, charge, carbonate)
    # Newton's step as a rate: the missing charge decays with the electrode's time constant.
    return ca.vertcat(
        (sum(flows) - out) / AREA_CM2,
        *mixed,
        -missing / slope / ELECTRODE_S,
        (mv[0] - base) / PUMP_S,
    )


def _equations(outlet: float = OUTLET_ML_S) -> Equations:
    x, mv, d = ca.SX.sym("x", 5), ca.SX.sym("mv", 1), ca.SX.sym("d", 2)
    sound = ca.Function("rhs", [x, mv, d], [_rhs(x, mv, d, OUTLET_ML_S)])
    near = (LEVEL_CM, -4.36e-4, 5.28e-4, 7.0, FLOW_ML_S[2])
    return Equations(
        states=("level, cm", "charge, mol/l", "carbonate, mol/l", "pH", "base, ml/s"),
        steady_state=settled(sound, near, FLOW_ML_S[2:], FLOW_ML_S[:2]),
        disturbances=("acid", "buffer"),
        nominal_disturbance=FLOW_ML_S[:2],
        nominal_mv=FLOW_ML_S[2:],
        rhs=ca.Function("rhs", [x, mv, d], [_rhs(x, mv, d, outlet)]),
        outputs=ca.Function("outputs", [x, mv, d], [ca.vertcat(x[3], x[0], x[4], d[0])]),
        output_names=("AT1.PV", "LT1.PV", "FT3.PV", "FT1.PV"),
        guards=ca.Function("guards", [x, mv, d], [1e4 * (x[2] * _shares(x[3])[1] - LARGEST_CO2_MOL_L)]),
        guard_names=("gassing",),
    )


_FLOW = Instrument(noise_sd=0.05, resolution=0.01, failures_per_day=3.0, failure_s=60.0)

scenario = SimulatedScenario(
    name="neutralisation",
    summary="Base against acid in a tank; the titration curve bends, and the buffer in the feed is unknown.",
    source="Henson and Seborg 1994, IEEE Trans. Control Systems Technology 2(3), 169-182",
    plant=plant_of(
        "pH neutralisation",
        15.0,
        tag("AT1.PV", Role.CV, "pH", (2.0, 12.0), setpoint=7.0, limits=(5.0, 10.0)),
        tag("FC3.SP", Role.MV, "ml/s", (5.0, 25.0), limits=(11.0, 20.0), max_move=1.5, move_weight=0.05),
        tag("LT1.PV", Role.PV, "cm", (0.0, 30.0), limits=(5.0, 25.0)),
        tag("FT3.PV", Role.PV, "ml/s", (0.0, 30.0)),
        tag("FT1.PV", Role.DV, "ml/s", (5.0, 25.0)),
    ),
    equations=_equations(),
    instruments={
        "AT1.PV": Instrument(
            noise_sd=0.02, resolution=0.01, dead_time_s=30.0, failures_per_day=3.0, failure_s=60.0
        ),
        "LT1.PV": Instrument(noise_sd=0.05, resolution=0.02, failures_per_day=3.0, failure_s=60.0),
        "FT3.PV": _FLOW,
        "FT1.PV": _FLOW,
    },
    disturbances={
        "acid": DisturbanceModel(measured=True, drift_sd=0.15, drift_s=2400.0, step=0.4, step_every_s=7200.0),
        "buffer": DisturbanceModel(
            measured=False, drift_sd=0.01, drift_s=3600.0, step=0.025, step_every_s=10800.0
        ),
    },
    programme=Programme(smallest=0.05, largest=0.25, guard_clearance=0.5, digits=2),
    habits=Habits(digits=2, home=0.4),
    outer_loops=(OuterLoop(cv="AT1.PV", mv="FC3.SP", gain=0.15, integral_s=180.0),),
    parts={
        "sensor_drifts": SensorDrifts(tag="AT1.PV", per_h=0.2),
        "fouling": PlantWears(
            worn=_equations(0.9 * OUTLET_ML_S), what="the outlet narrows by 10 %", over_s=3600.0
        ),
        "feed": LoadShifts(disturbance="buffer", shift=-0.25),
    },
)
