"""The exothermic CSTR against its book, its balances, another integrator, and ignition."""

import asyncio

import casadi as ca
import numpy as np
import pytest
from scipy.integrate import solve_ivp

from procwm.plant.scenario import LoadChange
from procwm_scenarios import cstr

EQUATIONS = cstr.scenario.equations
NOMINAL = np.array(EQUATIONS.steady_state)


def rhs(state: np.ndarray, setpoint: float = 350.0) -> np.ndarray:
    return np.asarray(EQUATIONS.rhs(state, setpoint, EQUATIONS.nominal_disturbance).full()).ravel()


def book(concentration: float, temperature: float, coolant: float) -> tuple[float, float]:
    """Equations 2-66 and 2-68, per minute, with the table's numbers."""
    rate = 7.2e10 * np.exp(-8750.0 / temperature) * concentration
    heating = 350.0 - temperature + 5.0e4 / 239.0 * rate + 5.0e4 / 23_900.0 * (coolant - temperature)
    return 1.0 - concentration - rate, heating


def test_the_nominal_point_is_the_book_s_unstable_one() -> None:
    assert NOMINAL[:3] == pytest.approx((0.5, 350.0, 300.0), rel=1e-3)
    assert np.abs(rhs(NOMINAL)).max() < 1e-12


def test_material_and_energy_balances_are_those_of_the_book() -> None:
    rng = np.random.default_rng(0)
    for _ in range(50):
        state = np.array([rng.uniform(0.0, 1.0), rng.uniform(300.0, 450.0), rng.uniform(285.0, 340.0), 0.0])
        assert 60.0 * rhs(state)[:2] == pytest.approx(book(*state[:3]), rel=1e-9, abs=1e-9)


def test_the_reactor_alone_is_unstable_and_its_temperature_loop_holds_it() -> None:
    x = ca.SX.sym("x", 4)
    slopes = ca.Function(
        "slopes", [x], [ca.jacobian(EQUATIONS.rhs(x, 350.0, EQUATIONS.nominal_disturbance), x)]
    )(NOMINAL).full()
    assert np.linalg.eigvals(slopes[:2, :2]).real.max() > 0.04
    assert np.linalg.eigvals(slopes).real.max() < -0.01


STILL = [LoadChange(tick=0, disturbance="feed_temperature", value=350.0)]


def ignited() -> list[float]:
    """Temperatures at every tick; a rich feed comes at tick 10 and leaves at tick 60."""
    rich = [
        LoadChange(tick=10, disturbance="feed_concentration", value=1.5),
        LoadChange(tick=60, disturbance="feed_concentration", value=1.0),
    ]
    plant = cstr.scenario.simulate(seed=0, loads=STILL + rich)
    for _ in range(120):
        plant.advance()
    assert plant.history[20].guards["ignition"] > 0.0
    return [row.outputs["TT1.PV"] for row in plant.history]


def test_ignition_is_survived_and_ends_with_the_loop_back_in_charge() -> None:
    temperature = ignited()
    assert np.isfinite(temperature).all()
    assert max(temperature) > 420.0
    assert temperature[-1] == pytest.approx(350.0, abs=0.1)


def test_ignition_agrees_with_another_stiff_integrator() -> None:
    def whole(_: float, y: np.ndarray) -> np.ndarray:
        material, heating = book(y[0], y[1], y[2])
        wanted = -6.0 * y[1] + y[3]
        command = min(max(wanted, 285.0), 340.0)
        integral = 6.0 / 60.0 * (350.0 - y[1]) + (command - wanted) / 20.0
        return np.array([(material + 0.5) / 60.0, heating / 60.0, (command - y[2]) / 4.0, integral])

    times = np.arange(0.0, 1501.0, 30.0)
    reference = solve_ivp(
        whole, (0.0, times[-1]), NOMINAL, method="LSODA", rtol=1e-9, atol=1e-9, t_eval=times
    )
    assert ignited()[10:61] == pytest.approx(reference.y[1], abs=0.05)


def worst_guard(rise_per_interval: float) -> float:
    plant = cstr.scenario.simulate(seed=0, unmeasured=False, loads=STILL)
    path = [342.0] * 40 + [min(342.0 + rise_per_interval * k, 356.0) for k in range(1, 80)]
    for setpoint in path:
        asyncio.run(plant.write({"TC1.SP": setpoint}))
        plant.advance()
    return max(row.guards["ignition"] for row in plant.history)


def test_heating_up_as_fast_as_allowed_comes_near_ignition_and_heating_up_slowly_does_not() -> None:
    assert worst_guard(4.0) > 0.0
    assert worst_guard(0.5) < 0.0


def test_the_guardrail_says_whether_full_cooling_would_turn_the_temperature_around() -> None:
    for temperature in (345.0, 355.0, 370.0):
        for concentration in (0.2, 0.5, 0.9):
            state = [concentration, temperature, 300.0, 0.0]
            guard = float(EQUATIONS.guards(state, 350.0, EQUATIONS.nominal_disturbance))
            heating = book(concentration, temperature, cstr.COLDEST_K)[1]
            assert guard - cstr.RESERVE_K_MIN == pytest.approx(heating)


def test_the_analyser_answers_late_and_every_other_interval() -> None:
    plant = cstr.scenario.simulate(seed=0, noise=False, unmeasured=False)
    for tick in range(20):
        asyncio.run(plant.write({"TC1.SP": 350.0 + tick % 7}))
        plant.advance()
    start = plant.history[0].time_ns
    for sample in plant.drain():
        if sample.tag == "AT1.PV":
            tick = round((sample.source_ns - start) / 30e9)
            assert tick % 2 == 0
            assert sample.value == plant.history[max(tick - 3, 0)].outputs["AT1.PV"]


def test_feed_temperature_is_measured_and_feed_concentration_is_not() -> None:
    plant = cstr.scenario.simulate(seed=3, unmeasured=False)
    for _ in range(100):
        plant.advance()
    feeds = np.array([row.disturbance for row in plant.history])
    assert feeds[:, 0].std() > 0.1
    assert (feeds[:, 1] == 1.0).all()
    assert [tag.name for tag in cstr.scenario.plant.dvs] == ["TT2.PV"]
