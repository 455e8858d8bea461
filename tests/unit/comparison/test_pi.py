"""The PI comparator: its tuning rule, and how it behaves at limits."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import casadi
import numpy as np
import pytest

from procwm.comparison.linearise import linearise
from procwm.comparison.pi import ProportionalIntegral
from procwm.comparison.pi_tuning import Loop, detuned, fit_lag, tuned_loops
from procwm.plant.samples import Quality, Sample
from procwm.plant.tags import PlantSpec, Role, Tag
from procwm_scenarios.cstr import scenario as cstr
from procwm_scenarios.evaporator import scenario as evaporator
from procwm_scenarios.quadruple_tank import scenario as quadruple_tank

PLANT = PlantSpec(
    name="one loop",
    interval_s=10.0,
    tags=(
        Tag(name="level", role=Role.CV, range=(0.0, 10.0), setpoint=5.0),
        Tag(name="valve", role=Role.MV, range=(0.0, 100.0), limits=(10.0, 90.0), max_move=20.0),
    ),
)
PI = ProportionalIntegral(PLANT, [Loop(cv="level", mv="valve", gain=10.0, integral_s=100.0)])


def moves(levels: list[float], *, start: float = 50.0, controller: ProportionalIntegral = PI) -> list[float]:
    """What the loop writes while the level reads as given."""
    state = controller.start({"valve": start})
    written = []
    for tick, level in enumerate(levels):
        now = datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=10 * tick)
        sample = Sample("level", level, Quality.GOOD, tick)
        decision, state = controller.step([sample], state, time=now)
        assert decision.setpoints is not None
        written.append(decision.setpoints["valve"])
    return written


def test_the_first_step_takes_over_without_a_bump_but_for_the_integral() -> None:
    assert moves([5.0])[0] == 50.0
    assert moves([4.0])[0] == pytest.approx(50.0 + 10.0 * 1.0 * 10.0 / 100.0)


def test_proportional_and_integral_parts_add_up() -> None:
    first, second = moves([5.0, 4.0])
    assert second - first == pytest.approx(10.0 * 1.0 + 10.0 * 1.0 * 10.0 / 100.0)


def test_no_move_exceeds_the_largest_one_and_no_value_its_limits() -> None:
    written = moves([5.0, 0.0, 0.0, 0.0, 0.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0, 10.0])
    assert np.max(np.abs(np.diff([50.0, *written]))) <= 20.0 + 1e-9
    assert min(written) >= 10.0
    assert max(written) <= 90.0


def test_an_integral_does_not_wind_up_against_a_limit() -> None:
    long_at_the_limit = moves([5.0, *[0.0] * 200, 5.5, 5.5, 5.5])
    assert long_at_the_limit[-4] == 90.0
    # Wound up it would stay there for some two hundred more intervals.
    assert long_at_the_limit[-1] < 90.0


def test_a_bad_sample_is_not_believed() -> None:
    state = PI.start({"valve": 50.0})
    now = datetime(2026, 1, 1, tzinfo=UTC)
    _, state = PI.step([Sample("level", 5.0, Quality.GOOD, 0)], state, time=now)
    decision, _ = PI.step([Sample("level", 0.0, Quality.BAD, 1)], state, time=now)
    assert decision.setpoints == {"valve": 50.0}


def test_a_lag_with_dead_time_is_found_in_its_step_response() -> None:
    seconds = np.arange(0.0, 600.0, 5.0)
    response = -2.0 * (1.0 - np.exp(-np.maximum(seconds - 30.0, 0.0) / 80.0))
    found = fit_lag(seconds, response)
    assert found.gain == pytest.approx(-2.0, rel=0.02)
    assert found.lag_s == pytest.approx(80.0, rel=0.08)
    assert found.dead_s == pytest.approx(30.0, abs=4.0)


def test_a_drum_that_never_settles_is_fitted_by_its_slope() -> None:
    seconds = np.arange(0.0, 600.0, 5.0)
    found = fit_lag(seconds, 0.01 * np.maximum(seconds - 30.0, 0.0))
    assert found.gain / found.lag_s == pytest.approx(0.01, rel=0.1)
    assert found.dead_s == pytest.approx(30.0, abs=8.0)


def test_an_integrator_has_relative_gains() -> None:
    x, mv, d = (casadi.SX.sym(name, 2) for name in ("x", "mv", "d"))
    flows = casadi.vertcat(2.0 * mv[0] - mv[1], mv[0] + mv[1])
    equations = replace(
        quadruple_tank.equations,
        states=("level", "temperature"),
        steady_state=(0.0, 0.0),
        nominal_mv=(0.0, 0.0),
        rhs=casadi.Function("rhs", [x, mv, d], [flows - casadi.vertcat(0.0, x[1])]),
        outputs=casadi.Function("outputs", [x, mv, d], [x]),
        guards=casadi.Function("guards", [x, mv, d], [casadi.SX.zeros(0, 1)]),
    )
    linear = linearise(equations)
    gains = linear.steady_gain
    assert np.allclose((gains * np.linalg.inv(gains).T)[0], [2.0 / 3.0, 1.0 / 3.0], atol=1e-6)
    assert linear.slowest_s == np.inf


def test_detuned_loops_push_less_and_integrate_more_slowly() -> None:
    (loop,) = detuned(PI.loops, 2.0)
    assert (loop.gain, loop.integral_s) == (5.0, 200.0)


def test_each_level_of_the_minimum_phase_quadruple_tank_gets_its_own_pump() -> None:
    (loops,) = tuned_loops(quadruple_tank)
    assert [(loop.cv, loop.mv) for loop in loops] == [("LT1.PV", "P1.SP"), ("LT2.PV", "P2.SP")]
    assert all(loop.gain > 0 for loop in loops)


def test_tuning_sees_the_analyser_of_the_reactor_and_the_sign_of_its_gain() -> None:
    ((loop,),) = tuned_loops(cstr)
    # SIMC never asks for more than lag / (gain * 2 * dead time); the analyser alone is 60 s late.
    lag_s, gain = 80.0, -0.018
    assert 0.0 > loop.gain > lag_s / (gain * 2.0 * 60.0)


def test_pairings_that_relative_gains_cannot_tell_apart_are_both_tried() -> None:
    pairings = [{(loop.cv, loop.mv) for loop in loops} for loops in tuned_loops(evaporator)]
    assert {("AT2.PV", "PC100.SP"), ("PT2.PV", "FC200.SP")} in pairings
    assert {("AT2.PV", "FC200.SP"), ("PT2.PV", "PC100.SP")} in pairings
