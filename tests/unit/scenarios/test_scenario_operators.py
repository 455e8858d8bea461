"""What operators do, seen in a shift's log of every scenario."""

from dataclasses import replace
from functools import cache

import numpy as np
import pytest

from procwm.errors import SpecError
from procwm.plant.scenario import LoadChange, Operation, OperatorHabits
from procwm_scenarios import cstr, quadruple_tank
from procwm_scenarios.habits import Habits
from procwm_scenarios.operators import Operators, TestMoves
from procwm_scenarios.region import OperatingRegion
from procwm_scenarios.simulated import Simulation
from procwm_scenarios.simulated_scenario import SimulatedScenario

SCENARIOS = {"quadruple_tank": quadruple_tank.scenario, "cstr": cstr.scenario}
HOURS = 8.0


@cache
def logged(name: str, operation: Operation = Operation.ROUTINE, hours: float = HOURS) -> Simulation:
    scenario = SCENARIOS[name]
    plant = scenario.simulate(seed=0, operation=operation)
    for _ in range(round(hours * 3600.0 / scenario.plant.interval_s)):
        plant.advance()
    return plant


def moves(plant: Simulation) -> np.ndarray:
    return np.diff([row.mv for row in plant.history], axis=0)


@pytest.mark.parametrize("name", SCENARIOS)
def test_operators_move_every_mv_now_and_then_and_leave_it_alone_mostly(name: str) -> None:
    per_hour = np.count_nonzero(moves(logged(name)), axis=0) / HOURS
    assert (per_hour >= 3.5).all()
    assert (per_hour <= 9.0).all()


@pytest.mark.parametrize("name", SCENARIOS)
def test_moments_beyond_a_guardrail_are_few_but_there(name: str) -> None:
    guards = np.array([list(row.guards.values()) for row in logged(name).history])
    share = (guards > 0.0).mean(axis=0)
    assert (share > 0.01).all()
    assert (share < 0.12).all()


@pytest.mark.parametrize("name", SCENARIOS)
def test_routine_operation_visits_most_of_the_limits_and_seldom_leaves_them(name: str) -> None:
    plant = logged(name)
    for tag in plant.spec.cvs:
        values = np.array([row.outputs[tag.name] for row in plant.history])
        assert tag.limits is not None
        low, high = tag.limits
        assert np.ptp(values) > 0.6 * (high - low)
        assert ((values < low) | (values > high)).mean() < 0.01


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_step_test_moves_each_mv_more_often_by_small_amounts(name: str) -> None:
    tested = moves(logged(name, Operation.STEP_TEST, 1.5))
    routine = moves(logged(name))[: len(tested)]
    assert (np.count_nonzero(tested, axis=0) > 3 * np.count_nonzero(routine, axis=0)).all()


def path(name: str, habits: OperatorHabits, hours: float = HOURS) -> tuple[np.ndarray, np.ndarray]:
    """MVs, in shares of their limits, and CVs as instruments show them, tick by tick."""
    plant = SCENARIOS[name].with_habits(habits).simulate(seed=3, operation=Operation.ROUTINE, noise=False)
    for _ in range(round(hours * 3600.0 / plant.spec.interval_s)):
        plant.advance()
    low, high = np.array([tag.bounds for tag in plant.spec.mvs]).T
    mvs = (np.array([row.mv for row in plant.history]) - low) / (high - low)
    return mvs, np.array([[row.outputs[tag.name] for tag in plant.spec.cvs] for row in plant.history])


@pytest.mark.parametrize("name", SCENARIOS)
def test_ordinary_operators_move_an_mv_every_few_hours_and_not_far(name: str) -> None:
    mvs, _ = path(name, OperatorHabits.ORDINARY, 16.0)
    moves = np.abs(np.diff(mvs, axis=0))
    assert (np.count_nonzero(moves, axis=0) >= 4).all()
    assert (np.count_nonzero(moves, axis=0) <= 20).all()
    assert np.quantile(moves[moves > 0.0], 0.8) < 0.13
    assert (np.ptp(mvs, axis=0) < 0.6).all()


