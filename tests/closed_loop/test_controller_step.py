"""The step itself: what goes in, what comes out, what is refused."""

import pickle
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import pytest
from hand_clock import HandClock
from linear_loop import HISTORY, INTERVAL_NS, START_NS, Loop, loop, model_of, plant_spec, with_setpoint
from stub_planners import StubPlanner, stepping

from procwm.control.controller import Controller
from procwm.control.measurement import utc
from procwm.control.modes import Mode
from procwm.control.targets import number
from procwm.errors import SpecError
from procwm.plant.samples import Quality, Sample
from procwm.plant.tags import PlantSpec, Role, Tag

STEADY = {"L1": 50.0, "L2": 50.0, "V1": 50.0, "V2": 50.0, "F1": 50.0}


def at(tick: int) -> datetime:
    return utc(START_NS + tick * INTERVAL_NS)


def filled(*, planner: StubPlanner | None = None) -> Loop:
    """A loop that has just seen a whole window."""
    return loop(planner=planner or StubPlanner(stepping(1.0, 0.0))).run(HISTORY)


def test_a_mapping_of_tags_to_values_is_enough() -> None:
    planner = StubPlanner(stepping(1.0, -1.0))
    controller = Controller(plant_spec(), model_of(plant_spec()), planner=planner, clock=HandClock())
    state = controller.start({"V1": 50.0, "V2": 50.0})
    for tick in range(HISTORY):
        decision, state = controller.step(STEADY, state, time=at(tick))
    assert decision.setpoints == {"V1": 51.0, "V2": 49.0}
    assert decision.measured == {"L1": 50.0, "L2": 50.0}
    assert decision.target == {"L1": 50.0, "L2": 50.0}


def test_a_step_is_pure() -> None:
    run = loop().run(12)
    samples, time = run.plant.drain(), utc(run.plant.time_ns)
    before = pickle.dumps(np.array([run.state.disturbance.bias, run.state.disturbance.spread]))
    first, after = run.controller.step(samples, run.state, time=time, setpoints={"L1": 60.0})
    again, _ = run.controller.step(samples, run.state, time=time, setpoints={"L1": 60.0})
    assert first.setpoints == again.setpoints
    assert first.setpoints is not None
    assert pickle.dumps(np.array([run.state.disturbance.bias, run.state.disturbance.spread])) == before
    assert run.state.targets.setpoints == {}
    assert after.targets.setpoints == {"L1": 60.0}


def test_a_move_counts_from_what_the_plant_accepted_and_a_newer_report_counts_more() -> None:
    run = filled()
    at_once = utc(run.plant.time_ns)
    reported = run.plant.drain()
    silent = [sample for sample in reported if sample.tag not in ("V1", "V2")]
    told, state = run.controller.step(silent, run.state, time=at_once, in_force={"V1": 50.4})
    assert told.setpoints is not None
    assert told.setpoints["V1"] == pytest.approx(51.4)
    assert state.in_force[1] == told.setpoints["V2"], "of the other MV nothing was said"
    both, _ = run.controller.step(reported, run.state, time=at_once, in_force={"V1": 50.4})
    assert both.setpoints is not None
    assert both.setpoints["V1"] == pytest.approx(run.plant.mv[0] + 1.0)


@pytest.mark.parametrize(
    ("in_force", "why"),
    [
        ({"L1": 50.0}, "L1 is a CV; only MVs have a value in force"),
        ({"V1": float("nan")}, "V1: its value in force, as read back, is nan; it must be finite"),
        ({"V9": 50.0}, "V9"),
    ],
)
def test_what_cannot_be_in_force_is_refused(in_force: dict[str, float], why: str) -> None:
    run = filled()
    with pytest.raises(SpecError, match=why):
        run.controller.step(run.plant.drain(), run.state, time=utc(run.plant.time_ns), in_force=in_force)


def test_a_setpoint_given_once_stays() -> None:
    run = filled()
    run.run(1, setpoints={"L1": 61.0}).run(2)
    assert run.decisions is not None
    assert run.decisions[-1].target == {"L1": 61.0, "L2": 50.0}


