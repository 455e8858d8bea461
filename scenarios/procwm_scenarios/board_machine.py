"""A board machine: weight and moisture of a sheet that is measured long after it was made.

Balances as in G. A. Smook, Handbook for Pulp and Paper Technologists, 2nd ed. (1992), chapters 15 to 17:
fibre over the wire with retention and the short circulation that brings back the rest, water out of the press
and evaporated by steam-heated cylinders. The numbers are our own, of a machine of 4 m and 300 m/min. Stock
acts within seconds at the wire, and at the reel after two minutes of sheet, eight control intervals later.
"""

import casadi as ca

from procwm.plant.scenario import Equations
from procwm.plant.tags import Role
from procwm_scenarios.dead_times import lag_chain, names_of_lags
from procwm_scenarios.described import plant_of, tag
from procwm_scenarios.disturbances import DisturbanceModel
from procwm_scenarios.faults import LoadShifts, PlantWears, SensorDrifts
from procwm_scenarios.habits import Habits
from procwm_scenarios.instruments import Instrument
from procwm_scenarios.nominal import settled
from procwm_scenarios.outer_loops import OuterLoop
from procwm_scenarios.programme import Programme
from procwm_scenarios.simulated_scenario import SimulatedScenario

WIDTH_M = 4.0
"""Of the sheet."""
SPEED_M_S = 5.0
"""Of the machine at the nominal point; measured."""
CONSISTENCY = 0.035
"""Share of fibre in the thick stock at the nominal point; not measured."""
RETENTION = 0.7
"""Share of the headbox's fibre that stays on the wire."""
PIT_S = 45.0
"""Mean time of the rest in the wire pit before it comes back."""
PRESSED = 0.42
"""Share of fibre in the sheet behind the press at the nominal point; not measured."""
DRYING_KG_SK = 0.1475
"""Water evaporated per K between cylinders and sheet."""
SHEET_DEGC = 95.0
"""Of the drying sheet."""
FALLING = 0.08
"""Water ratio below which the rest is bound, and drying gets slower: it never ends below 0."""
CYLINDER_S = 60.0
"""Time constant of the cylinders behind the steam pressure."""
PUMP_S = 4.0
"""Time constant of the stock behind its flow loop."""
NOMINAL_MV = (114.3, 293.0)
"""Thick stock kg/s and steam pressure kPa: for 200 g/m2 of fibre at 7 % moisture, about."""
HOTTEST_DEGC = 134.0
"""Of the cylinders, above which the board blisters; they are at 130 degC at the nominal point."""
TRANSPORT_S, LAGS = 120.0, 12
"""From wire and dryer to the reel, where quality counts; the states that stand for it."""
SCAN_S = 30.0
"""What the scanner averages over."""


def _made(x: ca.SX, d: ca.SX) -> tuple[ca.SX, ca.SX, ca.SX]:
    """Fibre on the wire (kg/s), fibre per area (g/m2) and moisture (%)."""
    stock, back, cylinder = x[0], x[1], x[2]
    speed, consistency, pressed = d[0], d[1], d[2]
    fibre = RETENTION * (stock * consistency + back)
    free = 1.0 / pressed - 1.0 - DRYING_KG_SK * (cylinder - SHEET_DEGC) / fibre
    water = FALLING * ca.log(1.0 + ca.exp(free / FALLING))
    return fibre, 1000.0 * fibre / (speed * WIDTH_M), 100.0 * water / (1.0 + water)


def _steam_degc(kpa: ca.SX) -> ca.SX:
    """Saturated steam: the fourth root of its pressure in bar, to a degree or two."""
    return 100.0 * (kpa / 100.0) ** 0.25


def _rhs(x: ca.SX, mv: ca.SX, d: ca.SX, heats: float) -> ca.SX:
    stock, back, cylinder = x[0], x[1], x[2]
    headbox = stock * d[1] + back
    _, weight, moisture = _made(x, d)
    return ca.vertcat(
        (mv[0] - stock) / PUMP_S,
        ((1.0 - RETENTION) * headbox - back) / PIT_S,
        (SHEET_DEGC + heats * (_steam_degc(mv[1]) - SHEET_DEGC) - cylinder) / CYLINDER_S,
        *lag_chain(weight, x[3 : 3 + LAGS], TRANSPORT_S),
        *lag_chain(moisture, x[3 + LAGS :], TRANSPORT_S),
    )


