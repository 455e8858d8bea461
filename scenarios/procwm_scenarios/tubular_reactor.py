"""A tubular reactor with a hot spot that wanders: o-xylene over a catalyst that ages.

R. J. van Welsenaere and G. F. Froment, "Parametric sensitivity and runaway in fixed bed catalytic reactors",
Chemical Engineering Science 25, 1503-1516 (1970), as in G. F. Froment and K. B. Bischoff, Chemical Reactor
Analysis and Design, 2nd ed. (1990), section 11.5.c: pseudo-homogeneous balances and their numbers, kcal,
kmol, atm, hours. The bed is cut into stirred cells, which stores heat and lets gas pass at once. Between
1.8 and 1.9 % of xylene the hot spot runs away; what it reaches is seen at three places only.
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

RATE_LN, ACTIVATION_K = 19.837, 13_636.0
"""ln k = 19.837 - 13636 / T, kmol per kg of catalyst, h and atm2 [Froment 1990, 11.5.c]."""
REACTION_KCAL_KMOL = 307_000.0
"""-dH [Froment 1990, 11.5.c]."""
OXYGEN_ATM = 0.208
"""Partial pressure of oxygen, in excess [Froment 1990, 11.5.c]."""
GAS_KG_M2H = 4684.0
"""G [Froment 1990, 11.5.c]."""
GAS_KG_KMOL = 29.48
"""Mm [Froment 1990, 11.5.c]."""
GAS_KCAL_KGK = 0.25
"""cp [Froment 1990, 11.5.c]."""
BED_KG_M3 = 1300.0
"""rho_B [Froment 1990, 11.5.c]."""
EXCHANGE_KCAL_M2HK = 82.7
"""U to the salt around the tube [Froment 1990, 11.5.c]."""
TUBE_M, LENGTH_M = 0.0254, 3.0
"""Diameter and length [Froment 1990, 11.5.c]."""
INLET_K = 625.0
"""T0, and of the salt at the nominal point [Froment 1990, 11.5.c]."""

NOMINAL_PERCENT = 1.4
"""Xylene in the feed: own choice, well below runaway."""
CELLS = 12
"""Own choice; each mixes, as axial dispersion does."""
SEEN = (1, 3, 6)
"""Cells with a thermometer: own choice."""
BED_KCAL_KGK = 0.22
"""Heat capacity of the catalyst: own choice, that of its carrier."""
SALT_S, FEED_S = 120.0, 20.0
"""Time constants of salt and feed behind their loops: own choice."""
HOTTEST_K = 660.0
"""Of the bed, above which the catalyst sinters: own choice, before it runs away."""
SHARPNESS_K = 1.0
"""How far a smooth maximum lies above the true one, where two cells are equally hot, over ln 2."""

_HOUR_S = 3600.0


def _bed(x: ca.SX, activity: ca.SX) -> tuple[list[ca.SX], list[ca.SX]]:
    """Xylene (atm) behind every cell, and what reacts there (kmol/m3 and h)."""
    length, pressure = LENGTH_M / CELLS, x[CELLS + 1] / 100.0
    left, reacted = [], []
    for cell in range(CELLS):
        # Where a solver may look on its way; the bed itself gets no hotter, all xylene being gone.
        temperature = ca.fmin(ca.fmax(x[cell], 300.0), 1500.0)
        speed = BED_KG_M3 * OXYGEN_ATM * activity * ca.exp(RATE_LN - ACTIVATION_K / temperature)
        # What a stirred cell leaves of a first-order reactant.
        pressure = pressure / (1.0 + speed * GAS_KG_KMOL * length / GAS_KG_M2H)
        left.append(pressure)
        reacted.append(speed * pressure)
    return left, reacted


def _rhs(x: ca.SX, mv: ca.SX, d: ca.SX, ages: float) -> ca.SX:
    salt, inlet = x[CELLS], d[0]
    _, reacted = _bed(x, ages * d[1])
    flow = GAS_KG_M2H * GAS_KCAL_KGK * CELLS / LENGTH_M
    heating = [
        flow * ((inlet if cell == 0 else x[cell - 1]) - x[cell])
        + REACTION_KCAL_KMOL * reacted[cell]
        - 4.0 * EXCHANGE_KCAL_M2HK / TUBE_M * (x[cell] - salt)
        for cell in range(CELLS)
    ]
    return ca.vertcat(
        *(heat / (BED_KG_M3 * BED_KCAL_KGK) / _HOUR_S for heat in heating),
        (mv[0] - salt) / SALT_S,
        (mv[1] - x[CELLS + 1]) / FEED_S,
    )


def _equations(ages: float = 1.0) -> Equations:
    x, mv, d = ca.SX.sym("x", CELLS + 2), ca.SX.sym("mv", 2), ca.SX.sym("d", 2)
    sound = ca.Function("rhs", [x, mv, d], [_rhs(x, mv, d, 1.0)])
    nominal_mv = (INLET_K, NOMINAL_PERCENT)
    left, _ = _bed(x, ages * d[1])
    converted = 100.0 * (1.0 - left[-1] / (x[CELLS + 1] / 100.0))
    made = GAS_KG_M2H / GAS_KG_KMOL * (x[CELLS + 1] / 100.0 - left[-1])
    hottest = HOTTEST_K + SHARPNESS_K * ca.log(
        sum(ca.exp((x[cell] - HOTTEST_K) / SHARPNESS_K) for cell in range(CELLS))
    )
    outputs = ca.vertcat(converted, made, *(x[cell] for cell in SEEN), d[0])
    return Equations(
        states=(*(f"cell {cell + 1}, K" for cell in range(CELLS)), "salt, K", "xylene fed, %"),
        steady_state=settled(sound, (*(CELLS * (635.0,)), *nominal_mv), nominal_mv, (INLET_K, 1.0)),
        disturbances=("inlet_temperature", "activity"),
        nominal_disturbance=(INLET_K, 1.0),
        nominal_mv=nominal_mv,
        rhs=ca.Function("rhs", [x, mv, d], [_rhs(x, mv, d, ages)]),
        outputs=ca.Function("outputs", [x, mv, d], [outputs]),
        output_names=("AT1.PV", "FT1.PV", "TT1.PV", "TT2.PV", "TT3.PV", "TT4.PV"),
        guards=ca.Function("guards", [x, mv, d], [hottest - HOTTEST_K]),
        guard_names=("hot_spot",),
    )


_THERMOMETER = Instrument(noise_sd=0.2, resolution=0.05, failures_per_day=3.0, failure_s=60.0)
_MOVES = {"move_weight": 0.05}

scenario = SimulatedScenario(
    name="tubular_reactor",
    summary="A hot spot wanders through a bed that ages; more salt temperature or feed, and it runs away.",
    source="van Welsenaere and Froment 1970, Chemical Engineering Science 25, 1503-1516",
    plant=plant_of(
        "o-xylene oxidation in a tube",
        60.0,
        tag("AT1.PV", Role.CV, "%", (20.0, 100.0), setpoint=62.6, limits=(45.0, 82.0), max_hold_s=300.0),
        tag("FT1.PV", Role.CV, "kmol/m2h", (0.0, 3.0), setpoint=1.4, limits=(0.6, 2.2)),
        tag("TC1.SP", Role.MV, "K", (590.0, 660.0), limits=(613.0, 637.0), max_move=2.5, **_MOVES),
        tag("AC1.SP", Role.MV, "%", (0.5, 2.0), limits=(1.0, 1.75), max_move=0.08, **_MOVES),
        *(tag(f"TT{place}.PV", Role.PV, "K", (580.0, 720.0)) for place in (1, 2, 3)),
        tag("TT4.PV", Role.DV, "K", (600.0, 650.0)),
    ),
    equations=_equations(),
    instruments={
        "AT1.PV": Instrument(
            noise_sd=0.3, resolution=0.05, dead_time_s=120.0, failures_per_day=3.0, failure_s=180.0
        ),
        "FT1.PV": Instrument(noise_sd=0.01, resolution=0.002, failures_per_day=3.0, failure_s=120.0),
        **{f"TT{place}.PV": _THERMOMETER for place in (1, 2, 3, 4)},
    },
    disturbances={
        "inlet_temperature": DisturbanceModel(
            measured=True, drift_sd=1.0, drift_s=3600.0, step=2.0, step_every_s=10800.0
        ),
        "activity": DisturbanceModel(
            measured=False, drift_sd=0.01, drift_s=7200.0, step=0.02, step_every_s=14400.0
        ),
    },
    programme=Programme(smallest=0.06, largest=0.25, guard_clearance=5.0, digits=2),
    habits=Habits(digits=2, home=0.4),
    outer_loops=(
        # Own tuning, slow.
        OuterLoop(cv="AT1.PV", mv="TC1.SP", gain=0.15, integral_s=600.0),
        OuterLoop(cv="FT1.PV", mv="AC1.SP", gain=0.2, integral_s=600.0),
    ),
    parts={
        "sensor_drifts": SensorDrifts(tag="AT1.PV", per_h=1.0),
        "aging": PlantWears(worn=_equations(0.8), what="the catalyst loses a fifth", over_s=14400.0),
        "feed": LoadShifts(disturbance="inlet_temperature", shift=4.0),
    },
)