def test_a_zone_replaces_a_setpoint_until_the_next_setpoint() -> None:
    planner = StubPlanner(stepping(0.0, 0.0))
    run = filled(planner=planner).run(1, setpoints={"L1": 61.0})
    for overrides in ({"zones": {"L1": (40.0, 60.0)}}, {}, {"setpoints": {"L1": 55.0}}):
        _, run.state = run.controller.step(
            run.plant.drain(), run.state, time=utc(run.plant.time_ns), **overrides
        )
        run.plant.advance()
    *_, zone, still, setpoint = planner.problems
    for problem in (zone, still):
        assert np.isnan(problem.target[:, 0]).all()
        assert (problem.zone_low[0], problem.zone_high[0]) == (40.0, 60.0)
    assert setpoint.target[:, 0].tolist() == [55.0] * 10


def test_the_plant_file_may_change_its_setpoints_after_training() -> None:
    spec = with_setpoint(plant_spec(), "L2", 44.0)
    planner = StubPlanner(stepping(0.0, 0.0))
    loop(spec, model=model_of(plant_spec()), planner=planner).run(HISTORY)
    assert planner.problems[-1].target[0].tolist() == [50.0, 44.0]


def test_nothing_is_decided_before_the_window_is_filled() -> None:
    run = loop(planner=StubPlanner(stepping(1.0, 0.0))).run(HISTORY)
    assert run.decisions is not None
    written = [d.setpoints is not None for d in run.decisions]
    assert written == [False] * 4 + [True] * 2
    assert run.decisions[0].reason == "filling the history: 1 of 6 rows; enough in 40 s"
    assert run.decisions[0].mode is Mode.AUTO


def test_history_given_at_the_start_saves_the_wait() -> None:
    source = loop(planner=StubPlanner(stepping(0.0, 0.0)))
    history: list[Sample] = []
    for _ in range(HISTORY + 4):
        history += source.plant.drain()
        source.plant.advance()
    controller = source.controller
    state = controller.start({"V1": 50.0, "V2": 50.0}, history=history)
    decision, after = controller.step(source.plant.drain(), state, time=utc(source.plant.time_ns))
    assert decision.setpoints is not None
    assert after.disturbance.count[:4].min() > 0, "what the model gets wrong is known already"


def test_moves_count_from_what_the_plant_reports() -> None:
    run = filled(planner=StubPlanner(stepping(1.0, 0.0)))
    run.plant.mv = np.array([70.0, 30.0])
    run.plant.drain()
    run.plant.advance()
    run.run(1)
    assert run.moves[-1].tolist() == [71.0, 30.0]


def test_without_a_report_the_mvs_are_where_they_were_written() -> None:
    def silent(tick: int, samples: list[Sample]) -> list[Sample]:
        return [s for s in samples if s.tag not in ("V1", "V2")]

    run = loop(planner=StubPlanner(stepping(1.0, 0.0)), change=silent).run(HISTORY + 3)
    assert run.moves[-1, 0] == pytest.approx(50.0 + 5.0)
    rows = run.state.buffer.window(run.state.time_ns).values[:, 2]
    assert rows[-1] == pytest.approx(54.0), "the window shows the MV in force in the interval that ended"


def test_a_bad_report_of_an_mv_is_no_report() -> None:
    def broken(tick: int, samples: list[Sample]) -> list[Sample]:
        return [replace(s, value=99.0, quality=Quality.BAD) if s.tag == "V1" else s for s in samples]

    run = loop(planner=StubPlanner(stepping(0.0, 1.0)), change=broken).run(HISTORY)
    assert run.decisions is not None
    assert run.decisions[-1].setpoints == {"V2": pytest.approx(52.0)}
    assert run.decisions[-1].held == {"V1": "its setpoint cannot be read back"}
    assert run.state.in_force[0] == 50.0


def test_an_old_report_sent_again_is_no_news() -> None:
    run = filled(planner=StubPlanner(stepping(1.0, 0.0)))
    old = Sample("V1", 50.0, Quality.GOOD, START_NS)
    samples = [old, *(s for s in run.plant.drain() if s.tag not in ("V1", "V2"))]
    decision, _ = run.controller.step(samples, run.state, time=utc(run.plant.time_ns))
    assert decision.setpoints is not None
    assert decision.setpoints["V1"] == pytest.approx(run.plant.mv[0] + 1.0)


