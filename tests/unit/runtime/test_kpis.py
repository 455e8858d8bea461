"""Key figures of a run that are kept up cycle by cycle."""

import statistics
from dataclasses import replace

import numpy as np
import pytest

from procwm.control.decision import Decision
from procwm.control.gate import Gate
from procwm.control.modes import Mode
from procwm.planning.prediction import Prediction
from procwm.planning.problem import Plan, PlanStatus
from procwm.plant.samples import Quality, Sample
from procwm.plant.tags import PlantSpec, Role, Tag
from procwm.runtime.cycle import Cycle
from procwm.runtime.kpis import Kpis

PLANT = PlantSpec(
    name="one level",
    interval_s=10.0,
    tags=(
        Tag(name="L1", role=Role.CV, unit="%", range=(0.0, 100.0), setpoint=50.0, price=-2.0),
        Tag(name="V1", role=Role.MV, unit="%", range=(0.0, 100.0), price_quadratic=0.5),
    ),
)


def cycle(tick: int, level: float, valve: float, *, written: bool, quality: Quality = Quality.GOOD) -> Cycle:
    setpoints = {"V1": valve} if written else None
    return Cycle(
        tick=tick,
        time_ns=tick,
        samples=(Sample("L1", level, quality, tick), Sample("V1", valve, Quality.GOOD, tick)),
        decision=Decision(setpoints=setpoints, measured={"L1": level} if quality is Quality.GOOD else {}),
        accepted=setpoints,
        fault="",
    )


def test_variance_is_told_apart_with_and_without_the_controllers_moves() -> None:
    kpis = Kpis(PLANT)
    before, after = [40.0, 60.0, 45.0], [49.0, 50.0, 51.0, 50.5]
    for tick, level in enumerate(before):
        kpis.append(cycle(tick, level, 10.0, written=False))
    kpis.append(cycle(3, 1e6, 10.0, written=True, quality=Quality.BAD))
    for tick, level in enumerate(after, start=4):
        kpis.append(cycle(tick, level, 10.0, written=True))
    found = kpis.summary()["variance"]
    assert found["without"]["L1"] == pytest.approx(statistics.variance(before))
    assert found["with_moves"]["L1"] == pytest.approx(statistics.variance(after))


def test_prices_come_to_a_cost_per_hour() -> None:
    kpis = Kpis(PLANT)
    kpis.append(cycle(0, 50.0, 10.0, written=False))
    kpis.append(cycle(1, 50.0, 12.0, written=True))
    each = [-2.0 * 50.0 + 0.5 * 10.0**2, -2.0 * 50.0 + 0.5 * 12.0**2]
    assert kpis.summary()["cost_per_hour"] == pytest.approx(statistics.fmean(each) * 360.0)


def test_without_prices_and_values_there_is_nothing_to_tell() -> None:
    free = replace(PLANT, tags=tuple(replace(tag, price=0.0, price_quadratic=0.0) for tag in PLANT.tags))
    kpis = Kpis(free)
    kpis.append(cycle(0, 50.0, 10.0, written=False))
    assert kpis.summary()["cost_per_hour"] is None
    assert kpis.summary()["variance"]["without"]["L1"] is None


def decided(kpis: Kpis, decision: Decision, *events: str) -> None:
    kpis.append(
        Cycle(tick=0, time_ns=0, samples=(), decision=decision, accepted=None, fault="", events=events)
    )


def test_a_service_factor_of_one_with_every_mv_clamped_is_no_utilisation() -> None:
    kpis = Kpis(PLANT)
    limits = {"V1": (0.0, 80.0), "L1": (20.0, 70.0)}
    for _ in range(3):
        decided(kpis, Decision(setpoints={"V1": 80.0}, limits=limits, measured={"L1": 50.0}))
    found = kpis.summary()
    assert (found["service_factor"], found["mv_utilisation"]) == (1.0, 0.0)
    assert found["constraint_activity"] == {"V1": 1.0}
    decided(kpis, Decision(setpoints={"V1": 79.0}, limits=limits, measured={"L1": 71.0}))
    decided(kpis, Decision(setpoints=None, mode=Mode.SHED, limits=limits, measured={"L1": 69.0}))
    decided(kpis, Decision(setpoints={}, held={"V1": "switched off"}, limits=limits))
    found = kpis.summary()
    assert (found["service_factor"], found["mv_utilisation"]) == (5 / 6, 1 / 5)
    assert found["constraint_activity"] == {"L1": 1 / 6, "V1": 3 / 6}


def test_interventions_of_operators_and_guardrails_are_counted() -> None:
    kpis = Kpis(PLANT)
    shape = np.zeros((1, 3, 1))
    refused = Gate(plant=PLANT, guard_names=("too high",)).prediction_refusal(
        Prediction(mv=shape, cv=shape, guard=shape + 0.5, cost=np.zeros(1))
    )
    decided(kpis, Decision(setpoints=None, reason=f"{refused}; the rest of the last plan"))
    decided(
        kpis,
        Decision(setpoints={"V1": 50.0}, reason="optimal"),
        "request of ann taken up: mode auto",
        "began",
    )
    for _ in range(34):
        decided(kpis, Decision(setpoints={"V1": 50.0}, reason="optimal"))
    found = kpis.summary()
    assert found["guardrail_interventions"] == 1
    assert found["operator_interventions_per_hour"] == pytest.approx(10.0), "one in 36 intervals of 10 s"


@pytest.mark.parametrize(("predicted", "quality"), [(54.0, 1.0), (50.0, 0.0), (52.0, 0.5)])
def test_model_quality_is_the_error_one_interval_ahead_beside_that_of_no_change(
    predicted: float, quality: float
) -> None:
    kpis = Kpis(PLANT)
    plan = Plan(
        status=PlanStatus.OPTIMAL,
        mv=np.full((2, 1), 50.0),
        cv=np.array([[predicted], [99.0]]),
        guard=np.zeros((2, 0)),
        cost=0.0,
        solve_s=0.0,
        rung="program",
    )
    decided(kpis, Decision(setpoints={"V1": 50.0}, plan=plan, measured={"L1": 50.0}))
    assert kpis.summary()["model_quality"] is None
    decided(kpis, Decision(setpoints={"V1": 50.0}, plan=plan, measured={"L1": 54.0}))
    assert kpis.summary()["model_quality"] == pytest.approx(quality)
