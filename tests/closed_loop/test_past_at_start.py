"""A run begins with what is known from before: its own recording, a log, or the history of the server."""

import asyncio
import math
from collections.abc import AsyncIterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from linear_loop import HISTORY, INTERVAL_NS, START_NS, model_of
from opcua_doubles import FakePlant
from test_open_run import OutsideLink
from test_start_at_rest import PLACES, free, looking_back, samples

from procwm.control.controller import Controller
from procwm.control.measurement import rows_wanted, utc
from procwm.data.series import Log
from procwm.data.writer import LogWriter, write_log
from procwm.errors import LinkError
from procwm.plant import registry
from procwm.plant.samples import Quality, Sample
from procwm.plant.tags import PlantSpec
from procwm.runtime.assembly import open_run
from procwm.runtime.cycle import Cycle
from procwm.runtime.usable_past import UsablePast, usable_past
from procwm.testing import exact_model
from procwm_adapters.memory import MemoryLink
from procwm_adapters.opcua.simulation.simulation_server import SimulationServer

LONG = HISTORY + 30
FILLING = rows_wanted(HISTORY) - 1


def resting(place: dict[str, float], first: int, last: int) -> list[Sample]:
    return [sample for tick in range(first, last) for sample in samples(place, tick)]


async def begun(
    spec: PlantSpec, link: Any = None, *, place: dict[str, float] = PLACES[0], cycles: int = 4, **options: Any
) -> tuple[list[Cycle], list[str]]:
    """The first cycles of a run on a plant at rest, and what was announced."""
    controller = Controller(spec, looking_back(spec), deadline_s=20.0)
    told: list[str] = []
    seen: list[Cycle] = []
    link = link or MemoryLink(spec, resting(place, 0, cycles))
    async with open_run(controller, link, clock=_clock, announce=told.append, **options) as live:
        await live.run(cycles, on_cycle=seen.append)
    return seen, told


def _clock(link: Any) -> Any:
    return link


def planned(cycles: Sequence[Cycle]) -> list[bool]:
    return [cycle.decision.setpoints is not None for cycle in cycles]


async def test_without_a_past_the_history_fills() -> None:
    cycles, told = await begun(free(PLACES[0]), cycles=FILLING + 1)
    assert planned(cycles) == [False] * FILLING + [True]
    assert told == []


@pytest.mark.parametrize("place", PLACES, ids=["inside", "at an edge"])
@pytest.mark.parametrize("rows", [FILLING, HISTORY, LONG])
async def test_an_earlier_recording_is_gone_on_from_without_a_bump(tmp_path, place, rows) -> None:
    spec = free(place)
    with LogWriter(tmp_path / "samples.parquet", spec) as writer:
        writer.append(resting(place, -rows, 0))
    cycles, told = await begun(spec, place=place, out=tmp_path)
    assert planned(cycles) == [True] * 4
    moves = [[cycle.decision.setpoints[name] for name in ("V1", "V2")] for cycle in cycles]
    np.testing.assert_allclose(moves, [[place["V1"], place["V2"]]] * 4, atol=1e-3)
    assert len(told) == 1
    known = min(rows + 1, HISTORY)
    assert told[0].startswith(f"the history begins with {known} rows from {tmp_path}/samples.parquet, since ")
    assert told[0].endswith("Z: enough to plan")
    assert told[0] in (tmp_path / "audit.jsonl").read_text()


async def test_a_recording_that_was_killed_is_gone_on_from(tmp_path) -> None:
    spec = free(PLACES[0])
    writer = LogWriter(tmp_path / "samples.parquet", spec)
    writer.append(resting(PLACES[0], -LONG, 0))
    writer.abandon()
    cycles, told = await begun(spec, out=tmp_path)
    assert planned(cycles) == [True] * 4, told


