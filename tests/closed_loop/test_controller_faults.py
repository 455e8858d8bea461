"""Nothing unsafe reaches the plant, whatever planner, model and sensors do."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from linear_loop import HISTORY, Loop, loop, model_of, plant_spec
from stub_planners import StubPlanner, moving, plan_of, stepping

from procwm.control.controller import Controller
from procwm.control.decision import Decision
from procwm.control.modes import Mode
from procwm.planning.problem import ControlProblem, Plan, PlanStatus
from procwm.plant.samples import Quality, Sample

MAX_MOVE = 8.0
LOW, HIGH = 10.0, 90.0


def last(run: Loop) -> Decision:
    assert run.decisions is not None
    return run.decisions[-1]


numbers = st.one_of(
    st.floats(-30.0, 130.0),
    st.sampled_from([np.nan, np.inf, -np.inf, 1e300, LOW, HIGH, LOW - 1e-5, HIGH + 1e-5, 50.0 + MAX_MOVE]),
)


@st.composite
def malice(draw: st.DrawFn) -> Any:
    """An answer from a planner that is broken, lying or out to do harm."""
    kind = draw(st.sampled_from(["plan", "plan", "plan", "plan", "none", "raise"]))
    rows = draw(st.sampled_from([10, 10, 10, 3, 0]))
    start = draw(st.lists(numbers, min_size=2, max_size=2))
    step = draw(st.lists(st.floats(-12.0, 12.0), min_size=2, max_size=2))
    relative = draw(st.booleans())
    status = draw(st.sampled_from(PlanStatus))

    def answer(problem: ControlProblem) -> Plan | None:
        if kind == "raise":
            raise RuntimeError("the planner is beside itself")
        if kind == "none":
            return None
        ramp = np.arange(1, rows + 1)[:, None] * np.array(step)
        with np.errstate(all="ignore"):
            return plan_of((problem.last_mv if relative else np.array(start)) + ramp, status)

    return answer


@settings(max_examples=25)
@given(st.lists(malice(), min_size=6, max_size=6))
def test_every_move_is_within_limits_and_max_move_whatever_the_planner_returns(answers: list[Any]) -> None:
    waiting = iter(answers)
    run = loop(planner=StubPlanner(lambda problem: next(waiting)(problem)))
    run.plant.enter({"V1": 12.0, "V2": 87.0})
    run.plant.advance()
    run.run(4 + len(answers))
    assert np.isfinite(run.moves).all()
    assert run.moves.min() >= LOW
    assert run.moves.max() <= HIGH
    assert np.abs(np.diff(run.moves[1:], axis=0)).max() <= MAX_MOVE + 1e-9
    for decision in run.decisions or []:
        if decision.setpoints is not None and decision.plan is not None:
            written = [decision.setpoints["V1"], decision.setpoints["V2"]]
            np.testing.assert_allclose(written, decision.plan.mv[0], atol=2e-4, err_msg="a move was clipped")


@pytest.mark.parametrize("weight", [np.nan, np.inf, 1e200, 50.0])
def test_a_diverging_model_never_reaches_the_plant(weight: float) -> None:
    spec = plant_spec()
    model = model_of(spec, horizon=200 if weight == 50.0 else 10)
    model.predictor.linear.weight[:, :2] = weight
    run = loop(spec, model=model, planner=StubPlanner(stepping(1.0, 0.0)))
    run.plant.x = np.array([55.0, 52.0])
    run.run(HISTORY + 2)
    assert last(run).setpoints is None
    assert last(run).mode is Mode.SHED
    assert "not finite" in last(run).reason
    assert run.moves[-1].tolist() == [50.0, 50.0]


def test_an_encoder_that_fails_never_reaches_the_plant() -> None:
    spec = plant_spec()
    model = model_of(spec)
    model.encoder.linear.bias[:] = np.nan
    planner = StubPlanner(stepping(1.0, 0.0))
    run = loop(spec, model=model, planner=planner).run(HISTORY + 2)
    assert last(run).reason == "the model's state is not finite"
    assert not planner.problems
    assert run.moves[-1].tolist() == [50.0, 50.0]


def test_a_lie_about_the_guardrail_is_found_out() -> None:
    spec = plant_spec()
    planner = StubPlanner(moving(8.0, 8.0))
    run = loop(spec, model=model_of(spec, guard_above=55.0, horizon=5), planner=planner)
    run.run(HISTORY + 6)
    assert run.levels[:, 0].max() <= 55.0
    assert "guardrail high level is predicted at" in last(run).reason
    assert last(run).rung in ("tail", "hold")


def test_a_late_plan_is_not_used() -> None:
    planner = StubPlanner(stepping(1.0, 0.0))
    controller = Controller(
        plant_spec(), model_of(plant_spec()), planner=planner, deadline_s=0.01, clock=planner.clock
    )
    run = Loop(loop().plant, controller).run(HISTORY)
    moved = run.moves[-1, 0]
    assert moved > 50.0
    planner.took_s = 0.05
    run.run(4)
    assert "its deadline is 0.01 s" in last(run).reason
    assert last(run).rung == "hold"
    assert run.moves[-1, 0] == moved


def test_a_planner_that_fails_is_survived_by_the_rest_of_its_last_plan() -> None:
    answers = iter([moving(2.0, 0.0), *[lambda problem: 1 / 0] * 6])
    run = loop(planner=StubPlanner(lambda problem: next(answers)(problem))).run(4 + 7)
    assert run.decisions is not None
    assert [d.rung for d in run.decisions[4:]] == ["stub", "tail", "tail", "hold", "hold", "hold", "hold"]
    assert run.moves[5:, 0].tolist() == [52.0, 54.0, 56.0, 56.0, 56.0, 56.0, 56.0]
    assert "the planner failed: division by zero" in run.decisions[-1].reason


def test_values_that_are_not_finite_are_no_measurements() -> None:
    def broken(tick: int, samples: list[Sample]) -> list[Sample]:
        return [replace(s, value=np.nan) if s.tag == "L1" and tick > 5 else s for s in samples]

    run = loop(change=broken, planner=StubPlanner(stepping(0.0, 0.0))).run(12)
    assert "L1" not in last(run).measured
    assert np.isfinite(run.state.disturbance.bias).all()


@pytest.mark.parametrize("quality", [Quality.BAD, Quality.UNCERTAIN])
def test_only_good_samples_count(quality: Quality) -> None:
    def doubtful(tick: int, samples: list[Sample]) -> list[Sample]:
        return [replace(s, value=99.0, quality=quality) if s.tag == "L1" else s for s in samples]

    run = loop(change=doubtful, planner=StubPlanner(stepping(0.0, 0.0))).run(8)
    assert "L1" not in last(run).measured


def lost(*tags: str, after: int = 6) -> Any:
    return lambda tick, samples: [s for s in samples if s.tag not in tags or tick < after]


def test_a_cv_that_stays_away_is_predicted_for_a_while_and_then_left_alone() -> None:
    planner = StubPlanner(stepping(0.0, 0.0))
    run = loop(change=lost("L1"), planner=planner).run(16)
    assert run.decisions is not None
    stories = [note for d in run.decisions for note in d.notes if note.startswith("L1")]
    assert stories[0] == "L1: no good value for 10 s; the model stands in"
    assert stories[-1].endswith("not controlled until it is measured again")
    assert np.isnan(planner.problems[-1].target[:, 0]).all()
    assert planner.problems[-1].weight.tolist() == [0.0, 1.0]
    assert last(run).mode is Mode.AUTO, "the other level is still controlled"


def test_without_any_cv_the_plant_is_given_back() -> None:
    run = loop(change=lost("L1", "L2"), planner=StubPlanner(stepping(0.5, 0.0))).run(16)
    assert last(run).setpoints is None
    assert last(run).mode is Mode.SHED
    assert last(run).requested is Mode.AUTO


def test_a_shed_controller_takes_over_again_once_it_can_see() -> None:
    def dark(tick: int, samples: list[Sample]) -> list[Sample]:
        return [s for s in samples if s.tag not in ("L1", "L2") or not 6 <= tick < 16]

    run = loop(change=dark, planner=StubPlanner(stepping(0.5, 0.0))).run(40)
    assert run.decisions is not None
    modes = [d.mode for d in run.decisions]
    assert modes[14] is Mode.SHED
    assert modes[-1] is Mode.AUTO
    back = next(i for i in range(15, 40) if modes[i] is Mode.AUTO)
    assert all(d.proposed is not None for d in run.decisions[back - 2 : back + 1]), "three good plans first"
    assert np.abs(np.diff(run.moves, axis=0)).max() <= 0.5 + 1e-9


def test_mvs_outside_their_limits_come_back_step_by_step() -> None:
    run = loop()
    run.plant.mv = np.array([99.5, 50.0])
    run.plant.drain()
    run.plant.advance()
    run.state = run.controller.start({"V1": 99.5, "V2": 50.0})
    run.run(10)
    moves = run.moves[:, 0]
    assert moves[-1] <= HIGH
    assert np.abs(np.diff(moves[2:])).max() <= MAX_MOVE + 1e-9
    assert last(run).mode is Mode.AUTO
