"""What a run leaves behind."""

import shutil
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
import torch
from hand_clock import HandClock
from linear_loop import HISTORY, LinearPlant, model_of, plant_spec
from pyarrow import ipc
from stub_planners import StubPlanner, stepping

from procwm.control.controller import Controller
from procwm.data.log import read_log
from procwm.data.segments import parts_of
from procwm.data.writer import LogWriter
from procwm.errors import LogError
from procwm.plant.samples import Quality, Sample
from procwm.runtime.cycle import Cycle, CycleSink
from procwm.runtime.decision_rows import DECISION_SCHEMA
from procwm.runtime.loop import run
from procwm.runtime.recorder import Recorder, read_decisions
from procwm.world.heads import SensorHead

CYCLES = HISTORY + 3


async def record(directory: Path, *, killed: Path | None = None) -> LinearPlant:
    """Record a run; `killed` becomes what the directory held when the process could have died."""
    spec = plant_spec()
    plant = LinearPlant(spec, noise=0.1)
    controller = Controller(spec, model_of(spec), planner=StubPlanner(stepping(1.0, 0.0)), clock=HandClock())
    with Recorder(directory, spec) as recorder:
        await run(plant, plant, controller, intervals=CYCLES, recorder=recorder)
        if killed is not None:
            shutil.copytree(directory, killed)
    return plant


async def test_a_run_can_be_read_back_cycle_by_cycle(tmp_path: Path) -> None:
    plant = await record(tmp_path)
    decisions = read_decisions(tmp_path)
    assert len(decisions) == CYCLES
    assert decisions["reason"].iloc[0] == "filling the history: 1 of 6 rows; enough in 40 s"
    assert decisions["plan_mv"].iloc[0] is None
    last = decisions.iloc[-1]
    assert dict(last["setpoints"]) == dict(last["accepted"]) == {"V1": plant.mv[0], "V2": plant.mv[1]}
    assert dict(last["target"]) == {"L1": 50.0, "L2": 50.0}
    assert np.stack(last["plan_mv"]).shape == (10, 2)
    assert (last["rung"], last["mode"], last["plan_status"]) == ("stub", "auto", "optimal")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["decisions.parquet", "samples.parquet"]


async def test_what_soft_sensors_read_is_in_every_decision_that_looked_at_the_plant(tmp_path: Path) -> None:
    spec = plant_spec()
    model = model_of(spec)
    # Reads the first output off the latent, in its own unit.
    network = torch.nn.Sequential(torch.nn.Linear(model.readout.in_features, 1)).double()
    center, width = (float(part[0]) for part in model.scaler.part(model.output_names))
    with torch.no_grad():
        network[0].weight.copy_(width * model.readout.weight[:1])
        network[0].bias.copy_(width * model.readout.bias[:1] + center)
    sensing = model.with_sensor(SensorHead(name="seen", network=network, half_width=1.0, coverage=0.9))
    controller = Controller(spec, sensing, planner=StubPlanner(stepping(1.0, 0.0)), clock=HandClock())
    plant = LinearPlant(spec)
    with Recorder(tmp_path, spec) as recorder:
        await run(plant, plant, controller, intervals=CYCLES, recorder=recorder)
    last = read_decisions(tmp_path).iloc[-1]
    assert dict(last["sensed"]) == {"seen": pytest.approx(dict(last["measured"])["L1"], abs=1e-6)}


async def test_a_recording_of_an_earlier_version_lacks_only_what_that_did_not_know(tmp_path: Path) -> None:
    await record(tmp_path)
    path = tmp_path / "decisions.parquet"
    pq.write_table(pq.read_table(path).drop_columns(["sensed"]), path)
    with Recorder(tmp_path, plant_spec()):
        pass
    decisions = read_decisions(tmp_path)
    assert list(decisions.columns) == DECISION_SCHEMA.names
    assert len(decisions) == CYCLES
    assert decisions["sensed"].isna().all()


async def test_what_an_earlier_version_left_behind_when_it_died_is_read_too(tmp_path: Path) -> None:
    await record(tmp_path / "run", killed=tmp_path / "killed")
    (segment,) = parts_of(tmp_path / "killed" / "decisions.parquet").iterdir()
    written = pq.read_table(tmp_path / "run" / "decisions.parquet").drop_columns(["sensed"])
    with ipc.new_stream(segment, written.schema) as stream:
        stream.write_table(written)
    decisions = read_decisions(tmp_path / "killed")
    assert list(decisions.columns) == DECISION_SCHEMA.names
    assert len(decisions) == CYCLES


async def test_a_recording_is_a_log_to_train_on(tmp_path: Path) -> None:
    plant = await record(tmp_path)
    log = read_log(tmp_path / "samples.parquet", plant.spec)
    assert len(log.series["L1"]) == CYCLES
    assert log.hours == pytest.approx((CYCLES - 1) * 10.0 / 3600.0)


