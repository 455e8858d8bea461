"""Plants that break: as sound until then as the sound one, and what is broken shows afterwards."""

import numpy as np
import pytest

from procwm.errors import SpecError
from procwm.plant.registry import scenario, scenarios
from procwm.plant.samples import Sample
from procwm.plant.scenario import Breakable, Operation, Scenario

INTERVALS, BEGINS = 60, 30


def run(of: Scenario) -> tuple[list[Sample], list[dict[str, float]]]:
    """Samples and true outputs of an hour or less of routine operation."""
    plant = of.simulate(seed=4, operation=Operation.ROUTINE, noise=False)
    samples = list(plant.drain())
    for _ in range(INTERVALS):
        plant.advance()
        samples += plant.drain()
    return samples, [dict(row.outputs) for row in plant.history]


def broken(name: str, fault: str) -> tuple[list[Sample], list[dict[str, float]]]:
    of = scenario(name)
    assert isinstance(of, Breakable)
    return run(of.broken(fault, start_s=BEGINS * of.plant.interval_s))


def values(samples: list[Sample], tag: str) -> np.ndarray:
    return np.array([sample.value for sample in samples if sample.tag == tag])


FAULTS = [(n, f) for n, of in scenarios().items() if isinstance(of, Breakable) for f in of.faults]


@pytest.mark.parametrize(("name", "fault"), FAULTS)
def test_until_it_breaks_a_plant_is_the_sound_one(name: str, fault: str) -> None:
    _, sound = run(scenario(name))
    _, found = broken(name, fault)
    for before, after in zip(sound[:BEGINS], found[:BEGINS], strict=True):
        assert before == pytest.approx(after, abs=1e-8)


def test_a_drifting_sensor_leaves_the_truth_at_its_rate() -> None:
    samples, truth = broken("quadruple_tank", "sensor_drifts")
    late = values(samples, "LT1.PV")[-1] - truth[-3]["LT1.PV"]
    assert late == pytest.approx(0.5 * (INTERVALS - BEGINS) * 10.0 / 3600.0, abs=1e-9)


def test_a_stuck_sensor_repeats_itself() -> None:
    samples, truth = broken("quadruple_tank", "sensor_sticks")
    assert len(set(values(samples, "LT1.PV")[BEGINS + 1 :])) == 1
    assert len({row["LT1.PV"] for row in truth[BEGINS:]}) > 5


def test_a_shifted_load_moves_the_plant() -> None:
    _, sound = run(scenario("quadruple_tank"))
    _, found = broken("quadruple_tank", "feed")
    # 1 cm3/s more into 28 cm2, which runs off with a time constant of about 62 s.
    assert found[-1]["LT1.PV"] - sound[-1]["LT1.PV"] == pytest.approx(2.2, abs=0.4)


def test_a_worn_plant_ends_as_the_worn_one() -> None:
    _, sound = run(scenario("cstr"))
    _, found = broken("cstr", "fouling")
    cooler = found[-1]["TT3.PV"] - sound[-1]["TT3.PV"]
    assert cooler < -0.5
    assert found[-1]["TT1.PV"] == pytest.approx(sound[-1]["TT1.PV"], abs=0.5)


async def test_a_sticking_valve_ignores_small_moves_from_its_time_on() -> None:
    of = scenario("quadruple_tank")
    assert isinstance(of, Breakable)
    plant = of.broken("pump_sticks", start_s=20.0).simulate(seed=0, unmeasured=False, noise=False)
    flows = []
    for volts in (3.3, 3.6, 3.9, 5.0):
        await plant.write({"P1.SP": volts})
        plant.advance()
        flows.append(plant.truth.outputs["FT1.PV"] / 3.33)
    assert flows == pytest.approx([3.3, 3.6, 3.6, 5.0], abs=0.06)


def test_a_fault_that_is_not_there_is_named() -> None:
    of = scenario("cstr")
    assert isinstance(of, Breakable)
    with pytest.raises(SpecError, match="cstr has no fault leak; its faults are sensor_drifts"):
        of.broken("leak", start_s=0.0)
