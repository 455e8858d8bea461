"""The simulator: time, writes, samples, truth."""

import asyncio
from dataclasses import replace

import casadi as ca
import pytest

from procwm.errors import LinkError, SimulationError, SpecError
from procwm.plant.samples import Sample
from procwm.plant.scenario import LoadChange, Operation
from procwm_scenarios.instruments import Stiction
from procwm_scenarios.integration import Integrator, SteadyStates
from procwm_scenarios.quadruple_tank import scenario
from procwm_scenarios.simulated_scenario import START_NS


def of(samples: tuple[Sample, ...], tag: str) -> list[tuple[int, float]]:
    return [((s.source_ns - START_NS) // 1_000_000, s.value) for s in samples if s.tag == tag]


async def test_a_write_shows_just_after_the_tick_and_in_the_row_after_it() -> None:
    plant = scenario.simulate(seed=0)
    assert await plant.write({"P1.SP": 3.4}) == {"P1.SP": 3.4}
    assert plant.truth.mv == (3.0, 3.0)
    plant.advance()
    assert plant.truth.mv == (3.4, 3.0)
    assert of(tuple(plant.drain()), "P1.SP") == [(0, 3.0), (1, 3.4), (10_000, 3.4)]


async def test_two_writes_in_one_interval_have_two_times_and_the_last_one_acts() -> None:
    plant = scenario.simulate(seed=0)
    await plant.write({"P1.SP": 3.4})
    await plant.write({"P1.SP": 3.2})
    plant.advance()
    assert of(tuple(plant.drain()), "P1.SP") == [(0, 3.0), (1, 3.4), (2, 3.2), (10_000, 3.2)]


async def test_a_write_outside_the_range_is_clipped_and_says_so() -> None:
    plant = scenario.simulate(seed=0)
    assert await plant.write({"P1.SP": -4.0, "P2.SP": 99.0}) == {"P1.SP": 0.0, "P2.SP": 10.0}


async def test_while_operators_hold_the_mvs_a_write_changes_nothing() -> None:
    plant = scenario.simulate(seed=0, operation=Operation.ROUTINE)
    assert await plant.write({"P1.SP": 5.0}) == {"P1.SP": 3.0}


@pytest.mark.parametrize("setpoints", [{"LT1.PV": 3.0}, {"P9.SP": 3.0}, {"P1.SP": float("nan")}])
async def test_a_wrong_write_is_refused_and_changes_nothing(setpoints: dict[str, float]) -> None:
    plant = scenario.simulate(seed=0)
    with pytest.raises(LinkError, match=next(iter(setpoints))):
        await plant.write({"P2.SP": 4.0, **setpoints})
    plant.advance()
    assert plant.truth.mv == (3.0, 3.0)


async def test_another_control_interval_is_refused() -> None:
    with pytest.raises(LinkError, match=r"control interval of 10\.0 s, not 5\.0 s"):
        await anext(scenario.simulate(seed=0).ticks(5.0))


async def test_ticks_advance_the_plant_between_them() -> None:
    plant = scenario.simulate(seed=0)
    times = []
    async for time_ns in plant.ticks(10.0):
        times.append(time_ns)
        if len(times) == 4:
            break
    assert [(t - START_NS) / 1e9 for t in times] == [0.0, 10.0, 20.0, 30.0]
    assert [row.time_ns for row in plant.history] == times


def test_an_unknown_disturbance_is_refused() -> None:
    with pytest.raises(SpecError, match="no disturbance rain; its disturbances are inflow_1, inflow_2"):
        scenario.simulate(seed=0, loads=[LoadChange(tick=0, disturbance="rain", value=1.0)])


def test_a_load_acts_from_its_tick_on() -> None:
    loads = [LoadChange(tick=2, disturbance="inflow_1", value=1.0)]
    plant = scenario.simulate(seed=0, unmeasured=False, loads=loads)
    for _ in range(4):
        plant.advance()
    assert [row.disturbance for row in plant.history] == [(0, 0), (0, 0), (0, 0), (1, 0), (1, 0)]


def test_noise_leaves_the_true_trajectory_as_it_is() -> None:
    noisy, quiet = (scenario.simulate(seed=5, noise=noise) for noise in (True, False))
    for _ in range(20):
        noisy.advance()
        quiet.advance()
    assert noisy.history == quiet.history
    assert noisy.drain() != quiet.drain()


def test_a_sticking_valve_hides_small_moves_from_the_plant_but_not_from_the_log() -> None:
    sticky = replace(scenario, valves={"P1.SP": Stiction(band=0.3)})
    plant = sticky.simulate(seed=0, unmeasured=False)
    asyncio.run(plant.write({"P1.SP": 3.2}))
    for _ in range(30):
        plant.advance()
    assert plant.truth.mv == (3.2, 3.0)
    assert plant.truth.outputs["FT1.PV"] == pytest.approx(plant.history[0].outputs["FT1.PV"], rel=1e-6)


def test_a_plant_that_diverges_is_a_simulation_error() -> None:
    x, mv, d = ca.SX.sym("x", 8), ca.SX.sym("mv", 2), ca.SX.sym("d", 2)
    explosive = replace(scenario.equations, rhs=ca.Function("rhs", [x, mv, d], [x**2]))
    plant = replace(scenario, equations=explosive).simulate(seed=0)
    with pytest.raises(SimulationError, match="the simulated plant diverged: the integrator gave up"):
        plant.advance()


def test_equations_that_turn_into_no_number_are_a_simulation_error() -> None:
    x, mv, d = ca.SX.sym("x", 8), ca.SX.sym("mv", 2), ca.SX.sym("d", 2)
    guards = ca.Function("guards", [x, mv, d], [ca.log(mv[0] - 3.0) * ca.DM.ones(2)])
    equations = replace(scenario.equations, guards=guards)
    integrator = Integrator(equations, 10.0)
    state = ca.DM(equations.steady_state).full().ravel()
    nominal = ca.DM(equations.nominal_mv).full().ravel()
    with pytest.raises(SimulationError, match="no longer finite"):
        integrator.advance(state, nominal, 0.0 * nominal)


def test_where_nothing_comes_to_rest_there_is_no_steady_state() -> None:
    x, mv, d = ca.SX.sym("x", 8), ca.SX.sym("mv", 2), ca.SX.sym("d", 2)
    restless = replace(scenario.equations, rhs=ca.Function("rhs", [x, mv, d], [x**2 + 1.0]))
    assert SteadyStates(restless).at(ca.DM([3.0, 3.0]).full().ravel()) is None
