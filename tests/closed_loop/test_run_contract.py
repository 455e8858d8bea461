"""A run that a plant can rely on: watchdogs, requests, records that can be taken again, restarts."""

import asyncio
import json
import os
import resource
import signal
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hand_clock import HandClock
from linear_loop import HISTORY, INTERVAL_NS, LinearPlant, model_of, plant_spec
from stub_planners import StubPlanner, stepping

from procwm.control.controller import Controller
from procwm.control.modes import Mode, given_up, request, shed
from procwm.data.log import read_log
from procwm.errors import ArtifactError, LinkError, LogError, OutcomeUnknownError
from procwm.plant.contract import PLANT_HEARTBEAT, ControlSettings
from procwm.plant.request import Request
from procwm.plant.samples import Quality, Sample, Setpoints
from procwm.plant.scenario import TargetChange
from procwm.plant.tags import PlantSpec
from procwm.runtime.audit import check_audit
from procwm.runtime.cycle import Cycle
from procwm.runtime.folder import RunFolder
from procwm.runtime.loop import run
from procwm.runtime.operator import Operator
from procwm.runtime.recorder import Recorder, read_decisions
from procwm.runtime.snapshot import Snapshot
from procwm.runtime.verify import verify

BEGUN = 4


class WatchedPlant(LinearPlant):
    """A plant that also reports signals, and refuses writes when told."""

    def __init__(self, spec: PlantSpec, **options: Any) -> None:
        super().__init__(spec, **options)
        self.signals: dict[str, Any] = {}
        self.refuses: Any = lambda tick: None
        self.connected = True
        self.trouble = ""
        self.writes: list[tuple[int, dict[str, float]]] = []

    def drain(self) -> list[Sample]:
        found = [
            Sample(name, float(value(self.tick)), Quality.GOOD, self.time_ns)
            for name, value in self.signals.items()
        ]
        return [*super().drain(), *found]

    async def write(self, setpoints: Setpoints) -> Setpoints:
        error = self.refuses(self.tick)
        if error is not None:
            raise error
        self.writes.append((self.tick, dict(setpoints)))
        return self.enter(setpoints)


def controller(spec: PlantSpec, *step: float) -> Controller:
    torch.manual_seed(0)  # weights that do nothing are drawn too, and count in the model's hash
    planner = StubPlanner(stepping(*step)) if step else None
    return Controller(spec, model_of(spec), planner=planner, clock=HandClock())


async def go(plant: LinearPlant, made: Controller, intervals: int, **options: Any) -> list[Cycle]:
    cycles: list[Cycle] = []
    await run(plant, plant, made, intervals=intervals, on_cycle=cycles.append, **options)
    return cycles


def modes(cycles: list[Cycle]) -> list[Mode]:
    return [cycle.decision.mode for cycle in cycles]


# Watchdogs


async def test_a_plant_whose_heartbeat_stands_still_is_given_back_and_taken_over_again() -> None:
    spec = replace(plant_spec(), control=ControlSettings(plant_heartbeat_node="ns=2;s=HB"))
    plant = WatchedPlant(spec)
    plant.signals[PLANT_HEARTBEAT] = lambda tick: tick if tick < 8 or tick > 13 else 8
    cycles = await go(plant, controller(spec, 0.5, 0.0), 20)
    # It last changes at tick 8; three intervals later it may still come, at tick 12 it is late.
    assert modes(cycles)[11:13] == [Mode.AUTO, Mode.SHED]
    assert cycles[12].decision.reason == "the plant's heartbeat has stood still for 40 s"
    assert modes(cycles)[-1] is Mode.AUTO


async def test_a_lost_connection_is_told_once_and_again_when_it_is_back(tmp_path: Path) -> None:
    spec = replace(plant_spec(), control=ControlSettings(silent_for_s=30.0))
    plant, made = WatchedPlant(spec), controller(spec, 0.0, 0.0)

    def cut(cycle: Cycle) -> None:
        plant.connected = not 8 <= cycle.tick + 1 < 14
        plant.trouble = "" if plant.connected else "its certificate is not trusted"

    with RunFolder(tmp_path, made) as folder:
        await run(plant, plant, made, intervals=20, recorder=folder, on_cycle=cut)
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    lost = "there is no connection to the plant"
    assert [line["text"] for line in lines if line["event"] == "link"] == [lost, f"over: {lost}"]
    assert [line["text"] for line in lines if "certificate" in line["text"]] == [
        "its certificate is not trusted"
    ]
    assert not {tick for tick, _ in plant.writes} & set(range(12, 14)), "given back after three intervals"


