"""The study of adaptation: plants are altered as told, and nobody who writes or reads can tell."""

import asyncio
from collections.abc import Callable

import numpy as np

from procwm.plant.registry import scenario
from procwm_studies.control.adaptation import CHANGES, DAY, _at, report
from procwm_studies.control.altered_plants import Alteration, AlteredPlant, AlteredScenario, step_test

TANKS = scenario("quadruple_tank")
MOVE = 0.3


def altered(at: Callable[[int], Alteration]) -> AlteredPlant:
    return AlteredScenario(scenario=TANKS, at=at).simulate(seed=0, unmeasured=False, noise=False)


def stepped(what: Alteration, *, ticks: int = 30) -> AlteredPlant:
    plant = altered(lambda tick: what)
    low = plant.truth.mv[0]
    asyncio.run(plant.write({plant.spec.mvs[0].name: low + MOVE}))
    for _ in range(ticks):
        plant.advance()
    return plant


def rise(plant: AlteredPlant) -> float:
    name = plant.spec.cvs[0].name
    return plant.truth.outputs[name] - plant.history[0].outputs[name]


def test_a_doubled_gain_does_twice_as_much_and_the_mv_reads_as_it_was_asked_for() -> None:
    once, twice = (stepped(Alteration(gain=gain)) for gain in (1.0, 2.0))
    assert 1.8 < rise(twice) / rise(once) < 2.3, "the tanks bend a little"
    assert twice.truth.mv == once.truth.mv
    asked = {sample.value for sample in twice.drain() if sample.tag == twice.spec.mvs[0].name}
    assert asked == {twice.truth.mv[0]}


def test_a_sensor_of_a_new_calibration_shows_in_readings_and_in_what_is_scored() -> None:
    once, more = (stepped(Alteration(reads=reads)) for reads in (1.0, 1.3))
    np.testing.assert_allclose(rise(more), 1.3 * rise(once), rtol=1e-6)


def test_a_late_mv_acts_so_many_intervals_later() -> None:
    once, late = (stepped(Alteration(late=ticks), ticks=20) for ticks in (0, 2))
    unmoved = stepped(Alteration(gain=0.0), ticks=20)
    name = once.spec.cvs[0].name

    def moved(plant: AlteredPlant, row: int) -> float:
        return plant.history[row].outputs[name] - unmoved.history[row].outputs[name]

    assert moved(late, 2) == 0.0 != moved(once, 2)
    np.testing.assert_allclose(moved(late, 20), moved(once, 18), rtol=0.02)


def test_a_change_comes_after_a_third_and_a_drift_ends_where_it_was_told() -> None:
    at = _at(CHANGES["all gains -30 %, slowly"], 3)
    assert at(0) == at(64 + DAY - 1) == Alteration()
    np.testing.assert_allclose(at(64 + 3 * DAY).every_gain, 0.7)
    np.testing.assert_allclose(at(64 + 2 * DAY).every_gain, 0.85)


def test_a_step_test_moves_every_mv() -> None:
    log = step_test(AlteredScenario(scenario=TANKS, at=lambda tick: Alteration()), seed=0, intervals=60)
    for tag in TANKS.plant.mvs:
        assert len(set(log.series[tag.name].value.tolist())) >= 2


def test_a_report_has_a_line_for_every_controller_under_every_change() -> None:
    row = {
        "plant": "p",
        "seed": 0,
        "change": "nothing",
        "controller": "frozen",
        "cost": 1.0,
        "relative": 1.5,
        "adaptations": 0,
        "guard_violations": 2,
    }
    text = report([row, {**row, "controller": "adaptive", "adaptations": 1}], "procwm bench adaptation")
    assert "| p | nothing | adaptive | 1.000 | 1.500 | 1 | 2 |" in text
    assert "| p | nothing | frozen | 1.000 | 1.500 | 0 | 2 |" in text