def _equations(heats: float = 1.0) -> Equations:
    x, mv, d = ca.SX.sym("x", 3 + 2 * LAGS), ca.SX.sym("mv", 2), ca.SX.sym("d", 3)
    sound = ca.Function("rhs", [x, mv, d], [_rhs(x, mv, d, 1.0)])
    nominal = (SPEED_M_S, CONSISTENCY, PRESSED)
    back = (1.0 / RETENTION - 1.0) * NOMINAL_MV[0] * CONSISTENCY
    near = (NOMINAL_MV[0], back, 130.0, *(LAGS * (200.0,)), *(LAGS * (7.0,)))
    return Equations(
        states=(
            "thick stock, kg/s",
            "fibre coming back, kg/s",
            "cylinder temperature, degC",
            *names_of_lags("weight, g/m2", LAGS),
            *names_of_lags("moisture, %", LAGS),
        ),
        steady_state=settled(sound, near, NOMINAL_MV, nominal),
        disturbances=("speed", "consistency", "press"),
        nominal_disturbance=nominal,
        nominal_mv=NOMINAL_MV,
        rhs=ca.Function("rhs", [x, mv, d], [_rhs(x, mv, d, heats)]),
        outputs=ca.Function("outputs", [x, mv, d], [ca.vertcat(x[2 + LAGS], x[-1], x[0], d[0])]),
        output_names=("WT1.PV", "MT1.PV", "FT1.PV", "ST1.PV"),
        guards=ca.Function("guards", [x, mv, d], [x[2] - HOTTEST_DEGC]),
        guard_names=("blistering",),
    )


_MOVES = {"move_weight": 0.05}

scenario = SimulatedScenario(
    name="board_machine",
    summary="Weight and moisture of board, made in seconds and seen at the reel two minutes later.",
    source="balances as in Smook, Handbook for Pulp and Paper Technologists, 1992; the numbers are our own",
    plant=plant_of(
        "board machine",
        15.0,
        tag(
            "WT1.PV", Role.CV, "g/m2", (100.0, 300.0), setpoint=200.0, limits=(150.0, 250.0), max_hold_s=90.0
        ),
        tag("MT1.PV", Role.CV, "%", (0.0, 20.0), setpoint=7.0, limits=(2.0, 14.0)),
        tag("FC1.SP", Role.MV, "kg/s", (50.0, 200.0), limits=(95.0, 135.0), max_move=4.0, **_MOVES),
        tag("PC1.SP", Role.MV, "kPa", (100.0, 500.0), limits=(210.0, 390.0), max_move=18.0, **_MOVES),
        tag("FT1.PV", Role.PV, "kg/s", (50.0, 200.0)),
        tag("ST1.PV", Role.DV, "m/s", (3.0, 7.0)),
    ),
    equations=_equations(),
    instruments={
        "WT1.PV": Instrument(
            noise_sd=0.5, resolution=0.1, dead_time_s=SCAN_S, failures_per_day=3.0, failure_s=120.0
        ),
        "MT1.PV": Instrument(
            noise_sd=0.1, resolution=0.02, dead_time_s=SCAN_S, failures_per_day=3.0, failure_s=120.0
        ),
        "FT1.PV": Instrument(noise_sd=0.2, resolution=0.05, failures_per_day=3.0, failure_s=60.0),
        "ST1.PV": Instrument(noise_sd=0.003, resolution=0.001, failures_per_day=3.0, failure_s=60.0),
    },
    disturbances={
        "speed": DisturbanceModel(
            measured=True, drift_sd=0.01, drift_s=3600.0, step=0.1, step_every_s=10800.0
        ),
        "consistency": DisturbanceModel(
            measured=False, drift_sd=1.5e-4, drift_s=3600.0, step=2e-4, step_every_s=7200.0
        ),
        "press": DisturbanceModel(
            measured=False, drift_sd=1e-3, drift_s=3600.0, step=1.5e-3, step_every_s=10800.0
        ),
    },
    programme=Programme(smallest=0.04, largest=0.2, guard_clearance=1.0, digits=1),
    habits=Habits(digits=1, home=0.4),
    outer_loops=(
        # Own tuning, slow.
        OuterLoop(cv="WT1.PV", mv="FC1.SP", gain=0.1, integral_s=150.0),
        OuterLoop(cv="MT1.PV", mv="PC1.SP", gain=-1.0, integral_s=150.0),
    ),
    parts={
        "sensor_drifts": SensorDrifts(tag="MT1.PV", per_h=0.3),
        "fouling": PlantWears(
            worn=_equations(0.93), what="the cylinders lose 7 % of their heat", over_s=3600.0
        ),
        "feed": LoadShifts(disturbance="consistency", shift=1e-3),
    },
)