async def test_an_mv_is_written_only_while_the_loop_below_it_is_in_cascade() -> None:
    spec = plant_spec()
    tags = [
        replace(t, cascade_node="ns=2;s=M", cascade_value=2.0) if t.name == "V1" else t for t in spec.tags
    ]
    spec = replace(spec, tags=tuple(tags))
    plant = WatchedPlant(spec)
    plant.signals["V1 mode"] = lambda tick: 2 if tick < 8 or tick > 10 else 1
    cycles = await go(plant, controller(spec, 0.0, 0.5), 13)
    assert ["V1" in setpoints for tick, setpoints in plant.writes if 7 <= tick <= 11] == [
        True,
        *[False] * 3,
        True,
    ]
    assert cycles[9].decision.held == {"V1": "the loop below it is in mode 1, not in 2"}


@pytest.mark.parametrize(
    "error", [LinkError("refused"), OutcomeUnknownError("no answer"), RuntimeError("bug")]
)
async def test_writes_that_never_get_through_end_in_shedding(error: Exception) -> None:
    spec = replace(plant_spec(), control=ControlSettings(silent_for_s=30.0))
    plant = WatchedPlant(spec)
    plant.refuses = lambda tick: error if 6 <= tick < 14 else None
    cycles = await go(plant, controller(spec, 0.5, 0.0), 24)
    assert Mode.SHED in modes(cycles)[9:11]
    assert modes(cycles)[-1] is Mode.AUTO
    assert np.abs(np.diff(np.array(plant.moves), axis=0)).max() <= 0.5 + 1e-9


async def test_a_link_that_is_down_gives_the_plant_back() -> None:
    spec = replace(plant_spec(), control=ControlSettings(silent_for_s=30.0))
    plant = WatchedPlant(spec)
    plant.connected = False
    cycles = await go(plant, controller(spec, 0.5, 0.0), 8)
    assert modes(cycles)[2:4] == [Mode.AUTO, Mode.SHED]
    assert cycles[3].decision.reason == "the plant has not been reached for 30 s"


async def test_an_mv_is_not_written_while_the_mode_of_the_loop_below_it_is_not_known() -> None:
    spec = plant_spec()
    tags = [replace(tag, cascade_node="ns=2;s=M") if tag.name == "V1" else tag for tag in spec.tags]
    plant = WatchedPlant(replace(spec, tags=tuple(tags)))
    cycles = await go(plant, controller(plant.spec, 0.0, 0.5), HISTORY + 4)
    assert plant.writes
    assert not [setpoints for _, setpoints in plant.writes if "V1" in setpoints]
    assert cycles[-1].decision.held == {"V1": "the mode of the loop below it is not known"}


async def test_a_link_that_fails_in_a_way_of_its_own_ends_no_run() -> None:
    class Broken(WatchedPlant):
        def drain(self) -> list[Sample]:
            if 8 <= self.tick < 10:
                raise RuntimeError("a bug in the link")
            return super().drain()

    cycles = await go(Broken(plant_spec()), controller(plant_spec(), 0.0, 0.0), 16)
    assert [cycle.fault for cycle in cycles[7:11]] == [
        "",
        *["no samples: the link failed: a bug in the link"] * 2,
        "",
    ]


async def test_after_a_pause_moves_count_from_what_is_read_back_whatever_the_plants_clock_says() -> None:
    behind_ns = 0

    def stamped(tick: int, samples: list[Sample]) -> list[Sample]:
        return [
            replace(s, source_ns=s.source_ns - behind_ns) if s.tag in ("V1", "V2") else s for s in samples
        ]

    plant, made = WatchedPlant(plant_spec(), change=stamped), controller(plant_spec(), 1.0, 0.0)
    summary = await run(plant, plant, made, intervals=8)
    plant.mv = np.array([30.0, 41.0])
    behind_ns = 100 * INTERVAL_NS
    plant.drain()
    plant.advance()
    plant.writes.clear()
    await run(plant, plant, made, intervals=3, state=summary.state)
    assert plant.writes[0][1] == {"V1": 31.0, "V2": 41.0}


