"""The forced-circulation evaporator: product composition and pressure, by steam and cooling water.

R. B. Newell and P. L. Lee, Applied Process Control: A Case Study, Prentice Hall (1989), chapter 2:
equations (2.1) to (2.14) and table 2.1; flows in kg/min, duties in kW. Liquor is circulated through a
steam-heated exchanger and flashes; its vapour condenses against cooling water. The level would integrate:
a loop closes it with the product flow.
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

LIQUOR_KG_M, LIQUOR_KG = 20.0, 20.0
"""rho A of the separator, and M, the liquor in the evaporator [Newell 1989, section 2.2]."""
VAPOUR_KG_KPA = 4.0
"""C, how much vapour a rise of the pressure takes [Newell 1989, section 2.2]."""
BOILING = (0.5616, 0.3126, 48.43)
"""Product temperature for pressure (kPa), composition (%) and none, degC [Newell 1989, (2.6)]."""
CONDENSING = (0.507, 55.0)
"""Vapour temperature for pressure and none, degC [Newell 1989, (2.7)]."""
STEAM = (0.1538, 90.0)
"""Steam temperature for its pressure and none, degC [Newell 1989, (2.9)]."""
HEAT_KW_KKG = 0.07
"""Cp of liquor and cooling water, kW per K and kg/min [Newell 1989, section 2.2]."""
LATENT_KW_KG = 38.5
"""lambda of the liquor, kW per kg/min [Newell 1989, section 2.2]."""
HEATER_KW_KKG = 0.16
"""UA1 per circulated kg/min [Newell 1989, (2.11)]."""
CONDENSER_KW_K = 6.84
"""UA2 [Newell 1989, section 2.2]."""
CIRCULATION_KG_MIN = 50.0
"""F3 [Newell 1989, table 2.1]."""
FEED_DEGC = 40.0
"""T1 [Newell 1989, table 2.1]."""
NOMINAL_DISTURBANCE = (10.0, 5.0, 25.0)
"""F1 kg/min, X1 %, T200 degC [Newell 1989, table 2.1]."""
NOMINAL_MV = (194.7, 208.0)
"""P100 kPa, F200 kg/min [Newell 1989, table 2.1]."""
NOMINAL_STATE = (1.0, 25.0, 50.5)
"""L2 m, X2 %, P2 kPa [Newell 1989, table 2.1]."""
PRODUCT_KG_MIN = 2.0
"""F2 [Newell 1989, table 2.1]."""

LEVEL_LOOP = PiLoop(gain=-4.0, integral_s=1200.0, tracking_s=300.0, low=0.0, high=6.0)
"""Product flow from the level, kg/min and m: own tuning."""
VALVE_S = (30.0, 20.0)
"""Time constants of steam pressure and cooling water behind their loops: own choice."""
WALL_DEGC = 104.5
"""Of the tubes, half-way between steam and product, where scale begins: own choice; 102.2 at the nominal."""

_MINUTE_S = 60.0


def _temperatures(x: ca.SX) -> tuple[ca.SX, ca.SX]:
    """Of product and steam."""
    return BOILING[0] * x[2] + BOILING[1] * x[1] + BOILING[2], STEAM[0] * x[3] + STEAM[1]


def _rhs(x: ca.SX, mv: ca.SX, d: ca.SX, heater: float) -> ca.SX:
    level, composition, pressure, steam_kpa, water, integral = (x[i] for i in range(6))
    feed, feed_percent, water_degc = d[0], d[1], d[2]
    product_degc, steam_degc = _temperatures(x)
    vapour_degc = CONDENSING[0] * pressure + CONDENSING[1]
    heating = heater * (feed + CIRCULATION_KG_MIN) * (steam_degc - product_degc)
    boiled = (heating - feed * HEAT_KW_KKG * (product_degc - FEED_DEGC)) / LATENT_KW_KG
    cooled = CONDENSER_KW_K * (vapour_degc - water_degc)
    condensed = cooled / (1.0 + CONDENSER_KW_K / (2.0 * HEAT_KW_KKG * water)) / LATENT_KW_KG
    product, integral_rate = LEVEL_LOOP.act(setpoint=NOMINAL_STATE[0], measurement=level, integral=integral)
    return ca.vertcat(
        (feed - boiled - product) / LIQUOR_KG_M / _MINUTE_S,
        (feed * feed_percent - product * composition) / LIQUOR_KG / _MINUTE_S,
        (boiled - condensed) / VAPOUR_KG_KPA / _MINUTE_S,
        (mv[0] - steam_kpa) / VALVE_S[0],
        (mv[1] - water) / VALVE_S[1],
        integral_rate,
    )


def _equations(heater: float = HEATER_KW_KKG) -> Equations:
    x, mv, d = ca.SX.sym("x", 6), ca.SX.sym("mv", 2), ca.SX.sym("d", 3)
    sound = ca.Function("rhs", [x, mv, d], [_rhs(x, mv, d, HEATER_KW_KKG)])
    product_degc, steam_degc = _temperatures(x)
    outputs = ca.vertcat(x[1], x[2], x[0], product_degc, d[0])
    wall = (product_degc + steam_degc) / 2.0
    near = (*NOMINAL_STATE, *NOMINAL_MV, PRODUCT_KG_MIN)
    return Equations(
        states=(
            "level, m",
            "composition, %",
            "pressure, kPa",
            "steam pressure, kPa",
            "cooling water, kg/min",
            "integral part of the level loop, kg/min",
        ),
        steady_state=settled(sound, near, NOMINAL_MV, NOMINAL_DISTURBANCE),
        disturbances=("feed", "feed_composition", "water_temperature"),
        nominal_disturbance=NOMINAL_DISTURBANCE,
        nominal_mv=NOMINAL_MV,
        rhs=ca.Function("rhs", [x, mv, d], [_rhs(x, mv, d, heater)]),
        outputs=ca.Function("outputs", [x, mv, d], [outputs]),
        output_names=("AT2.PV", "PT2.PV", "LT2.PV", "TT2.PV", "FT1.PV"),
        guards=ca.Function("guards", [x, mv, d], [wall - WALL_DEGC]),
        guard_names=("scaling",),
    )


scenario = SimulatedScenario(
    name="evaporator",
    summary="Liquor is thickened under vacuum; composition and pressure pull at each other, tubes may scale.",
    source="Newell and Lee, Applied Process Control: A Case Study, 1989, chapter 2",
    plant=plant_of(
        "forced-circulation evaporator",
        60.0,
        tag("AT2.PV", Role.CV, "%", (10.0, 50.0), setpoint=25.0, limits=(15.0, 45.0)),
        tag("PT2.PV", Role.CV, "kPa", (30.0, 80.0), setpoint=50.5, limits=(38.0, 68.0)),
        tag(
            "PC100.SP", Role.MV, "kPa", (100.0, 400.0), limits=(150.0, 270.0), max_move=15.0, move_weight=0.05
        ),
        tag(
            "FC200.SP",
            Role.MV,
            "kg/min",
            (50.0, 450.0),
            limits=(120.0, 320.0),
            max_move=20.0,
            move_weight=0.05,
        ),
        tag("LT2.PV", Role.PV, "m", (0.0, 2.0), limits=(0.4, 1.6)),
        tag("TT2.PV", Role.PV, "degC", (60.0, 110.0)),
        tag("FT1.PV", Role.DV, "kg/min", (5.0, 15.0)),
    ),
    equations=_equations(),
    instruments={
        "AT2.PV": Instrument(
            noise_sd=0.15, resolution=0.05, dead_time_s=60.0, failures_per_day=3.0, failure_s=180.0
        ),
        "PT2.PV": Instrument(noise_sd=0.1, resolution=0.02, failures_per_day=3.0, failure_s=60.0),
        "LT2.PV": Instrument(noise_sd=0.01, resolution=0.002, failures_per_day=3.0, failure_s=60.0),
        "TT2.PV": Instrument(noise_sd=0.1, resolution=0.02, failures_per_day=3.0, failure_s=60.0),
        "FT1.PV": Instrument(noise_sd=0.05, resolution=0.01, failures_per_day=3.0, failure_s=60.0),
    },
    disturbances={
        "feed": DisturbanceModel(
            measured=True, drift_sd=0.1, drift_s=3600.0, step=0.25, step_every_s=10800.0
        ),
        "feed_composition": DisturbanceModel(
            measured=False, drift_sd=0.05, drift_s=3600.0, step=0.12, step_every_s=10800.0
        ),
        "water_temperature": DisturbanceModel(
            measured=False, drift_sd=0.5, drift_s=7200.0, step=0.5, step_every_s=14400.0
        ),
    },
    programme=Programme(smallest=0.06, largest=0.25, guard_clearance=0.7, digits=1),
    habits=Habits(digits=0, home=0.4),
    outer_loops=(
        # Own tuning, slow.
        OuterLoop(cv="AT2.PV", mv="PC100.SP", gain=1.0, integral_s=1200.0),
        OuterLoop(cv="PT2.PV", mv="FC200.SP", gain=-2.0, integral_s=1200.0),
    ),
    parts={
        "sensor_drifts": SensorDrifts(tag="AT2.PV", per_h=0.5),
        "fouling": PlantWears(
            worn=_equations(0.9 * HEATER_KW_KKG), what="the heater transfers 10 % less", over_s=7200.0
        ),
        "feed": LoadShifts(disturbance="feed_composition", shift=0.5),
    },
)
