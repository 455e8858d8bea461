"""The controller with an exact model around plants that differ from it."""

import numpy as np
import pytest
from hand_clock import HandClock
from linear_loop import Dynamics, Loop, loop, model_of, plant_spec

from procwm.control.controller import Controller
from procwm.control.measurement import utc
from procwm.control.modes import Mode
from procwm.plant.samples import Sample

NOISE = 0.1

PLANTS = {
    "exact": Dynamics(),
    "gain 30 % higher and slower": Dynamics(gain=1.3, pole=0.92),
    "gain 30 % lower and faster": Dynamics(gain=0.7, pole=0.87),
}


def step_load(tick: int) -> tuple[float, float]:
    return (0.5, -0.3) if tick >= 40 else (0.0, 0.0)


@pytest.mark.parametrize("dynamics", PLANTS.values(), ids=PLANTS.keys())
def test_a_setpoint_step_and_an_unmeasured_load_step_end_without_offset(dynamics: Dynamics) -> None:
    run = loop(dynamics=dynamics, load=step_load, noise=NOISE).run(6).run(79, setpoints={"L1": 58.0})
    error = run.levels - [58.0, 50.0]
    assert np.abs(error[30:40].mean(axis=0)).max() < NOISE, "after the setpoint step"
    assert np.abs(error[-20:].mean(axis=0)).max() < NOISE, "after the load step"
    assert np.abs(error[40:50]).max() > 5 * NOISE, "the load must be felt"


def test_without_its_disturbance_estimate_the_controller_leaves_an_offset(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        "procwm.control.disturbance.DisturbanceEstimator.update", lambda self, state, **known: state
    )
    run = loop(load=step_load, noise=NOISE).run(6).run(59, setpoints={"L1": 58.0})
    assert np.abs((run.levels - [58.0, 50.0])[-10:].mean(axis=0)).max() > 3 * NOISE


def test_at_rest_noise_hardly_moves_the_valves() -> None:
    run = loop(noise=NOISE).run(50)
    assert np.diff(run.moves[20:], axis=0).std() < 5 * NOISE


def test_a_dropped_sensor_is_bridged_by_the_model() -> None:
    def drop(tick: int, samples: list[Sample]) -> list[Sample]:
        return [s for s in samples if not (s.tag == "L1" and 30 <= tick < 35)]

    run = loop(change=drop, noise=NOISE).run(6).run(44, setpoints={"L1": 55.0})
    assert run.decisions is not None
    assert all(d.mode is Mode.AUTO for d in run.decisions)
    assert np.abs(run.levels[30:, 0] - 55.0).max() < 1.0
    assert any("L1: no good value" in note for d in run.decisions for note in d.notes)


def test_a_saturated_valve_does_not_wind_up() -> None:
    spec = plant_spec(mv_limits=(40.0, 60.0))
    run = loop(spec, noise=NOISE).run(6).run(30, setpoints={"L1": 90.0})
    assert run.moves[-1, 0] == pytest.approx(60.0, abs=0.1)
    run.run(25, setpoints={"L1": 52.0})
    assert run.moves[38, 0] < 60.0 - 5.0, "the valve turns at once"
    assert np.abs(run.levels[-5:, 0] - 52.0).max() < 1.0


def test_the_learned_guardrail_is_never_crossed_on_the_way_to_a_setpoint_beyond_it() -> None:
    spec = plant_spec()
    guarded = loop(spec, model=model_of(spec, guard_above=60.0)).run(6).run(30, setpoints={"L1": 70.0})
    free = loop(spec).run(6).run(25, setpoints={"L1": 70.0})
    assert guarded.levels[:, 0].max() <= 60.0 + 0.05
    assert guarded.levels[-1, 0] > 58.0, "it goes as near as it may"
    assert free.levels[:, 0].max() > 65.0, "without the guardrail it would be crossed"


def test_a_plant_beyond_its_guardrail_is_brought_back_not_left_there() -> None:
    spec = plant_spec()
    run = loop(spec, model=model_of(spec, guard_above=60.0))
    run.plant.x = np.array([66.0, 50.0])
    run.run(25, setpoints={"L1": 59.0})
    assert run.levels[-1, 0] < 60.0


def test_a_restart_is_bumpless() -> None:
    run = loop(noise=NOISE).run(6).run(25, setpoints={"L1": 62.0})
    last_mv = dict(zip(("V1", "V2"), run.plant.mv.tolist(), strict=True))
    again = Loop(run.plant, Controller(plant_spec(), model_of(plant_spec()), clock=HandClock()))
    again.state = again.controller.start(last_mv)
    before = len(run.plant.moves)
    again.run(15, setpoints={"L1": 62.0})
    moves = np.abs(np.diff(again.moves[before - 1 :], axis=0))
    assert moves.max() < 2.0, "nothing jumps to where the controller once started"
    assert np.abs(again.levels[before:, 0] - 62.0).max() < 1.5


def test_taking_over_in_auto_from_shadow_is_bumpless() -> None:
    run = loop(noise=NOISE)
    run.state = run.controller.start({"V1": 50.0, "V2": 50.0})
    run.state = run.controller.request(run.state, Mode.SHADOW)
    run.run(8)
    run.plant.enter({"V1": 55.0, "V2": 47.0})
    run.run(8)
    assert run.decisions is not None
    assert all(d.setpoints is None for d in run.decisions)
    run.state = run.controller.request(run.state, Mode.AUTO)
    run.run(1)
    assert run.decisions[-1].setpoints is not None
    assert np.abs(run.moves[-1] - [55.0, 47.0]).max() <= 8.0 + 1e-9


def test_two_runs_of_the_same_plant_are_the_same() -> None:
    first = loop(noise=NOISE).run(15, setpoints={"L1": 55.0})
    second = loop(noise=NOISE).run(15, setpoints={"L1": 55.0})
    np.testing.assert_array_equal(first.moves, second.moves)


def test_a_measured_disturbance_is_met_before_it_is_felt() -> None:
    def with_inflow(feedforward: bool) -> float:
        spec = plant_spec()
        model = model_of(spec)
        if not feedforward:
            model.predictor.linear.weight[:, -1] = 0.0
        run = loop(spec, model=model).run(6)
        run.plant.dv = np.array([70.0])
        run.run(20)
        return float(np.abs(run.levels[6:] - 50.0).sum())

    assert with_inflow(True) < 0.8 * with_inflow(False)


def test_operators_may_tighten_a_limit_at_run_time() -> None:
    run = loop().run(6)
    decision, run.state = run.controller.step(
        run.plant.drain(),
        run.state,
        time=utc(run.plant.time_ns),
        setpoints={"L1": 70.0},
        limits={"V1": (45.0, 55.0)},
    )
    assert decision.setpoints is not None
    run.plant.enter(decision.setpoints)
    run.plant.advance()
    run.run(15)
    assert run.moves[:, 0].max() == pytest.approx(55.0)
    assert run.state.targets.bounds(run.controller.plant.tag("V1")) == (45.0, 55.0)
