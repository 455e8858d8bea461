"""The runtime around a controller: faults of the link, restarts, targets, summary."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import numpy as np
import pytest
from hand_clock import HandClock
from linear_loop import HISTORY, LinearPlant, model_of, plant_spec
from stub_planners import StubPlanner, stepping

from procwm.control.controller import Controller
from procwm.control.decision import Decision
from procwm.control.modes import Mode
from procwm.errors import LinkError, OutcomeUnknownError, SpecError
from procwm.plant.request import Request
from procwm.plant.samples import Sample, Setpoints
from procwm.plant.scenario import TargetChange
from procwm.runtime.cycle import Cycle, CycleSink
from procwm.runtime.desk import RequestDesk
from procwm.runtime.heartbeat import Heartbeat
from procwm.runtime.loop import run
from procwm.runtime.operator import Operator
from procwm.runtime.tally import RunSummary


class FaultyPlant(LinearPlant):
    """A plant whose link fails when told: `fault(tick)` names how."""

    def __init__(self, fault: Callable[[int], str], **options: Any) -> None:
        super().__init__(plant_spec(), **options)
        self.fault = fault
        self.writes: list[tuple[int, Setpoints]] = []

    def drain(self) -> Sequence[Sample]:
        if self.fault(self.tick) == "deaf":
            raise LinkError("the server is not there")
        return super().drain()

    async def write(self, setpoints: Setpoints) -> Setpoints:
        fault = self.fault(self.tick)
        self.writes.append((self.tick, setpoints))
        if fault == "refused":
            raise LinkError("BadUserAccessDenied")
        if fault in ("lost", "happened"):
            if fault == "happened":
                self.enter(setpoints)
            raise OutcomeUnknownError("no answer within 2 s")
        if fault == "clipped":
            return self.enter({name: min(value, 50.5) for name, value in setpoints.items()})
        return self.enter(setpoints)


async def go(
    plant: LinearPlant,
    intervals: int,
    *,
    planner: StubPlanner | None = None,
    mode: Mode = Mode.AUTO,
    **options: Any,
) -> tuple[RunSummary, list[Cycle]]:
    spec = plant_spec()
    controller = Controller(
        spec, model_of(spec), planner=planner or StubPlanner(stepping(1.0, 0.0)), mode=mode, clock=HandClock()
    )
    cycles: list[Cycle] = []
    summary = await run(plant, plant, controller, intervals=intervals, on_cycle=cycles.append, **options)
    return summary, cycles


def during(first: int, last: int, fault: str) -> Callable[[int], str]:
    return lambda tick: fault if first <= tick <= last else ""


async def test_every_cycle_drains_decides_and_writes_once() -> None:
    plant = FaultyPlant(lambda tick: "")
    summary, cycles = await go(plant, HISTORY + 4)
    assert [tick for tick, _ in plant.writes] == list(range(4, HISTORY + 4))
    assert (summary.cycles, summary.written, summary.failed) == (HISTORY + 4, HISTORY, 0)
    assert summary.rungs == {"stub": HISTORY}
    assert sum(summary.reasons.values()) == 4
    assert cycles[-1].accepted == cycles[-1].decision.setpoints


async def test_the_first_move_counts_from_what_is_read_back() -> None:
    plant = FaultyPlant(lambda tick: "")
    plant.mv = np.array([62.0, 41.0])
    plant.drain()
    plant.advance()
    await go(plant, HISTORY)
    assert plant.writes[0][1] == {"V1": 63.0, "V2": 41.0}


async def test_nothing_starts_before_every_mv_is_read_back() -> None:
    def late(tick: int, samples: list[Sample]) -> list[Sample]:
        return [s for s in samples if s.tag != "V2" or tick >= 8]

    plant = FaultyPlant(lambda tick: "", change=late)
    changes = [TargetChange(tick=3, tag="L1", value=60.0)]
    summary, cycles = await go(plant, 12, targets=changes)
    assert cycles[7].decision.reason == "waiting to read back V2"
    assert plant.writes[0][0] == 8, "what came while waiting fills the window"
    assert cycles[-1].decision.target["L1"] == 60.0, "a setpoint asked for meanwhile is not forgotten"
    assert summary.cycles == 12


async def test_a_whole_number_does_not_leave_the_limits_that_an_operator_has_tightened() -> None:
    plant = FaultyPlant(lambda tick: "")
    vars(plant)["whole_numbers"] = ("V1",)
    operator = Operator()
    operator.ask(Request(who="console", limits={"V1": (40.0, 52.8)}))
    beats: list[int] = []

    async def send(count: int) -> None:
        beats.append(count)

    planner = StubPlanner(stepping(0.7, 0.0))
    _, cycles = await go(plant, HISTORY + 8, planner=planner, operator=operator, heartbeat=Heartbeat(send))
    written = [setpoints["V1"] for _, setpoints in plant.writes]
    assert written == sorted(written)
    assert written[-1] == 52.0
    assert len(beats) == len(cycles), "rounding is no fault"


@pytest.mark.parametrize("mode", [Mode.OFF, Mode.SHADOW, Mode.ADVISORY])
async def test_only_auto_writes(mode: Mode) -> None:
    plant = FaultyPlant(lambda tick: "")
    await go(plant, HISTORY + 3, mode=mode)
    assert not plant.writes


async def test_a_refused_write_leaves_the_next_move_where_the_plant_is() -> None:
    plant = FaultyPlant(during(6, 9, "refused"))
    summary, cycles = await go(plant, 14)
    assert summary.failed == 4
    assert np.abs(np.diff(np.array(plant.moves), axis=0)).max() <= 1.0 + 1e-9
    assert cycles[7].fault == "not written (2 in a row): BadUserAccessDenied"
    assert plant.mv[0] == pytest.approx(50.0 + 6.0), "four of ten moves never happened"


async def test_a_refused_write_is_understood_even_if_the_plant_reports_no_mvs_any_more() -> None:
    def mute(tick: int, samples: list[Sample]) -> list[Sample]:
        return [s for s in samples if s.tag not in ("V1", "V2") or tick < 5]

    plant = FaultyPlant(during(6, 9, "refused"), change=mute)
    await go(plant, 14)
    assert np.abs(np.diff(np.array(plant.moves), axis=0)).max() <= 1.0 + 1e-9


@pytest.mark.parametrize("fault", ["lost", "happened"])
async def test_after_an_unknown_outcome_nothing_is_written_until_the_mvs_are_read_back(fault: str) -> None:
    def mute(tick: int, samples: list[Sample]) -> list[Sample]:
        return [s for s in samples if s.tag not in ("V1", "V2") or not 7 <= tick < 10]

    plant = FaultyPlant(during(6, 6, fault), change=mute)
    summary, cycles = await go(plant, 14)
    assert [tick for tick, _ in plant.writes] == [4, 5, 6, 10, 11, 12, 13]
    assert cycles[8].fault == "holding until V1, V2 can be read back: the last write may have happened"
    assert summary.unknown == 1
    before = plant.moves[10][0]
    assert plant.writes[3][1]["V1"] == pytest.approx(before + 1.0), "it goes on from what is in force"


@pytest.mark.parametrize("lead_s", [-25.0, -3.0, 0.0, 4.0, 7.0])
async def test_a_report_queued_before_a_write_of_unknown_outcome_is_no_read_back_of_it(lead_s: float) -> None:
    """The write happens, and what the plant reported just before it arrives only after it."""
    lead_ns = round(lead_s * 1e9)
    queued: list[Sample] = []

    def skewed(tick: int, samples: list[Sample]) -> list[Sample]:
        stamped = [replace(s, source_ns=s.source_ns + lead_ns) for s in samples]
        reports = [s for s in stamped if s.tag in ("V1", "V2")]
        if tick == 6:
            # One millisecond before the write, still on its way when the tick's samples are drained.
            queued.extend(replace(s, source_ns=s.source_ns + 9_999_000_000) for s in reports)
        if tick in (7, 8, 9):
            late, queued[:] = list(queued), []
            return [s for s in stamped if s not in reports] + late
        return stamped

    plant = FaultyPlant(during(6, 6, "happened"), change=skewed)
    _, cycles = await go(plant, 16)
    resumed = [tick for tick, _ in plant.writes if tick > 6]
    assert resumed, [c.fault for c in cycles]
    assert resumed[0] >= 10, "the queued report says nothing about the write"
    first = next(setpoints for tick, setpoints in plant.writes if tick == resumed[0])
    assert first["V1"] == pytest.approx(plant.moves[resumed[0]][0] + 1.0), "it goes on from what is in force"


async def test_what_the_plant_makes_of_a_write_counts() -> None:
    plant = FaultyPlant(during(4, 6, "clipped"))
    _, cycles = await go(plant, 8)
    assert cycles[5].fault == "V1: 51.5 was written, the plant took 50.5"
    assert plant.writes[-1][1]["V1"] == pytest.approx(51.5)


async def test_a_link_that_is_lost_and_found_is_reopened_and_the_run_goes_on() -> None:
    plant = FaultyPlant(during(8, 10, "deaf"))
    opened: list[int] = []

    async def reconnect() -> None:
        opened.append(plant.tick)
        if len(opened) == 1:
            raise LinkError("still not there")

    summary, cycles = await go(plant, 20, reconnect=reconnect)
    assert opened == [8, 9, 10]
    assert (summary.deaf, summary.reconnects) == (3, 3)
    assert cycles[9].fault == "no samples: the server is not there"
    assert cycles[-1].decision.setpoints is not None


async def test_targets_are_given_at_their_tick_and_never_before() -> None:
    plant = FaultyPlant(lambda tick: "")
    _, cycles = await go(plant, 10, targets=[TargetChange(tick=7, tag="L1", value=55.0)])
    assert [c.decision.target["L1"] for c in cycles] == [50.0] * 7 + [55.0] * 3


async def test_the_heart_beats_only_while_writes_get_through() -> None:
    beats: list[int] = []
    plant = FaultyPlant(during(6, 8, "refused"))

    async def send(count: int) -> None:
        beats.append(plant.tick)

    await go(plant, 12, heartbeat=Heartbeat(send))
    assert beats == [0, 1, 2, 3, 4, 5, 9, 10, 11]


async def test_a_run_goes_on_from_the_state_it_ended_with() -> None:
    plant = FaultyPlant(lambda tick: "")
    summary, _ = await go(plant, 10)
    plant.advance()
    _, cycles = await go(plant, 3, state=summary.state)
    assert cycles[0].decision.setpoints is not None, "no second wait for a window"


async def test_the_desk_knows_what_is_in_force_without_any_display_being_fed() -> None:
    plant = FaultyPlant(lambda tick: "")
    desk = RequestDesk(plant.spec)
    desk.ask(Request(who="console", setpoints={"L1": 52.0}, limits={"V1": (None, 80.0)}))
    await go(plant, HISTORY, operator=desk)
    assert (desk.in_force.setpoints["L1"], desk.in_force.limits["V1"]) == (52.0, (10.0, 80.0))
    with pytest.raises(SpecError, match=r"limits \[10.0, 91.0\] are not inside"):
        desk.ask(Request(who="console", limits={"V1": (None, 91.0)}))
    assert desk.told()[0].startswith("request of console refused (V1 high limit 91)")


class Stepping:
    """All that something must have to be run in place of a controller."""

    def start(self, last_mv: Setpoints) -> dict[str, float]:
        return dict(last_mv)

    def step(
        self,
        samples: Sequence[Sample],
        state: dict[str, float],
        *,
        time: datetime,
        setpoints: Setpoints | None = None,
    ) -> tuple[Decision, dict[str, float]]:
        moved = {name: value + 0.1 for name, value in state.items()}
        return Decision(setpoints=moved, reason="stepping"), moved


async def test_what_can_only_be_stepped_is_run_and_its_requests_are_refused_aloud() -> None:
    plant, cycles = FaultyPlant(lambda tick: ""), list[Cycle]()
    operator = Operator()
    operator.ask(Request(who="console", mode="off"))
    summary = await run(plant, plant, Stepping(), intervals=3, operator=operator, on_cycle=cycles.append)
    assert summary.written == 3
    assert cycles[0].events[0].startswith("request of console refused: ")
    assert summary.state["V1"] == pytest.approx(50.3)


async def test_a_run_of_no_cycles_touches_nothing() -> None:
    plant = FaultyPlant(lambda tick: "")
    summary, cycles = await go(plant, 0)
    assert (summary.cycles, cycles, plant.tick) == (0, [], 0)


async def test_a_run_ends_with_its_clock() -> None:
    class Brief(FaultyPlant):
        async def ticks(self, interval_s: float) -> Any:
            async for tick in LinearPlant.ticks(self, interval_s):
                yield tick
                if self.tick == 4:
                    return

    summary, _ = await go(Brief(lambda tick: ""), 100)
    assert summary.cycles == 5


def test_a_list_can_keep_cycles() -> None:
    assert isinstance([], CycleSink)