async def test_a_clock_that_goes_back_is_waited_for() -> None:
    class Back(WatchedPlant):
        async def ticks(self, interval_s: float) -> Any:
            async for tick in LinearPlant.ticks(self, interval_s):
                yield tick - (3 * INTERVAL_NS if 8 <= self.tick < 10 else 0)

    plant = Back(plant_spec())
    cycles = await go(plant, controller(plant.spec, 0.5, 0.0), 12)
    assert cycles[8].decision.reason == "the clock went back by 20 s; waiting for its time"
    assert [tick for tick, _ in plant.writes][-2:] == [10, 11]


async def test_what_is_no_number_or_no_tag_of_the_plant_is_survived() -> None:
    def odd(tick: int, samples: list[Sample]) -> list[Sample]:
        wrong = [Sample("L1", 50.0, Quality.GOOD, samples[0].source_ns) for _ in range(2)]
        for sample, value in zip(wrong, ("x", None), strict=True):
            object.__setattr__(sample, "value", value)
        return [*samples, Sample("X9", 1.0, Quality.GOOD, 1), *wrong] if tick >= 6 else samples

    plant = WatchedPlant(plant_spec(), change=odd)
    cycles = await go(plant, controller(plant.spec, 0.5, 0.0), 9)
    assert cycles[-1].decision.setpoints is not None
    assert {sample.tag for sample in cycles[-1].samples} == {"L1", "L2", "V1", "V2", "F1"}


@pytest.mark.parametrize("mode", [Mode.AUTO, Mode.SHADOW])
async def test_a_step_that_raises_gives_the_plant_back_is_told_once_and_can_be_replayed_around(
    mode: Mode, tmp_path: Path
) -> None:
    spec, operator = plant_spec(), Operator()
    plant, made = WatchedPlant(spec), controller(spec, 0.5, 0.0)
    made.mode = mode

    def failing(*_: object) -> None:
        if 8 <= plant.tick < 11:
            operator.ask(Request(who="ann", limits={"V1": (20.0, 80.0)}))
            raise ArithmeticError("no such encoder")

    hook = made.model.encoder.register_forward_pre_hook(failing)
    with RunFolder(tmp_path, made) as folder:
        cycles = await go(plant, made, 16, recorder=folder, operator=operator)
    hook.remove()
    given_back = Mode.SHED if mode is Mode.AUTO else mode
    assert modes(cycles)[7:] == [mode, *[given_back] * 5, *[mode] * 3]
    assert not {8, 9, 10} & {tick for tick, _ in plant.writes}
    assert np.abs(np.diff(np.array(plant.moves), axis=0)).max() <= 0.5 + 1e-9
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    failed = "the controller failed: ArithmeticError: no such encoder"
    assert [line["text"] for line in lines if line["event"] == "plan"] == [failed, "over"]
    assert cycles[-1].decision.limits["V1"] == (20.0, 80.0)
    assert [cycle.differs for cycle in verify(tmp_path, controller(spec, 0.5, 0.0))] == [()] * 13


# Requests


@pytest.mark.parametrize(
    ("asked", "mode"),
    [
        (Request(who="ann", mode=Mode.SHADOW), Mode.SHADOW),
        (Request(who="ann", limits={"V1": (20.0, 80.0)}), Mode.AUTO),
    ],
)
async def test_what_was_asked_for_in_a_cycle_that_failed_holds(asked: Request, mode: Mode) -> None:
    spec, operator = plant_spec(), Operator()
    plant, made = WatchedPlant(spec), controller(spec, 0.5, 0.0)

    def failing(*_: object) -> None:
        if plant.tick == HISTORY:
            raise ArithmeticError("no such encoder")

    def ask(cycle: Cycle) -> None:
        if cycle.tick == HISTORY - 1:
            operator.ask(asked)

    hook = made.model.encoder.register_forward_pre_hook(failing)
    seen: list[Cycle] = []
    await run(
        plant,
        plant,
        made,
        intervals=14,
        operator=operator,
        targets=[TargetChange(tick=HISTORY, tag="L1", value=51.0)],
        on_cycle=lambda cycle: (ask(cycle), seen.append(cycle))[0],
    )
    hook.remove()
    assert seen[HISTORY].decision.reason == "the controller failed: ArithmeticError: no such encoder"
    last = seen[-1].decision
    assert last.mode is mode
    assert last.limits["V1"] == asked.limits.get("V1", (10.0, 90.0))
    assert last.target["L1"] == 51.0


