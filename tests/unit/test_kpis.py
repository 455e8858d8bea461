"""Key figures of a run that are kept up cycle by cycle."""

import statistics
from dataclasses import replace

import pytest

from procwm.control.decision import Decision
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
