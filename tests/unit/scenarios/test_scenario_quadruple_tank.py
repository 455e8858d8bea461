"""The quadruple tank against its paper, the mass balance and another integrator."""

import asyncio

import numpy as np
import pytest
from scipy.integrate import solve_ivp
from scipy.linalg import eigvals

from procwm.comparison.linearise import linearise
from procwm.plant.scenario import LoadChange
from procwm_scenarios import quadruple_tank as tank
from procwm_scenarios.integration import SteadyStates

AREA = np.array([28.0, 32.0, 28.0, 32.0])
EQUATIONS = tank.scenario.equations


def rhs(state: np.ndarray, mv: np.ndarray, load: np.ndarray) -> np.ndarray:
    return np.asarray(EQUATIONS.rhs(state, mv, load).full()).ravel()


def torricelli(level: np.ndarray) -> np.ndarray:
    return np.array([0.071, 0.057, 0.071, 0.057]) * np.sqrt(2.0 * 981.0 * level)


def test_the_nominal_point_is_that_of_the_paper() -> None:
    levels = EQUATIONS.steady_state[:4]
    assert levels == pytest.approx((12.4, 12.7, 1.8, 1.4), rel=0.1)
    residual = rhs(np.array(EQUATIONS.steady_state), np.array([3.0, 3.0]), np.zeros(2))
    assert np.abs(residual).max() < 1e-12


def test_water_is_neither_made_nor_lost() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        level, speed = rng.uniform(0.5, 19.5, 4), rng.uniform(0.0, 8.0, 2)
        load = rng.uniform(-1.0, 1.0, 2)
        change = rhs(np.concatenate([level, speed, speed]), speed, load)[:4] @ AREA
        pumped = np.array([3.33, 3.35]) @ speed
        assert change == pytest.approx(pumped + load.sum() - torricelli(level)[:2].sum(), abs=0.02)


def test_the_trajectory_agrees_with_the_paper_s_equations_integrated_otherwise() -> None:
    def paper(_: float, y: np.ndarray) -> list[float]:
        # Equation (1), the pumps behind first-order drives of 2 s: the loop cancels the lag.
        q1, q2, q3, q4 = torricelli(y[:4])
        v1, v2 = y[4:]
        return [
            (-q1 + q3 + 0.7 * 3.33 * v1) / 28.0,
            (-q2 + q4 + 0.6 * 3.35 * v2) / 32.0,
            (-q3 + 0.4 * 3.35 * v2) / 28.0,
            (-q4 + 0.3 * 3.33 * v1) / 32.0,
            (3.5 - v1) / 2.0,
            (2.6 - v2) / 2.0,
        ]

    plant = tank.scenario.simulate(seed=0, unmeasured=False)
    asyncio.run(plant.write({"P1.SP": 3.5, "P2.SP": 2.6}))
    for _ in range(30):
        plant.advance()
    start = EQUATIONS.steady_state[:6]
    reference = solve_ivp(paper, (0.0, 300.0), start, method="LSODA", rtol=1e-9, atol=1e-9)
    assert plant.truth.state[:4] == pytest.approx(reference.y[:4, -1], rel=2e-3)


def test_pump_1_and_pump_2_move_both_levels_as_at_a_minimum_phase_setting() -> None:
    steady = SteadyStates(EQUATIONS)
    base = steady.at(np.array([3.0, 3.0]))
    gains = []
    for moved in ((3.1, 3.0), (3.0, 3.1)):
        rest = steady.at(np.array(moved))
        assert base is not None
        assert rest is not None
        gains.append((rest.outputs[:2] - base.outputs[:2]) / 0.1)
    (g11, g21), (g12, g22) = gains
    assert min(g11, g21, g12, g22) > 0.0
    assert g11 * g22 / (g11 * g22 - g12 * g21) == pytest.approx(1.4, abs=0.05)  # the paper's RGA element


def test_a_drained_plant_stays_finite_and_not_below_empty() -> None:
    plant = tank.scenario.simulate(seed=0, unmeasured=False)
    asyncio.run(plant.write({"P1.SP": 0.0, "P2.SP": 0.0}))
    for _ in range(300):
        plant.advance()
    assert np.array(plant.truth.state[:4]) == pytest.approx(np.zeros(4), abs=0.02)
    assert min(min(row.state[:4]) for row in plant.history) > -1e-3


def test_a_full_tank_spills_in_place_of_growing() -> None:
    plant = tank.scenario.simulate(seed=0, unmeasured=False)
    asyncio.run(plant.write({"P1.SP": 10.0, "P2.SP": 10.0}))
    for _ in range(200):
        plant.advance()
    assert max(plant.truth.state[:2]) < tank.TANK_HEIGHT_CM + 1.0


def test_a_rise_as_fast_as_the_pumps_may_move_breaks_a_guardrail_that_a_slow_one_keeps() -> None:
    def worst(path: list[float]) -> float:
        plant = tank.scenario.simulate(seed=0, unmeasured=False)
        for volts in path:
            asyncio.run(plant.write({"P1.SP": volts, "P2.SP": volts}))
            plant.advance()
        return max(max(row.guards.values()) for row in plant.history)

    settled = 3.4
    greedy = [3.5, 4.0, 4.5, 5.0, 5.0, 4.5, 4.0, 3.5] + [settled] * 40
    assert worst(greedy) > 0.0
    assert worst([settled] * 60) < 0.0


def test_an_unmeasured_inflow_moves_the_level_it_enters() -> None:
    loads = [LoadChange(tick=0, disturbance="inflow_2", value=0.5)]
    plant = tank.scenario.simulate(seed=0, unmeasured=False, loads=loads)
    for _ in range(120):
        plant.advance()
    first, last = plant.history[0].outputs, plant.truth.outputs
    assert last["LT2.PV"] - first["LT2.PV"] > 1.0
    assert last["LT1.PV"] == pytest.approx(first["LT1.PV"], abs=1e-4)


def test_the_other_setting_answers_crosswise_and_the_wrong_way_first() -> None:
    whole = linearise(tank.inverse.equations)
    gains = whole.steady_gain[:2]
    assert gains[0, 1] > gains[0, 0] > 0.0
    assert gains[1, 0] > gains[1, 1] > 0.0
    # Johansson 2000, section IV: a zero at 0.013 1/s.
    zeros = transmission_zeros(whole.A, whole.B, whole.C[:2])
    assert max(zero.real for zero in zeros) == pytest.approx(0.013, abs=0.001)


def transmission_zeros(A: np.ndarray, B: np.ndarray, C: np.ndarray) -> np.ndarray:
    count = B.shape[1]
    system = np.block([[A, B], [C, np.zeros((len(C), count))]])
    shift = np.block([[np.eye(len(A)), np.zeros_like(B)], [np.zeros((len(C), len(A) + count))]])
    found = eigvals(system, shift)
    return found[np.isfinite(found) & (np.abs(found) < 1.0)]