async def test_an_operator_asks_and_is_answered_in_the_audit_log(tmp_path: Path) -> None:
    spec, operator = plant_spec(), Operator()
    plant, made = WatchedPlant(spec), controller(spec, 0.5, 0.0)
    operator.ask(Request(who="ann", mode=Mode.SHADOW, why="shift change"))
    operator.ask(Request(who="bob", limits={"V1": (0.0, 100.0)}))
    with RunFolder(tmp_path, made) as folder:
        assert folder.taken_up(plant.time_ns) is None
        cycles = await go(plant, made, HISTORY, operator=operator, recorder=folder)
    assert cycles[-1].decision.mode is Mode.SHADOW
    assert not plant.writes
    lines = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    told = [line["text"] for line in lines if line["event"] == "request"]
    assert [line["who"] for line in lines if line["event"] == "request"] == ["ann", "bob"]
    assert told[0] == "request of ann taken up: mode shadow shift change"
    assert told[1].startswith("request of bob refused (V1 limits [0, 100]): V1: limits")
    hashes = made.identity.model[:16], made.identity.plant[:16]
    assert {(line["model"], line["config"]) for line in lines} == {hashes}
    assert folder.kpis.summary()["service_factor"] == 0.0


# Records


async def recorded(directory: Path, intervals: int = 16) -> Controller:
    spec = plant_spec()
    operator = Operator()
    plant = WatchedPlant(spec, noise=0.2, seed=3, load=lambda tick: (0.3, 0.0))
    plant.refuses = lambda tick: OutcomeUnknownError("no answer") if tick == 8 else None
    operator.ask(Request(who="ann", setpoints={"L1": 53.0}, on={"V2": False}))
    made = controller(spec)
    with RunFolder(directory, made) as folder:
        await go(plant, made, intervals, recorder=folder, operator=operator)
    return made


async def test_every_cycle_of_a_recorded_run_can_be_taken_again_to_the_last_bit(tmp_path: Path) -> None:
    made = await recorded(tmp_path)
    again = list(verify(tmp_path, Controller(made.plant, made.model, clock=HandClock())))
    assert len(again) == 16
    assert [cycle.differs for cycle in again] == [()] * 16
    assert any(setpoints for setpoints in read_decisions(tmp_path)["setpoints"])
    other = Controller(made.plant, made.model, planner=StubPlanner(stepping(0.1, 0.0)))
    assert any(cycle.differs for cycle in verify(tmp_path, other)), "it notices another decision"
    stranger = Controller(made.plant, model_of(made.plant, guard_above=90.0))
    with pytest.raises(ArtifactError, match="another model"):
        list(verify(tmp_path, stranger))


async def test_what_a_plant_took_in_place_of_a_move_is_recorded_and_taken_again(tmp_path: Path) -> None:
    class Cutting(WatchedPlant):
        async def write(self, setpoints: Setpoints) -> Setpoints:
            return await super().write({name: min(value, 51.2) for name, value in setpoints.items()})

    def mute(tick: int, samples: list[Sample]) -> list[Sample]:
        return [sample for sample in samples if sample.tag not in ("V1", "V2") or tick < 5]

    plant = Cutting(plant_spec(), change=mute)
    with RunFolder(tmp_path, controller(plant.spec, 0.5, 0.0)) as folder:
        cycles = await go(plant, controller(plant.spec, 0.5, 0.0), 12, recorder=folder)
    told = [cycle.inputs.in_force for cycle in cycles if cycle.inputs is not None]
    assert told[-1] == {"V1": 51.2, "V2": 50.0}
    assert [setpoints["V1"] for _, setpoints in plant.writes][-2:] == [51.2, 51.2]
    assert cycles[-1].decision.setpoints is not None
    assert cycles[-1].decision.setpoints["V1"] == pytest.approx(51.7), "it goes on from what is in force"
    assert not any(cycle.differs for cycle in verify(tmp_path, controller(plant.spec, 0.5, 0.0)))


