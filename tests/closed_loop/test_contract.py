"""What a plant expects of a controller: limits that nest, tags that get lost, variables switched off."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from linear_loop import HISTORY, INTERVAL_NS, INTERVAL_S, Loop, loop, plant_spec
from stub_planners import StubPlanner, stepping

from procwm.control.health import Permits
from procwm.control.measurement import utc
from procwm.control.modes import Mode
from procwm.errors import SpecError
from procwm.plant.contract import ControlSettings, OnLoss
from procwm.plant.samples import Quality, Sample
from procwm.plant.tags import PlantSpec

Change = Callable[[int, list[Sample]], list[Sample]]
BEGUN = 4
"""Tick of the first plan."""


def spec(tag: str = "L1", **fields: Any) -> PlantSpec:
    """The plant of the tests with `fields` of one tag changed."""
    plant = plant_spec()
    return replace(plant, tags=tuple(replace(t, **fields) if t.name == tag else t for t in plant.tags))


def from_tick(first: int, tag: str, **fields: Any) -> Change:
    """Samples of `tag` with `fields` changed from a tick on."""
    return lambda tick, samples: [
        replace(s, **fields) if s.tag == tag and tick >= first else s for s in samples
    ]


def without(first: int, *tags: str) -> Change:
    return lambda tick, samples: [s for s in samples if s.tag not in tags or tick < first]


def stepped(plant: PlantSpec, *step: float, change: Change | None = None) -> Loop:
    options = {} if change is None else {"change": change}
    return loop(plant, planner=StubPlanner(stepping(*step)), **options)


def modes(run: Loop) -> list[Mode]:
    assert run.decisions is not None
    return [decision.mode for decision in run.decisions]


def last_reason(run: Loop) -> str:
    assert run.decisions is not None
    return run.decisions[-1].reason


# Limits


def test_an_mv_moves_no_further_in_an_hour_than_the_plant_file_allows() -> None:
    run = stepped(spec("V1", max_move_per_hour=5.0), 2.0, 0.0).run(BEGUN + 8)
    assert run.moves[-1, 0] == pytest.approx(54.0), "two moves of 2 %; a third would make 6 % in the hour"
    assert "allowed are 1" in last_reason(run)


def test_what_an_mv_moved_more_than_an_hour_ago_counts_no_more() -> None:
    run = stepped(spec("V1", max_move_per_hour=4.0), 2.0, 0.0).run(BEGUN + 3)
    assert run.moves[-1, 0] == pytest.approx(54.0)
    run.plant.tick += 366
    run.plant.drain()
    run.run(HISTORY + 8)
    assert run.moves[-1, 0] == pytest.approx(58.0)


def test_the_planner_itself_stays_within_the_hour() -> None:
    run = loop(spec("V1", max_move_per_hour=3.0)).run(HISTORY + 8, setpoints={"L1": 60.0})
    assert np.abs(np.diff(run.moves[:, 0])).sum() <= 3.0 + 1e-9
    assert modes(run)[-1] is Mode.AUTO


def test_an_operator_tightens_and_loosens_again_and_never_widens() -> None:
    run = stepped(plant_spec(), 0.0, 0.0).run(BEGUN + 1)
    step = run.controller.step

    def limited(low: float, high: float) -> Any:
        return step(
            run.plant.drain(),
            run.state,
            time=utc(run.plant.time_ns),
            limits={"V1": (low, high), "L1": (6.0, 94.0)},
        )

    decision, run.state = limited(40.0, 60.0)
    assert decision.limits["V1"] == (40.0, 60.0)
    run.plant.advance()
    decision, run.state = limited(10.0, 90.0)
    assert decision.limits["V1"] == (10.0, 90.0)
    run.plant.advance()
    with pytest.raises(SpecError, match="may only tighten"):
        limited(9.0, 60.0)


# Variables on and off


def test_an_mv_that_is_switched_off_is_not_written_and_the_other_is() -> None:
    run = stepped(plant_spec(), 0.0, 1.0).run(BEGUN + 1)
    decision, _ = run.controller.step(
        run.plant.drain(), run.state, time=utc(run.plant.time_ns), on={"V1": False}
    )
    assert set(decision.setpoints) == {"V2"}
    assert decision.held == {"V1": "switched off"}


def test_the_planner_works_around_an_mv_that_is_switched_off() -> None:
    run = loop(plant_spec()).run(HISTORY + 1, setpoints={"L2": 52.0})
    decision, state = run.controller.step(
        run.plant.drain(), run.state, time=utc(run.plant.time_ns), on={"V1": False}
    )
    assert decision.rung
    assert set(decision.setpoints) == {"V2"}
    assert state.in_force[0] == run.plant.mv[0]


def test_a_cv_that_is_switched_off_is_not_controlled_and_keeps_its_limits() -> None:
    planner = StubPlanner(stepping(0.0, 0.0))
    run = loop(planner=planner).run(BEGUN + 1)
    run.controller.step(run.plant.drain(), run.state, time=utc(run.plant.time_ns), on={"L1": False})
    problem = planner.problems[-1]
    assert np.isnan(problem.target[:, 0]).all()
    assert (problem.low[0], problem.high[0]) == (5.0, 95.0)


@pytest.mark.parametrize("tag", ["L1", "V1"])
def test_switching_a_critical_variable_off_gives_the_plant_back(tag: str) -> None:
    run = stepped(spec(tag, critical=True), 0.5, 0.0).run(BEGUN + 1)
    decision, _ = run.controller.step(
        run.plant.drain(), run.state, time=utc(run.plant.time_ns), on={tag: False}
    )
    assert decision.mode is Mode.SHED
    assert decision.reason == f"{tag}: switched off, and it is critical"


def test_only_cvs_and_mvs_can_be_switched() -> None:
    run = stepped(plant_spec(), 0.0, 0.0).run(1)
    with pytest.raises(SpecError, match="F1: only CVs and MVs"):
        run.controller.step([], run.state, time=utc(run.plant.time_ns), on={"F1": False})


# Lost tags


@pytest.mark.parametrize("tag", ["L1", "F1", "V1"])
@pytest.mark.parametrize("quality", [Quality.BAD, Quality.UNCERTAIN])
def test_a_tag_whose_loss_must_shed_sheds_in_the_same_cycle(tag: str, quality: Quality) -> None:
    run = stepped(spec(tag, on_loss=OnLoss.SHED), 0.5, 0.0, change=from_tick(8, tag, quality=quality)).run(10)
    assert modes(run)[7:9] == [Mode.AUTO, Mode.SHED]
    assert last_reason(run) == f"{tag}: lost, and its on_loss is shed"


@pytest.mark.parametrize("tag", ["L1", "F1", "V1"])
def test_a_critical_tag_sheds_once_its_time_is_up(tag: str) -> None:
    plant = spec(tag, critical=tag != "V1", loss_s=30.0)
    run = stepped(plant, 0.0, 0.5, change=from_tick(8, tag, quality=Quality.BAD)).run(16)
    # The last good value is of tick 7, so tick 11 is the first that is more than 30 s after it.
    assert modes(run)[10] is Mode.AUTO
    assert (modes(run)[11] is Mode.SHED) == (tag != "V1")


def test_a_critical_mv_that_cannot_be_read_back_sheds_at_once() -> None:
    run = stepped(spec("V1", critical=True), 0.0, 0.5, change=from_tick(8, "V1", quality=Quality.BAD)).run(9)
    assert modes(run)[-1] is Mode.SHED


def test_a_cv_is_dropped_when_its_time_is_up_and_the_other_goes_on() -> None:
    planner = StubPlanner(stepping(0.0, 0.0))
    loop(spec(loss_s=20.0), planner=planner, change=without(8, "L1")).run(14)
    dropped = [bool(np.isnan(problem.target[0, 0])) for problem in planner.problems]
    # Hold is 30 s: until tick 10 the last value is the present one; its 20 s are over by then.
    assert dropped == [False] * (11 - BEGUN) + [True] * 3


def test_a_cv_that_is_to_be_dropped_is_dropped_at_its_first_bad_value() -> None:
    planner = StubPlanner(stepping(0.0, 0.0))
    loop(spec(on_loss=OnLoss.DROP), planner=planner, change=from_tick(8, "L1", quality=Quality.BAD)).run(10)
    assert [bool(np.isnan(p.target[0, 0])) for p in planner.problems] == [False] * (8 - BEGUN) + [True] * 2


def test_uncertain_counts_where_the_plant_file_says_so() -> None:
    change = from_tick(0, "L1", quality=Quality.UNCERTAIN)
    assert (
        "L1"
        in (stepped(spec(use_uncertain=True), 0.0, 0.0, change=change).run(6).decisions or [])[-1].measured
    )
    assert "L1" not in (stepped(spec(), 0.0, 0.0, change=change).run(6).decisions or [])[-1].measured


def test_a_value_that_never_changes_is_taken_for_frozen() -> None:
    plant = spec(frozen_after_s=40.0, on_loss=OnLoss.SHED)
    run = stepped(plant, 0.0, 0.0, change=from_tick(8, "L1", value=51.0)).run(14)
    assert run.decisions is not None
    assert [d.mode for d in run.decisions[11:14]] == [Mode.AUTO, Mode.AUTO, Mode.SHED]
    assert "L1: exactly 51 % for 50 s; it is taken for frozen" in run.decisions[13].notes


@pytest.mark.parametrize("value", [0.0, 100.0, 102.0])
def test_an_instrument_that_repeats_an_end_of_its_range_is_not_frozen(value: float) -> None:
    plant = spec(frozen_after_s=40.0, on_loss=OnLoss.SHED)
    run = stepped(plant, 0.0, 0.0, change=from_tick(8, "L1", value=value)).run(18)
    # Until then it reports exactly 50 %, and is back from that shed three plans later.
    assert modes(run)[11:] == [Mode.AUTO] * 7


@pytest.mark.parametrize("value", [104.0, -2.0, 1e9])
def test_a_good_value_beyond_the_instrument_is_no_measurement(value: float) -> None:
    run = stepped(spec(on_loss=OnLoss.SHED), 0.0, 0.0, change=from_tick(8, "L1", value=value)).run(9)
    assert modes(run)[-1] is Mode.SHED
    assert run.decisions is not None
    assert any("beyond its instrument" in note for note in run.decisions[-1].notes)


def test_a_clock_that_runs_ahead_is_noticed() -> None:
    def ahead(tick: int, samples: list[Sample]) -> list[Sample]:
        shift = 3 * INTERVAL_NS if tick >= 8 else 0
        return [replace(s, source_ns=s.source_ns + shift) for s in samples]

    run = stepped(spec(on_loss=OnLoss.SHED), 0.0, 0.0, change=ahead).run(9)
    assert modes(run)[-1] is Mode.SHED
    assert run.decisions is not None
    assert "L1: stamped 30 s ahead of our clock; compare the clocks" in run.decisions[-1].notes


def test_a_clock_that_runs_behind_is_no_news() -> None:
    def behind(tick: int, samples: list[Sample]) -> list[Sample]:
        return [replace(s, source_ns=s.source_ns - 100 * INTERVAL_NS) if tick >= 8 else s for s in samples]

    run = stepped(plant_spec(), 0.5, 0.0, change=behind).run(20)
    assert modes(run)[-1] is Mode.SHED


# Permits


def test_an_mv_whose_loop_is_not_in_cascade_is_not_written() -> None:
    run = stepped(plant_spec(), 0.0, 1.0).run(BEGUN + 1)
    decision, _ = run.controller.step(
        run.plant.drain(),
        run.state,
        time=utc(run.plant.time_ns),
        permits=Permits(held={"V1": "its loop is in manual"}),
    )
    assert set(decision.setpoints) == {"V2"}
    assert decision.held == {"V1": "its loop is in manual"}


def test_the_world_outside_can_ask_for_the_plant_back() -> None:
    run = stepped(plant_spec(), 0.0, 1.0).run(BEGUN + 1)
    decision, state = run.controller.step(
        run.plant.drain(),
        run.state,
        time=utc(run.plant.time_ns),
        permits=Permits(shed="the heartbeat stands"),
    )
    assert (decision.mode, decision.setpoints, decision.reason) == (Mode.SHED, None, "the heartbeat stands")
    assert (decision.requested, decision.mode_reason) == (Mode.AUTO, "the heartbeat stands")
    run.state = state
    run.plant.advance()
    assert modes(run.run(3))[-3:] == [Mode.SHED, Mode.SHED, Mode.AUTO]


# Without a usable plan


def test_holding_ends_in_shedding() -> None:
    plant = replace(plant_spec(), control=ControlSettings(hold_for_s=3 * INTERVAL_S))
    answers = iter([stepping(1.0, 0.0)] * 2 + [lambda problem: 1 / 0] * 9)
    run = loop(plant, planner=StubPlanner(lambda problem: next(answers)(problem))).run(BEGUN + 6)
    assert run.decisions is not None
    assert [d.rung for d in run.decisions[BEGUN:]] == ["stub", "stub", "tail", "tail", "hold", ""]
    assert modes(run)[-1] is Mode.SHED
    assert last_reason(run).endswith("no usable plan for more than 30 s")


# Transfer


def test_taking_over_starts_from_what_the_operator_left_and_moves_by_one_max_move_at_most() -> None:
    run = loop(planner=StubPlanner(stepping(8.0, -8.0)))
    run.controller.mode = Mode.SHADOW
    run.run(HISTORY)
    run.plant.mv = np.array([70.0, 30.0])
    run.plant.advance()
    run.run(2)
    run.state = run.controller.request(run.state, Mode.AUTO)
    before = run.plant.mv
    run.run(1)
    assert run.decisions is not None
    assert run.decisions[-1].mode is Mode.AUTO
    assert np.abs(run.plant.mv - before).tolist() == pytest.approx([8.0, 8.0])
