"""Two heat exchangers in a row that foul: a crude is heated, a product is cooled against it.

Energy balances of stirred cells in counterflow, as in W. L. Luyben, Process Modeling, Simulation and Control
for Chemical Engineers, 2nd ed. (1990), chapter 3; fouling by D. Q. Kern and R. E. Seaton, "A theoretical
analysis of thermal surface fouling", British Chemical Engineering 4, 258-262 (1959): deposit approaches,
exponentially, what the flow then tears off as fast; here it is more on hotter walls. The numbers are our
own, of a small preheat train. Days of hot walls cost heat that a controller has to find elsewhere.
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

CRUDE_KG_S, CRUDE_DEGC, CRUDE_KJ_KGK = 100.0, 120.0, 2.2
"""Flow, inlet temperature and heat capacity of the crude."""
PRODUCT_KG_S, PRODUCT_DEGC, PRODUCT_KJ_KGK = 60.0, 260.0, 2.4
"""The same of the product that heats it first."""
OIL_DEGC, OIL_KJ_KGK = 320.0, 2.5
"""Of the hot oil that heats it then."""
NOMINAL_MV = (0.25, 45.0)
"""Share of the product that goes round the first exchanger, and hot oil, kg/s."""
CLEAN_KW_K = (230.0, 260.0)
"""UA of the exchangers without deposit."""
HELD_KG = (5000.0, 6000.0)
"""Liquid in an exchanger, inside and outside its tubes, metal included."""
DEPOSIT_K_KW, WALL_DEGC, STEEPNESS_K = 0.0012, 220.0, 40.0
"""Resistance that deposits lead to at this wall temperature; e times as much for so much more."""
DEPOSIT_S = 172_800.0
"""Time constant of that."""
BYPASS_S, PUMP_S = 10.0, 10.0
"""Time constants of bypass and hot oil behind their loops."""
HOTTEST_DEGC = 248.0
"""Of the wall in the second exchanger, above which crude cokes."""


def _exchanger(
    cold: list[ca.SX],
    hot: list[ca.SX],
    flows: tuple[ca.SX, ca.SX],
    inlets: tuple[ca.SX, ca.SX | float],
    ua: ca.SX,
) -> list[ca.SX]:
    """Rates of two cold and two hot cells in counterflow; `flows` are heat capacity flows, kW/K."""
    (cold_in, hot_in), (cold_flow, hot_flow) = inlets, flows
    passed = [ua / 2.0 * (hot[1] - cold[0]), ua / 2.0 * (hot[0] - cold[1])]
    cold_kj_k, hot_kj_k = HELD_KG[0] / 2.0 * CRUDE_KJ_KGK, HELD_KG[1] / 2.0 * PRODUCT_KJ_KGK
    return [
        (cold_flow * (cold_in - cold[0]) + passed[0]) / cold_kj_k,
        (cold_flow * (cold[0] - cold[1]) + passed[1]) / cold_kj_k,
        (hot_flow * (hot_in - hot[0]) - passed[1]) / hot_kj_k,
        (hot_flow * (hot[0] - hot[1]) - passed[0]) / hot_kj_k,
    ]


_CELLS = [
    f"{side} cell {cell} of exchanger {at}" for at in (1, 2) for side in ("cold", "hot") for cell in (1, 2)
]


def _walls(x: ca.SX) -> tuple[ca.SX, ca.SX]:
    """At the hot end of each exchanger, half-way between both sides."""
    return (x[1] + x[2]) / 2.0, (x[5] + x[6]) / 2.0


def _rhs(x: ca.SX, mv: ca.SX, d: ca.SX, clean: tuple[float, float]) -> ca.SX:
    deposits, bypass, oil = (x[8], x[9]), x[10], x[11]
    ua = [1.0 / (1.0 / kw + deposit) for kw, deposit in zip(clean, deposits, strict=True)]
    crude = d[0] * CRUDE_KJ_KGK
    product, heated = (1.0 - bypass) * PRODUCT_KG_S * PRODUCT_KJ_KGK, oil * OIL_KJ_KGK
    growth = [DEPOSIT_K_KW * ca.exp((wall - WALL_DEGC) / STEEPNESS_K) for wall in _walls(x)]
    return ca.vertcat(
        *_exchanger([x[0], x[1]], [x[2], x[3]], (crude, product), (d[1], d[2]), ua[0]),
        *_exchanger([x[4], x[5]], [x[6], x[7]], (crude, heated), (x[1], OIL_DEGC), ua[1]),
        *((grown - deposit) / DEPOSIT_S for grown, deposit in zip(growth, deposits, strict=True)),
        (mv[0] - bypass) / BYPASS_S,
        (mv[1] - oil) / PUMP_S,
    )


def _equations(clean: tuple[float, float] = CLEAN_KW_K) -> Equations:
    x, mv, d = ca.SX.sym("x", 12), ca.SX.sym("mv", 2), ca.SX.sym("d", 3)
    sound = ca.Function("rhs", [x, mv, d], [_rhs(x, mv, d, CLEAN_KW_K)])
    nominal = (CRUDE_KG_S, CRUDE_DEGC, PRODUCT_DEGC)
    near = (145.0, 170.0, 230.0, 200.0, 190.0, 215.0, 290.0, 260.0, 8e-4, 2e-3, *NOMINAL_MV)
    run_down = x[10] * d[2] + (1.0 - x[10]) * x[3]
    return Equations(
        states=(
            *(f"{cell}, degC" for cell in _CELLS),
            "deposit in 1, K/kW",
            "deposit in 2, K/kW",
            "bypass",
            "hot oil, kg/s",
        ),
        steady_state=settled(sound, near, NOMINAL_MV, nominal),
        disturbances=("crude", "crude_temperature", "product_temperature"),
        nominal_disturbance=nominal,
        nominal_mv=NOMINAL_MV,
        rhs=ca.Function("rhs", [x, mv, d], [_rhs(x, mv, d, clean)]),
        outputs=ca.Function("outputs", [x, mv, d], [ca.vertcat(x[5], run_down, x[1], d[0], d[1])]),
        output_names=("TT1.PV", "TT2.PV", "TT3.PV", "FT1.PV", "TT4.PV"),
        guards=ca.Function("guards", [x, mv, d], [_walls(x)[1] - HOTTEST_DEGC]),
        guard_names=("coking",),
    )


_THERMOMETER = Instrument(noise_sd=0.1, resolution=0.02, failures_per_day=3.0, failure_s=60.0)
_MOVES = {"move_weight": 0.05}

scenario = SimulatedScenario(
    name="exchanger_train",
    summary="Two exchangers heat a crude, cool a product, and foul the more, the hotter their walls.",
    source="Kern and Seaton 1959, British Chemical Engineering 4, 258-262; the numbers are our own",
    plant=plant_of(
        "preheat train",
        30.0,
        tag("TT1.PV", Role.CV, "degC", (150.0, 250.0), setpoint=206.0, limits=(188.0, 224.0)),
        tag("TT2.PV", Role.CV, "degC", (150.0, 260.0), setpoint=197.0, limits=(180.0, 225.0)),
        tag("FC1.SP", Role.MV, "", (0.0, 1.0), limits=(0.05, 0.65), max_move=0.06, **_MOVES),
        tag("FC2.SP", Role.MV, "kg/s", (0.0, 100.0), limits=(25.0, 75.0), max_move=5.0, **_MOVES),
        tag("TT3.PV", Role.PV, "degC", (120.0, 260.0)),
        tag("FT1.PV", Role.DV, "kg/s", (60.0, 140.0)),
        tag("TT4.PV", Role.DV, "degC", (100.0, 140.0)),
    ),
    equations=_equations(),
    instruments={
        **{f"TT{number}.PV": _THERMOMETER for number in (1, 2, 3, 4)},
        "FT1.PV": Instrument(noise_sd=0.3, resolution=0.1, failures_per_day=3.0, failure_s=60.0),
    },
    disturbances={
        "crude": DisturbanceModel(
            measured=True, drift_sd=1.0, drift_s=3600.0, step=3.0, step_every_s=10800.0
        ),
        "crude_temperature": DisturbanceModel(
            measured=True, drift_sd=0.5, drift_s=7200.0, step=1.5, step_every_s=14400.0
        ),
        "product_temperature": DisturbanceModel(
            measured=False, drift_sd=0.7, drift_s=3600.0, step=2.0, step_every_s=10800.0
        ),
    },
    programme=Programme(smallest=0.05, largest=0.2, guard_clearance=2.0, digits=1),
    habits=Habits(digits=2, home=0.4),
    outer_loops=(
        # Own tuning, slow.
        OuterLoop(cv="TT1.PV", mv="FC2.SP", gain=0.4, integral_s=300.0),
        OuterLoop(cv="TT2.PV", mv="FC1.SP", gain=0.005, integral_s=300.0),
    ),
    parts={
        "sensor_drifts": SensorDrifts(tag="TT1.PV", per_h=0.5),
        "fouling": PlantWears(
            worn=_equations((0.9 * CLEAN_KW_K[0], 0.8 * CLEAN_KW_K[1])),
            what="tubes are plugged, and a tenth and a fifth of the surfaces lost",
            over_s=3600.0,
        ),
        "feed": LoadShifts(disturbance="product_temperature", shift=6.0),
    },
)