async def test_an_audit_log_that_was_altered_is_noticed(tmp_path: Path) -> None:
    await recorded(tmp_path, 10)
    path = tmp_path / "audit.jsonl"
    assert check_audit(path) >= 4
    text = path.read_text()
    path.write_text(text.replace("ann", "eve"))
    with pytest.raises(LogError, match="it was altered"):
        check_audit(path)
    path.write_text("".join(text.splitlines(keepends=True)[1:]))
    with pytest.raises(LogError, match="line 1"):
        check_audit(path)


@contextmanager
def full_disk(room: int = 3000) -> Iterator[None]:
    """No file of this process grows beyond `room` bytes."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (room, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


async def test_a_full_disk_stops_no_control_and_loses_no_row(tmp_path: Path) -> None:
    spec = plant_spec()
    plant, made = WatchedPlant(spec), controller(spec, 0.5, 0.0)
    cycles: list[Cycle] = []
    with RunFolder(tmp_path, made) as folder:
        cycles += await go(plant, made, 8, recorder=folder, snapshot=folder.snapshot)
        plant.advance()
        with full_disk():
            cycles += await go(plant, made, 6, recorder=folder, snapshot=folder.snapshot)
        plant.advance()
        cycles += await go(plant, made, 8, recorder=folder, snapshot=folder.snapshot)
    decisions = read_decisions(tmp_path)
    assert decisions["time"].astype("int64").tolist() == [cycle.time_ns for cycle in cycles]
    log = read_log(tmp_path / "samples.parquet", spec)
    assert len(log.series["L1"]) == 22
    assert check_audit(tmp_path / "audit.jsonl") > 0


class Shared(WatchedPlant):
    """A plant whose first MV somebody else writes at some ticks; its valves may be elsewhere than sent."""

    def __init__(self, spec: PlantSpec, ticks: Collection[int], noise: float = 0.0) -> None:
        self._ticks, self._jitter = ticks, noise
        super().__init__(spec)

    def _measure(self) -> None:
        if self.tick in self._ticks:
            self.mv = np.array([70.0, self.mv[1]])
        read, self.mv = self.mv, self.mv + self._jitter * self._rng.standard_normal(2)
        super()._measure()
        self.mv = read


async def test_a_plant_whose_mvs_somebody_else_writes_too_is_given_back() -> None:
    plant = Shared(plant_spec(), range(8, 40))
    cycles = await go(plant, controller(plant.spec, 0.5, 0.0), 16)
    shed = next(number for number, mode in enumerate(modes(cycles)) if mode is Mode.SHED)
    assert shed == 10
    assert cycles[shed].decision.reason.startswith("V1: somebody else writes it, too; it read 70 after ")
    assert not [tick for tick, _ in plant.writes if tick >= shed]


@pytest.mark.parametrize(("ticks", "noise"), [((8, 25), 0.0), ((), 0.5)])
async def test_one_move_by_hand_and_a_valve_that_is_never_where_it_was_sent_are_no_other_writer(
    ticks: tuple[int, ...], noise: float
) -> None:
    plant = Shared(plant_spec(), ticks, noise)
    cycles = await go(plant, controller(plant.spec, 0.5, 0.0), 40)
    assert Mode.SHED not in modes(cycles)


# Restarts


async def served_run(directory: Path, phase: str) -> None:
    """A run in a process of its own that dies by SIGKILL in a phase of its tenth cycle."""

    def die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    spec = plant_spec()

    class Dying(WatchedPlant):
        def drain(self) -> list[Sample]:
            if phase == "drain" and self.tick == 10:
                die()
            return super().drain()

        async def write(self, setpoints: Setpoints) -> Setpoints:
            if phase == "before write" and self.tick == 10:
                die()
            accepted = await super().write(setpoints)
            (directory / "plant.json").write_text(json.dumps([self.tick, *self.mv]))
            if phase == "after write" and self.tick == 10:
                die()
            return accepted

    class DyingRecorder(Recorder):
        def append(self, cycle: Cycle) -> None:
            super().append(cycle)
            if phase == "recorded" and cycle.tick == 10:
                die()

    class DyingSnapshot(Snapshot):
        def keep(self, state: Any) -> None:
            if phase == "snapshot" and state.time_ns >= 1_760_000_000_000_000_000 + 10 * INTERVAL_NS:
                self.path.with_name(".state.1.partial").write_bytes(state.to_bytes()[:100])
                die()
            super().keep(state)

    plant, made = Dying(spec), controller(spec, 0.5, -0.5)
    recorder = DyingRecorder(directory, spec)
    await go(plant, made, 30, recorder=recorder, snapshot=DyingSnapshot(directory / "state"))


@pytest.mark.parametrize("phase", ["drain", "before write", "after write", "recorded", "snapshot"])
def test_a_run_killed_in_any_phase_goes_on_within_an_interval_and_without_a_jump(
    phase: str, tmp_path: Path
) -> None:
    child = os.fork()
    if child == 0:
        try:
            asyncio.run(served_run(tmp_path, phase))
        finally:
            os._exit(1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    _, *held = json.loads((tmp_path / "plant.json").read_text())
    spec = plant_spec()
    plant, made = WatchedPlant(spec), controller(spec, 0.5, -0.5)
    plant.mv = np.array(held)
    plant.drain()
    plant.tick = 10
    plant.advance()
    with RunFolder(tmp_path, made) as folder:
        state = folder.taken_up(plant.time_ns)
        assert state is not None
        cycles = asyncio.run(go(plant, made, 2, state=state, recorder=folder, snapshot=folder.snapshot))
    assert cycles[0].decision.setpoints == {"V1": held[0] + 0.5, "V2": held[1] - 0.5}, "its first interval"
    assert len(read_decisions(tmp_path)) in (12, 13)
    assert check_audit(tmp_path / "audit.jsonl") > 0


def test_a_run_that_is_started_again_after_its_model_was_given_up_does_not_write(tmp_path: Path) -> None:
    made = controller(plant_spec(), 0.5, 0.0)
    now_ns = WatchedPlant(made.plant).time_ns
    begun = made.start({"V1": 40.0, "V2": 40.0})
    for given_back, mode in (
        (given_up(begun.mode, "the model is not believed"), Mode.SHED),
        (shed(begun.mode, "the link is lost"), Mode.SHED),
        (request(begun.mode, Mode.SHADOW), Mode.AUTO),
    ):
        with RunFolder(tmp_path / mode / given_back.requested, made) as folder:
            folder.snapshot.keep(replace(begun, mode=given_back, time_ns=now_ns))
            state = folder.taken_up(now_ns)
        assert state is not None
        assert state.mode.actual is mode


def test_a_state_that_is_too_old_or_foreign_is_not_taken_up(tmp_path: Path) -> None:
    made = controller(plant_spec(), 0.5, 0.0)
    plant = WatchedPlant(made.plant)
    snapshot = Snapshot(tmp_path / "state")
    assert snapshot.taken_up(made, plant.time_ns)[1] == "started anew: there is no earlier state"
    asyncio.run(go(plant, made, 6, snapshot=snapshot))
    now_ns = plant.time_ns
    assert snapshot.taken_up(made, now_ns + INTERVAL_NS)[0] is not None
    assert "s old" in snapshot.taken_up(made, now_ns + 60 * INTERVAL_NS)[1]
    other = Controller(made.plant, model_of(made.plant, guard_above=90.0))
    assert "another model" in snapshot.taken_up(other, now_ns)[1]
    snapshot.path.write_bytes(snapshot.path.read_bytes()[:-9])
    assert "cut short" in snapshot.taken_up(made, now_ns)[1]


async def test_words_from_outside_are_told_as_words_and_no_row_is_lost_to_them(tmp_path: Path) -> None:
    commanding = "\x1b[2J\r\n\u202e\udcff"
    spec = plant_spec()
    plant, operator = WatchedPlant(spec), Operator()
    plant.trouble = f"in trouble {commanding}"
    plant.refuses = lambda tick: LinkError(commanding) if tick == HISTORY + 2 else None
    operator.ask(Request(who=commanding, why="", mode="none"))
    controller = Controller(spec, model_of(spec), clock=HandClock())
    with RunFolder(tmp_path, controller) as folder:
        await run(plant, plant, controller, intervals=HISTORY + 5, recorder=folder, operator=operator)
    kept = read_decisions(tmp_path)
    assert len(kept) == HISTORY + 5
    told = [json.loads(line) for line in (tmp_path / "audit.jsonl").read_text().splitlines()]
    assert [line["who"] for line in told if line["event"] == "request"] == [r"\x1b[2J\r\n\u202e\udcff"]
    assert all(line["text"].isprintable() for line in told)
    assert sum(r"\x1b[2J" in fault for fault in kept["fault"]) == 1