def test_a_dv_that_is_missing_keeps_its_last_value() -> None:
    planner = StubPlanner(stepping(0.0, 0.0))

    def drop(tick: int, samples: list[Sample]) -> list[Sample]:
        return [replace(s, value=57.0) if s.tag == "F1" else s for s in samples if s.tag != "F1" or tick < 6]

    run = loop(planner=planner, change=drop).run(14)
    assert planner.problems[-1].dv.tolist() == [[57.0]] * 10
    assert run.decisions is not None
    assert "F1: no good value; its last one stands in" in run.decisions[-1].notes


def test_a_step_too_soon_decides_nothing_and_forgets_nothing() -> None:
    run = filled()
    soon = utc(run.plant.time_ns - INTERVAL_NS + INTERVAL_NS // 10)
    decision, state = run.controller.step({"L1": 50.0}, run.state, time=soon)
    assert decision.setpoints is None
    assert decision.reason == "called twice in one interval of 10 s"
    assert state.time_ns == run.state.time_ns
    run.state = state
    run.run(1)
    assert run.decisions is not None
    assert run.decisions[-1].setpoints is not None


def test_missed_ticks_are_caught_up_with() -> None:
    run = loop(load=lambda tick: (0.3, 0.0)).run(30)
    learned = run.state.disturbance.bias[-1, 0]
    for _ in range(2):
        run.plant.advance()
    run.run(15)
    assert run.decisions is not None
    assert all(d.setpoints is not None for d in run.decisions[10:])
    assert run.state.disturbance.bias[-1, 0] == pytest.approx(learned, abs=0.2)


class Wrong:
    """Inputs that are refused, each with the sentence."""

    steps = (
        ({"T9": 1.0}, {}, "plant two levels has no tag T9; its tags are L1, L2, V1, V2, F1"),
        (STEADY, {"setpoints": {"T9": 1.0}}, "plant two levels has no tag T9"),
        (STEADY, {"setpoints": {"V1": 50.0}}, "V1: a MV takes no setpoint; only CV tags do"),
        (
            STEADY,
            {"setpoints": {"L1": 150.0}},
            r"L1: setpoint 150.0 is outside the instrument's range \[0.0, 100.0\]",
        ),
        (STEADY, {"setpoints": {"L1": float("nan")}}, "L1: setpoint nan is outside"),
        (STEADY, {"limits": {"V1": (0.0, 100.0)}}, "may only tighten"),
        (
            STEADY,
            {"limits": {"F1": (10.0, 20.0)}},
            "F1: limits can be given at run time to MVs, CVs and PVs with limits",
        ),
        (STEADY, {"zones": {"L1": (60.0, 40.0)}}, r"L1: zone is \[60.0, 40.0\]"),
    )


@pytest.mark.parametrize(("samples", "extra", "sentence"), Wrong.steps)
def test_a_wrong_input_is_one_clear_sentence(samples: dict, extra: dict, sentence: str) -> None:  # type: ignore[type-arg]
    run = filled()
    with pytest.raises(SpecError, match=sentence):
        run.controller.step(samples, run.state, time=utc(run.plant.time_ns), **extra)


@pytest.mark.parametrize("value", ["high", None, [1.0]])
def test_what_is_no_number_is_one_clear_sentence(value: object) -> None:
    with pytest.raises(SpecError, match=r"L1: .* is not a number"):
        number("L1", value)


def test_time_must_not_go_backwards() -> None:
    run = filled()
    with pytest.raises(SpecError, match=r"time goes backwards: a step at .* after one at"):
        run.controller.step(STEADY, run.state, time=utc(run.plant.time_ns - 2 * INTERVAL_NS))


def test_a_naive_time_is_refused() -> None:
    run = filled()
    with pytest.raises(SpecError, match="has no time zone"):
        run.controller.step(STEADY, run.state, time=datetime(2026, 1, 1))


def test_any_time_zone_will_do() -> None:
    from datetime import timezone

    run = filled()
    there = utc(run.plant.time_ns).astimezone(timezone(timedelta(hours=5)))
    decision, _ = run.controller.step(run.plant.drain(), run.state, time=there)
    assert decision.time_ns == run.plant.time_ns


@pytest.mark.parametrize(
    ("last_mv", "sentence"),
    [
        ({"V1": 50.0}, "V2: start needs the value in force"),
        (
            {"V1": 50.0, "V2": float("nan")},
            "V2: its value in force, as read back, is nan; it must be finite",
        ),
        ({"V1": 50.0, "V2": 50.0, "L1": 3.0}, "L1 is a CV; only MVs have a value in force"),
        ({"V1": 50.0, "V2": 50.0, "V9": 3.0}, "has no tag V9"),
    ],
)
def test_a_start_without_the_mvs_in_force_is_refused(last_mv: dict[str, float], sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        loop().controller.start(last_mv)


def test_a_model_of_another_plant_is_refused() -> None:
    spec = plant_spec()
    renamed = replace(spec, tags=(replace(spec.tags[0], name="L9"), *spec.tags[1:]))
    slower = replace(spec, interval_s=20.0)
    more = replace(spec, tags=(*spec.tags, Tag(name="T", role=Role.PV, range=(0.0, 1.0))))
    swapped = replace(
        spec,
        tags=(*spec.tags[:4], Tag(name="F1", role=Role.PV, unit="%", range=(0.0, 100.0), limits=(1.0, 9.0))),
    )

    def measured(**changes: Any) -> PlantSpec:
        return replace(spec, tags=(replace(spec.tags[0], **changes), *spec.tags[1:]))

    for other, sentence in (
        (renamed, "made for other tags"),
        (slower, "interval_s is 20, the model was made for 10"),
        (more, "made for other tags"),
        (swapped, "F1: the plant file says PV, the model was made for DV"),
        (measured(unit="mm"), "L1: the plant file has it in mm, the model was made for"),
        (measured(range=(0.0, 1000.0)), r"L1: range is \[0, 1000\], the model was made for"),
    ):
        with pytest.raises(SpecError, match=sentence):
            Controller(other, model_of(spec))


def test_pv_limits_added_after_training_are_refused() -> None:
    spec = plant_spec()
    pv = Tag(name="P1", role=Role.PV, unit="%", range=(0.0, 100.0))
    before = PlantSpec(name=spec.name, interval_s=spec.interval_s, tags=(*spec.tags, pv))
    after = replace(before, tags=(*spec.tags, replace(pv, limits=(10.0, 90.0))))
    with pytest.raises(SpecError, match="the model predicts L1, L2, the plant file asks for L1, L2, P1"):
        Controller(after, model_of(before))


@pytest.mark.parametrize("deadline_s", [0.0, -1.0, float("nan")])
def test_a_deadline_of_nothing_is_refused(deadline_s: float) -> None:
    with pytest.raises(SpecError, match="must be above 0"):
        Controller(plant_spec(), model_of(plant_spec()), deadline_s=deadline_s)


def test_off_reads_and_plans_nothing() -> None:
    planner = StubPlanner(stepping(1.0, 0.0))
    controller = Controller(plant_spec(), model_of(plant_spec()), planner=planner, mode=Mode.OFF)
    run = Loop(loop().plant, controller).run(HISTORY + 2)
    assert not planner.problems
    assert run.decisions is not None
    assert run.decisions[-1].reason == "the controller is off"


@pytest.mark.parametrize("mode", [Mode.SHADOW, Mode.ADVISORY])
def test_shadow_and_advisory_show_their_move_and_write_nothing(mode: Mode) -> None:
    planner = StubPlanner(stepping(1.0, 0.0))
    controller = Controller(
        plant_spec(), model_of(plant_spec()), planner=planner, mode=mode, clock=HandClock()
    )
    run = Loop(loop().plant, controller).run(HISTORY + 2)
    assert run.decisions is not None
    last = run.decisions[-1]
    assert (last.setpoints, last.proposed, last.mode) == (None, {"V1": 51.0, "V2": 50.0}, mode)
    assert run.moves[-1].tolist() == [50.0, 50.0]


def test_a_plan_warms_up_the_next_one_only() -> None:
    answers = iter([stepping(1.0, 0.0)] * 2 + [lambda problem: 1 / 0] + [stepping(1.0, 0.0)] * 2)
    planner = StubPlanner(lambda problem: next(answers)(problem))
    loop(planner=planner).run(4 + 5)
    assert [warm is not None for warm in planner.warm_starts] == [False, True, True, False, True]
