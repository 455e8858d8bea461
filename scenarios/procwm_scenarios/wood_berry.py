"""The Wood and Berry column: methanol and water, both product compositions under control.

R. K. Wood and M. W. Berry, "Terminal composition control of a binary distillation column", Chemical
Engineering Science 28, 1707-1717 (1973), equation (8): transfer functions from reflux, steam and feed to
the compositions at top and bottom, in lb/min and weight % methanol, minutes. Every dead time is a chain of
lags, as it is in the column, where it comes from the trays. The loops of pressure, levels and flows are in
the transfer functions; the controller moves the setpoints of reflux and steam.
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
from procwm_scenarios.transfer import Path, TransferPlant

TOP = {"reflux": Path(12.8, 16.7, 1.0), "steam": Path(-18.9, 21.0, 3.0), "feed": Path(3.8, 14.9, 8.1)}
"""Of the top composition: gains in weight % per lb/min, minutes [Wood 1973, (8)]."""
BOTTOM = {"reflux": Path(6.6, 10.9, 7.0), "steam": Path(-19.4, 14.4, 3.0), "feed": Path(4.9, 13.2, 3.4)}
"""Of the bottom composition [Wood 1973, (8)]."""
SOURCE_PERCENT, SOURCE_LB_MIN = (96.25, 0.50), (1.95, 1.71)
"""Compositions at top and bottom, reflux and steam, where the model was taken [Wood 1973, table 1]."""
FEED_LB_MIN = 2.45
"""Feed there [Wood 1973, table 1]."""

NOMINAL_LB_MIN = (1.90, 1.66)
"""Reflux and steam: own choice, nearby, so that the bottom can become purer, too: 96.6 % and 1.1 %."""
LAG_MIN = 1.0
"""Of the chains that stand for dead times: own choice."""
LOAD = (0.25, 1.0, 0.2, 0.05)
"""What reflux, steam, feed and what is wrong with it add to the load of the trays: own choice."""
LARGEST_LOAD = 2.72
"""Load at which the column floods: own choice, 3 % above the nominal one."""
FEED_PERCENT_MIN = 20.0
"""Time constant with which what is wrong with the feed's composition arrives in the products: own choice."""

_COLUMN = TransferPlant({"top": TOP, "bottom": BOTTOM}, lag_min=LAG_MIN)


def _rhs(x: ca.SX, mv: ca.SX, d: ca.SX, steam_works: float) -> ca.SX:
    inputs = {
        "reflux": mv[0] - SOURCE_LB_MIN[0],
        "steam": steam_works * (mv[1] - SOURCE_LB_MIN[1]),
        "feed": d[0] - FEED_LB_MIN,
    }
    wrong = (d[1] - x[len(_COLUMN.states)]) / (FEED_PERCENT_MIN * 60.0)
    return ca.vertcat(*_COLUMN.rates(x, inputs), wrong)


def _equations(steam_works: float = 1.0) -> Equations:
    count = len(_COLUMN.states)
    x, mv, d = ca.SX.sym("x", count + 1), ca.SX.sym("mv", 2), ca.SX.sym("d", 2)
    sound = ca.Function("rhs", [x, mv, d], [_rhs(x, mv, d, 1.0)])
    percent = [at + part + x[count] for at, part in zip(SOURCE_PERCENT, _COLUMN.outputs(x), strict=True)]
    load = LOAD[0] * mv[0] + LOAD[1] * mv[1] + LOAD[2] * d[0] + LOAD[3] * x[count]
    return Equations(
        states=(*_COLUMN.states, "what is wrong with the feed, %"),
        steady_state=settled(sound, (0.0,) * (count + 1), NOMINAL_LB_MIN, (FEED_LB_MIN, 0.0)),
        disturbances=("feed", "feed_composition"),
        nominal_disturbance=(FEED_LB_MIN, 0.0),
        nominal_mv=NOMINAL_LB_MIN,
        rhs=ca.Function("rhs", [x, mv, d], [_rhs(x, mv, d, steam_works)]),
        outputs=ca.Function("outputs", [x, mv, d], [ca.vertcat(*percent, d[0])]),
        output_names=("AT1.PV", "AT2.PV", "FT3.PV"),
        guards=ca.Function("guards", [x, mv, d], [load - LARGEST_LOAD]),
        guard_names=("flooding",),
    )


_ANALYSER = Instrument(noise_sd=0.03, resolution=0.01, failures_per_day=3.0, failure_s=180.0)

scenario = SimulatedScenario(
    name="wood_berry",
    summary="A column with both ends under control: strong interaction, long dead times, and a load limit.",
    source="Wood and Berry 1973, Chemical Engineering Science 28, 1707-1717",
    plant=plant_of(
        "Wood and Berry column",
        60.0,
        tag("AT1.PV", Role.CV, "%", (90.0, 100.0), setpoint=96.6, limits=(93.5, 99.5)),
        tag("AT2.PV", Role.CV, "%", (0.0, 6.0), setpoint=1.1, limits=(0.1, 4.0)),
        tag("FC1.SP", Role.MV, "lb/min", (1.0, 3.0), limits=(1.7, 2.1), max_move=0.05, move_weight=0.05),
        tag("FC2.SP", Role.MV, "lb/min", (1.0, 3.0), limits=(1.54, 1.78), max_move=0.03, move_weight=0.05),
        tag("FT3.PV", Role.DV, "lb/min", (1.5, 3.5)),
    ),
    equations=_equations(),
    instruments={
        "AT1.PV": _ANALYSER,
        "AT2.PV": _ANALYSER,
        "FT3.PV": Instrument(noise_sd=0.01, resolution=0.002, failures_per_day=3.0, failure_s=60.0),
    },
    disturbances={
        "feed": DisturbanceModel(
            measured=True, drift_sd=0.03, drift_s=7200.0, step=0.08, step_every_s=14400.0
        ),
        "feed_composition": DisturbanceModel(
            measured=False, drift_sd=0.1, drift_s=7200.0, step=0.2, step_every_s=14400.0
        ),
    },
    programme=Programme(smallest=0.05, largest=0.2, guard_clearance=0.02, digits=2),
    habits=Habits(digits=3, home=0.4),
    outer_loops=(
        # Own tuning: half the gains of the tuning in the source, table 2.
        OuterLoop(cv="AT1.PV", mv="FC1.SP", gain=0.1, integral_s=900.0),
        OuterLoop(cv="AT2.PV", mv="FC2.SP", gain=-0.02, integral_s=900.0),
    ),
    parts={
        "sensor_drifts": SensorDrifts(tag="AT2.PV", per_h=0.1),
        "fouling": PlantWears(worn=_equations(0.9), what="changes of the steam do 10 % less", over_s=7200.0),
        "feed": LoadShifts(disturbance="feed_composition", shift=0.6),
    },
)
