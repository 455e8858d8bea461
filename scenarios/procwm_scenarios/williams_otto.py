"""The Williams-Otto reactor: three reactions, and what is left of A against what is lost to G.

T. J. Williams and R. E. Otto, "A generalized chemical processing model for the investigation of computer
control", AIEE Transactions 79, 458-473 (1960), as in J. F. Forbes and T. E. Marlin, "Design cost: a
systematic approach to technology selection for model-based real-time optimization systems", Computers &
Chemical Engineering 20, 717-734 (1996), the reactor alone. A and B become C, B and C become P and E, C and P
become G; masses in kg, shares of mass. A loop of its own holds the reactor's temperature. The source's
optimum, 4.787 kg/s of B at 89.7 degC, is the nominal point: profit is flat there, and nothing else is.
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

HELD_KG = 2105.0
"""W, mass in the reactor [Forbes 1996]."""
RATE_PER_S = (1.6599e6, 7.2117e8, 2.6745e12)
"""Of the three reactions [Forbes 1996]."""
ACTIVATION_K = (6666.7, 8333.3, 11111.0)
"""The same [Forbes 1996]."""
FEED_A_KG_S = 1.8275
"""FA [Forbes 1996]."""
NOMINAL_MV = (4.787, 89.70)
"""FB kg/s and TR degC at the optimum [Forbes 1996]."""
NEAR_SHARES = (0.0875, 0.390, 0.0153, 0.291, 0.109, 0.108)
"""A, B, C, E, P and G there [Forbes 1996]."""
PRICES = (1143.38, 25.92, 76.23, 114.34)
"""Of P and E made, A and B fed, $ per kg [Forbes 1996]."""

PUMP_S, HEATING_S = 5.0, 60.0
"""Time constants of B behind its flow loop and of the temperature behind its own: own choice."""
LARGEST_B = 0.43
"""Share of B that the separation takes: own choice, a tenth more than at the nominal point."""


def _rates(x: ca.SX, temperature: ca.SX, active: ca.SX) -> list[ca.SX]:
    """Of the three reactions, kg/s."""
    a, b, c, p = x[0], x[1], x[2], x[4]
    reactants = (active * a * b, b * c, c * p)
    return [
        HELD_KG * rate * ca.exp(-activation / (temperature + 273.15)) * both
        for rate, activation, both in zip(RATE_PER_S, ACTIVATION_K, reactants, strict=True)
    ]


def _rhs(x: ca.SX, mv: ca.SX, d: ca.SX, active: float) -> ca.SX:
    fed_b, temperature = x[6], x[7]
    fed_a, poison = d[0], d[1]
    first, second, third = _rates(x, temperature, active * poison)
    made = (
        fed_a - first,
        fed_b - first - second,
        2.0 * first - 2.0 * second - third,
        2.0 * second,
        second - 0.5 * third,
        1.5 * third,
    )
    return ca.vertcat(
        *((made[i] - (fed_a + fed_b) * x[i]) / HELD_KG for i in range(6)),
        (mv[0] - fed_b) / PUMP_S,
        (mv[1] - temperature) / HEATING_S,
    )


def _equations(active: float = 1.0) -> Equations:
    x, mv, d = ca.SX.sym("x", 8), ca.SX.sym("mv", 2), ca.SX.sym("d", 2)
    sound = ca.Function("rhs", [x, mv, d], [_rhs(x, mv, d, 1.0)])
    return Equations(
        states=(*(f"share of {name}" for name in "ABCEPG"), "B fed, kg/s", "temperature, degC"),
        steady_state=settled(sound, (*NEAR_SHARES, *NOMINAL_MV), NOMINAL_MV, (FEED_A_KG_S, 1.0)),
        disturbances=("feed_a", "activity"),
        nominal_disturbance=(FEED_A_KG_S, 1.0),
        nominal_mv=NOMINAL_MV,
        rhs=ca.Function("rhs", [x, mv, d], [_rhs(x, mv, d, active)]),
        outputs=ca.Function("outputs", [x, mv, d], [ca.vertcat(100.0 * x[0], 100.0 * x[5], x[7], d[0])]),
        output_names=("AT1.PV", "AT2.PV", "TT1.PV", "FT1.PV"),
        guards=ca.Function("guards", [x, mv, d], [100.0 * (x[1] - LARGEST_B)]),
        guard_names=("unreacted_b",),
    )


def profit_per_s(shares: tuple[float, ...], fed_b: float) -> float:
    """$ per second at rest, by the source's prices."""
    p, e, a, b = PRICES
    out = FEED_A_KG_S + fed_b
    return p * out * shares[4] + e * out * shares[3] - a * FEED_A_KG_S - b * fed_b


_ANALYSER = Instrument(
    noise_sd=0.08, resolution=0.02, dead_time_s=60.0, failures_per_day=3.0, failure_s=180.0
)

scenario = SimulatedScenario(
    name="williams_otto",
    summary="Three reactions in a stirred tank at its economic optimum; unreacted A and residue G are held.",
    source="Williams and Otto 1960; Forbes and Marlin 1996, Computers & Chemical Engineering 20, 717-734",
    plant=plant_of(
        "Williams-Otto reactor",
        60.0,
        tag("AT1.PV", Role.CV, "%", (0.0, 20.0), setpoint=8.8, limits=(5.5, 14.0)),
        tag("AT2.PV", Role.CV, "%", (0.0, 30.0), setpoint=10.8, limits=(4.0, 20.0)),
        tag("FC2.SP", Role.MV, "kg/s", (2.0, 8.0), limits=(3.6, 6.0), max_move=0.3, move_weight=0.05),
        tag("TC1.SP", Role.MV, "degC", (60.0, 120.0), limits=(80.0, 99.0), max_move=2.0, move_weight=0.05),
        tag("TT1.PV", Role.PV, "degC", (60.0, 120.0)),
        tag("FT1.PV", Role.DV, "kg/s", (1.0, 3.0)),
    ),
    equations=_equations(),
    instruments={
        "AT1.PV": _ANALYSER,
        "AT2.PV": _ANALYSER,
        "TT1.PV": Instrument(noise_sd=0.1, resolution=0.02, failures_per_day=3.0, failure_s=60.0),
        "FT1.PV": Instrument(noise_sd=0.01, resolution=0.002, failures_per_day=3.0, failure_s=60.0),
    },
    disturbances={
        "feed_a": DisturbanceModel(
            measured=True, drift_sd=0.02, drift_s=3600.0, step=0.06, step_every_s=10800.0
        ),
        "activity": DisturbanceModel(
            measured=False, drift_sd=0.01, drift_s=7200.0, step=0.03, step_every_s=14400.0
        ),
    },
    programme=Programme(smallest=0.05, largest=0.25, guard_clearance=1.0, digits=1),
    habits=Habits(digits=2, home=0.4),
    outer_loops=(
        # Own tuning, slow.
        OuterLoop(cv="AT1.PV", mv="FC2.SP", gain=-0.1, integral_s=900.0),
        OuterLoop(cv="AT2.PV", mv="TC1.SP", gain=0.5, integral_s=900.0),
    ),
    parts={
        "sensor_drifts": SensorDrifts(tag="AT1.PV", per_h=0.3),
        "poisoning": PlantWears(
            worn=_equations(0.85), what="the first reaction loses 15 % of its speed", over_s=7200.0
        ),
        "feed": LoadShifts(disturbance="feed_a", shift=0.15),
    },
)