async def test_what_was_recorded_survives_the_death_of_the_process(tmp_path: Path) -> None:
    plant = await record(tmp_path / "run", killed=tmp_path / "killed")
    assert len(read_decisions(tmp_path / "killed")) == CYCLES
    assert len(read_log(tmp_path / "killed" / "samples.parquet", plant.spec).series["L1"]) == CYCLES


async def test_a_row_torn_by_the_death_of_the_process_costs_that_row_only(tmp_path: Path) -> None:
    await record(tmp_path / "run", killed=tmp_path / "killed")
    segment = tmp_path / "killed" / "decisions.parquet.parts" / "000000.arrows"
    segment.write_bytes(segment.read_bytes()[:-40])
    assert len(read_decisions(tmp_path / "killed")) == CYCLES - 1


async def test_a_recording_goes_on_where_it_was_cut_off(tmp_path: Path) -> None:
    plant = await record(tmp_path / "run", killed=tmp_path / "killed")
    spec = plant_spec()
    controller = Controller(spec, model_of(spec), planner=StubPlanner(stepping(1.0, 0.0)), clock=HandClock())
    plant.advance()
    with Recorder(tmp_path / "killed", spec) as recorder:
        await run(plant, plant, controller, intervals=2, recorder=recorder)
    decisions = read_decisions(tmp_path / "killed")
    assert len(decisions) == CYCLES + 2
    assert decisions["time"].is_monotonic_increasing


def test_a_folder_without_a_recording_is_one_clear_sentence(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="no recording of a run"):
        read_decisions(tmp_path)


def test_a_run_that_never_cycled_leaves_no_file(tmp_path: Path) -> None:
    recorder = Recorder(tmp_path, plant_spec())
    recorder.close()
    recorder.close()
    assert not list(tmp_path.iterdir())


def test_a_recorder_keeps_cycles(tmp_path: Path) -> None:
    with Recorder(tmp_path, plant_spec()) as recorder:
        assert isinstance(recorder, CycleSink)


@pytest.mark.parametrize("year", [1601, 1650, 1969, 2300, 9999])
async def test_a_time_that_cannot_be_kept_ends_neither_control_nor_the_record(
    tmp_path: Path, year: int
) -> None:
    spec = plant_spec()
    plant = LinearPlant(spec)
    source_ns = int(np.datetime64(f"{year}-01-01", "s").astype(np.int64)) * 10**9
    drained = plant.drain

    def with_a_wild_time() -> list[Sample]:
        samples = list(drained())
        return [*samples, *(replace(sample, source_ns=source_ns) for sample in samples[:1])]

    plant.drain = with_a_wild_time  # type: ignore[method-assign]
    controller = Controller(spec, model_of(spec), planner=StubPlanner(stepping(1.0, 0.0)), clock=HandClock())
    with Recorder(tmp_path, spec) as recorder:
        await run(plant, plant, controller, intervals=CYCLES, recorder=recorder)
    decisions = read_decisions(tmp_path)
    assert len(decisions) == CYCLES
    assert decisions["setpoints"].iloc[-1] is not None
    assert recorder.lost == 0
    kept = pq.read_table(tmp_path / "samples.parquet")["time"].cast("int64").to_pylist()
    assert min(max(source_ns, 0), 2**63 - 1) in kept


class Failing:
    """A recorder that keeps nothing for a while."""

    def __init__(self) -> None:
        self.cycles: list[Cycle] = []

    def receive(self, samples: tuple[Sample, ...]) -> None:
        raise ValueError("no room for samples")

    def append(self, cycle: Cycle) -> None:
        if 2 <= cycle.tick < 5:
            raise RuntimeError("no such table")
        self.cycles.append(cycle)


async def test_a_recorder_that_fails_is_told_of_and_ends_no_control(caplog: pytest.LogCaptureFixture) -> None:
    spec = plant_spec()
    plant = LinearPlant(spec)
    controller = Controller(spec, model_of(spec), planner=StubPlanner(stepping(1.0, 0.0)), clock=HandClock())
    sink = Failing()
    summary = await run(plant, plant, controller, intervals=CYCLES, recorder=sink)
    assert summary.cycles == CYCLES
    assert summary.written > 0
    assert [cycle.tick for cycle in sink.cycles] == [0, 1, *range(5, CYCLES)]
    assert any("no room for samples" in event for cycle in sink.cycles for event in cycle.events)
    assert "the recorder failed; control goes on" in caplog.text


def test_a_record_that_can_never_be_written_does_not_hold_up_those_behind_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = plant_spec()
    append = LogWriter.append

    def refusing(self: LogWriter, samples: Sequence[Sample]) -> None:
        if samples[0].value == 1.0:
            raise OverflowError("int too big to convert")
        append(self, samples)

    monkeypatch.setattr(LogWriter, "append", refusing)
    with Recorder(tmp_path, spec) as recorder:
        for value in (0.0, 1.0, 2.0):
            recorder.receive((Sample("V1", value, Quality.GOOD, int(value) + 1),))
    assert recorder.lost == 1
    assert pq.read_table(tmp_path / "samples.parquet")["value"].to_pylist() == [0.0, 2.0]