async def test_a_log_on_the_command_line_counts_where_the_recording_is_too_old(tmp_path) -> None:
    spec = free(PLACES[0])
    with LogWriter(tmp_path / "samples.parquet", spec) as writer:
        writer.append(resting(PLACES[0], -LONG, -10))
    log = tmp_path / "before.parquet"
    write_log(log, Log.from_samples(resting(PLACES[0], -LONG, 0), spec), spec)
    cycles, told = await begun(spec, out=tmp_path, history=log)
    assert planned(cycles) == [True] * 4
    assert f"{HISTORY} rows from {log}" in told[0]
    assert f"{tmp_path}/samples.parquet ends 110 s ago; 20 s are the most" in told[0]


@pytest.mark.parametrize("fault", ["ahead", "missing", "damaged"])
async def test_a_log_that_cannot_be_used_is_said_and_the_history_fills(tmp_path, fault) -> None:
    spec, log = free(PLACES[0]), tmp_path / "before.parquet"
    if fault == "ahead":
        write_log(log, Log.from_samples(resting(PLACES[0], -LONG, 60), spec), spec)
    if fault == "damaged":
        log.write_bytes(b"PAR1 and no more")
    cycles, told = await begun(spec, cycles=FILLING + 1, history=log)
    assert planned(cycles) == [False] * FILLING + [True]
    assert told[0].startswith(f"the history begins empty, and fills in {10 * (FILLING + 1)} s; {log} ")
    assert {"ahead": "ahead of our clock", "missing": "cannot be read", "damaged": "cannot be read"}[
        fault
    ] in told[0]


class Historian:
    """A server's history that answers as told."""

    answer = "at once"

    def __init__(self, spec: PlantSpec) -> None:
        self._spec = spec

    async def __aenter__(self) -> "Historian":
        if self.answer == "refuses":
            raise LinkError("the server keeps no history of L1")
        return self

    async def __aexit__(self, *raised: object) -> None:
        pass

    async def read(self, start_ns: int, end_ns: int) -> AsyncIterator[Sequence[Sample]]:
        if self.answer == "fails":
            raise RuntimeError("a bug")
        if self.answer == "never":
            await asyncio.Event().wait()
        yield [sample for sample in resting(PLACES[0], -LONG, 0) if start_ns <= sample.source_ns < end_ns]


class ServedLink(OutsideLink):
    """A plant at rest whose server keeps a history."""

    def drain(self) -> Sequence[Sample]:
        return samples(PLACES[0], self.plant.tick)


