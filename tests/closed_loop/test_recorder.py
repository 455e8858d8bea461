"""What a run leaves behind."""

import shutil
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
from procwm.errors import LogError
from procwm.runtime.cycle import CycleSink
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
    assert decisions["reason"].iloc[0] == "filling the history: 1 of 6 rows"
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