@pytest.mark.parametrize("name", SCENARIOS)
def test_quiet_operators_leave_most_hours_alone(name: str) -> None:
    mvs, _ = path(name, OperatorHabits.QUIET, 16.0)
    per_hour = round(3600.0 / SCENARIOS[name].plant.interval_s)
    moved = np.abs(np.diff(mvs, axis=0))[: 16 * per_hour].reshape(16, per_hour, -1).max(axis=(1, 2)) > 0.0
    assert 2 <= moved.sum() <= 10
    assert np.abs(np.diff(mvs, axis=0)).max() < 0.1


def test_quiet_operators_answer_a_load_with_moves_that_take_it_back() -> None:
    plant = quadruple_tank.scenario.with_habits(OperatorHabits.QUIET).simulate(
        seed=5,
        operation=Operation.ROUTINE,
        unmeasured=False,
        noise=False,
        loads=[LoadChange(tick=0, disturbance="inflow_1", value=1.0)],
    )
    for _ in range(4 * 360):
        plant.advance()
    levels = [row.outputs["LT1.PV"] for row in plant.history]
    assert plant.truth.mv[0] < 3.0
    assert levels[-1] < levels[300] - 0.3


@pytest.mark.parametrize("name", SCENARIOS)
def test_an_outer_loop_moves_its_mv_all_the_time_and_brings_the_cv_to_its_setpoint(name: str) -> None:
    mvs, cvs = path(name, OperatorHabits.CASCADE)
    assert (np.count_nonzero(np.diff(mvs, axis=0), axis=0) > 0.5 * len(mvs) * 0.4).all()
    low, high = np.array([tag.bounds for tag in SCENARIOS[name].plant.cvs]).T
    assert (np.median(np.abs(np.diff(cvs, axis=0)), axis=0) < 0.01 * (high - low)).all()


def test_a_plant_without_outer_loops_has_no_cascade() -> None:
    with pytest.raises(SpecError, match="no outer loops"):
        replace(cstr.scenario, outer_loops=()).with_habits(OperatorHabits.CASCADE)


def crew_away_from_home() -> tuple[Operators, float]:
    scenario: SimulatedScenario = quadruple_tank.scenario
    region = OperatingRegion(scenario.plant, scenario.equations, clearance=0.1)
    crew = Operators(
        scenario.plant,
        region,
        Habits(portion=1.0, digits=2),
        nominal_mv=scenario.equations.nominal_mv,
        rng=np.random.default_rng(0),
    )
    moved = np.array([3.0, 3.0])
    time_s = 0.0
    while (moved == 3.0).all():
        time_s += 10.0
        moved = crew.values(time_s, {"LT1.PV": 12.0, "LT2.PV": 12.0}, {})
    return crew, time_s


def test_an_alarm_sends_the_mvs_home() -> None:
    crew, time_s = crew_away_from_home()
    assert crew.values(time_s + 100.0, {"LT1.PV": 19.5, "LT2.PV": 12.0}, {}).tolist() == [3.0, 3.0]


def test_a_broken_guardrail_is_noticed_late_and_sends_the_mvs_home() -> None:
    crew, time_s = crew_away_from_home()
    normal = {"LT1.PV": 12.0, "LT2.PV": 12.0}
    assert crew.values(time_s + 10.0, normal, {"upper_level_3": 0.1}).tolist() != [3.0, 3.0]
    assert crew.values(time_s + 320.0, normal, {"upper_level_3": 0.1}).tolist() == [3.0, 3.0]


def test_test_moves_stay_within_limits_and_have_the_stated_size() -> None:
    mvs = quadruple_tank.scenario.plant.mvs
    test = TestMoves(mvs, Habits(test_move=0.04), rng=np.random.default_rng(0))
    around = np.array([test.around(np.array([3.0, 6.0]), 10.0 * k) for k in range(200)])
    assert set(np.round(around[:, 0], 9)) == {2.8, 3.2}
    assert set(np.round(around[:, 1], 9)) == {5.8, 6.0}


def test_the_region_leaves_out_what_cannot_be_held() -> None:
    scenario = quadruple_tank.scenario
    region = OperatingRegion(scenario.plant, scenario.equations, clearance=0.1, guard_clearance=0.4)
    assert region.contains(np.array([3.0, 3.0]))
    assert not region.contains(np.array([5.0, 5.0]))  # overflows
    assert not region.contains(np.array([0.5, 3.0]))  # below an MV's limit
    assert not region.contains(np.array([1.5, 3.9]))  # tank 3 carries over