@pytest.fixture
def outside(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    about = tmp_path / "site" / "outside-1.0.dist-info"
    about.mkdir(parents=True)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: outside\nVersion: 1.0\n", encoding="utf-8")
    (about / "entry_points.txt").write_text(
        f"[procwm.plants]\nkept = {__name__}:ServedLink\n[procwm.histories]\nkept = {__name__}:Historian\n",
        encoding="utf-8",
    )
    monkeypatch.syspath_prepend(str(about.parent))
    return "kept"


@pytest.mark.parametrize("answer", ["at once", "refuses", "fails", "never"])
async def test_a_history_of_the_server_that_is_slow_or_fails_never_delays_control(
    outside, monkeypatch, answer
) -> None:
    monkeypatch.setattr(Historian, "answer", answer)
    monkeypatch.setattr("procwm.runtime.past_reading._CYCLE_S", 0.01 if answer == "never" else 20.0)
    spec = free(PLACES[0])
    cycles, told = await begun(spec, outside, cycles=FILLING + 1)
    assert planned(cycles)[-1]
    assert planned(cycles)[0] == (answer == "at once")
    assert len(told) == 1
    why = {
        "at once": "rows from the server's history",
        "refuses": "cannot be read (the server keeps no history of L1)",
        "fails": "the server's history cannot be read (a bug)",
        "never": "nothing more was read within 15 s",
    }
    assert why[answer] in told[0]


async def test_a_simulation_server_s_history_over_opc_ua_fills_the_window() -> None:

    async with SimulationServer(FakePlant()) as server:
        await server.advance(60)
        spec = server.spec
        controller = Controller(spec, _crude(spec), deadline_s=20.0)
        told: list[str] = []
        seen: list[Cycle] = []
        opening = open_run(controller, "opcua", clock=registry.clock("opcua"), announce=told.append)
        async with opening as live:
            await live.run(1, on_cycle=seen.append)
    assert "rows from the server's history" in told[0], told
    assert told[0].endswith("enough to plan")
    assert not seen[-1].decision.reason.startswith("filling")


def _crude(spec: PlantSpec) -> Any:
    count, inputs = len(spec.outputs), len(spec.mvs)
    return exact_model(
        spec,
        state_matrix=0.9 * np.eye(count),
        input_matrix=0.1 * np.ones((count, inputs)),
        disturbance_matrix=np.zeros((count, len(spec.dvs))),
        history=20,
    )


def judged(offered: list[Sample], live: list[Sample] | None = None, **in_force: float) -> UsablePast:
    spec = free(PLACES[0])
    live = samples(PLACES[0], 0) if live is None else live
    return usable_past(
        offered,
        live,
        {"V1": 20.0, "V2": 80.0} | in_force,
        plant=spec,
        rule=replace(model_of(spec).rule, hold_s=(30.0,) * 2 + (math.inf,) * 2 + (30.0,)),
        memory=LONG,
        now_ns=START_NS,
    )


def test_only_what_came_after_the_last_long_gap_is_used() -> None:
    gap = judged([*resting(PLACES[0], -LONG, -12), *resting(PLACES[0], -4, 0)])
    assert (gap.rows, gap.since_ns) == (5, START_NS - 4 * INTERVAL_NS)
    assert min(sample.source_ns for sample in gap.samples) >= START_NS - 4 * INTERVAL_NS


def test_a_short_gap_is_lived_through() -> None:
    whole = judged([*resting(PLACES[0], -LONG, -12), *resting(PLACES[0], -10, 0)])
    assert whole.since_ns == START_NS - LONG * INTERVAL_NS


def test_bad_values_fill_no_row() -> None:
    offered = [replace(sample, quality=Quality.BAD) for sample in resting(PLACES[0], -LONG, 0)]
    assert judged(offered).refusal == "has no row before now with an output and every MV in it"


def test_what_an_mv_was_is_never_assumed() -> None:
    before = resting(PLACES[0], -LONG, 0)
    without = [sample for sample in before if sample.tag != "V1"]
    told = [replace(sample, source_ns=START_NS - 100 * INTERVAL_NS) for sample in samples(PLACES[0], 0)]
    assert "no row before now" in judged(without).refusal, "V1 is told of from now on"
    assert judged(without, told).rows == HISTORY, "the plant tells since when V1 has been what it is"
    assert "V1" in judged(without, []).refusal
    assert judged(before, [], V1=26.0).refusal == "does not tell since when V1 has been what is in force"
    assert not judged(before, [replace(samples(PLACES[0], 0)[2], value=26.0)], V1=26.0).refusal


def test_a_thousand_samples_a_row_are_thinned() -> None:
    dense = [
        Sample(tag, value, Quality.GOOD, START_NS - part * INTERVAL_NS // 1000)
        for part in range(1, 1000 * HISTORY)
        for tag, value in PLACES[0].items()
    ]
    kept = judged(dense)
    assert kept.rows == HISTORY
    assert len(kept.samples) <= 12 * HISTORY * len(PLACES[0])


def test_the_first_move_counts_from_what_is_read_back_whatever_the_past_says() -> None:
    spec = free(PLACES[0])
    controller = Controller(spec, looking_back(spec), deadline_s=20.0)
    past = [
        replace(sample, value=35.0) if sample.tag == "V1" else sample
        for sample in resting(PLACES[0], -LONG, 0)
    ]
    state = controller.start({"V1": 20.0, "V2": 80.0}, history=past)
    now = {name: PLACES[0][name] for name in ("L1", "L2", "F1")}
    state = controller.observe(now, state, time=utc(START_NS))
    assert state.in_force == (20.0, 80.0)
    state = controller.observe(now | {"V1": 24.0}, state, time=utc(START_NS + INTERVAL_NS))
    assert state.in_force == (24.0, 80.0)
