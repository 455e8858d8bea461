"""A recording survives the death of its process, and is continued."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pandas as pd
import pytest

from procwm.data.log import Log, LogWriter, read_log, write_log
from procwm.data.segments import parts_of
from procwm.errors import LogError, SpecError
from procwm.plant.plantfile.specfile import dump_plant
from procwm.plant.samples import Quality, Sample
from procwm.plant.tags import PlantSpec, Role, Tag

NS = 1_000_000_000
PLANT = PlantSpec(
    name="loop",
    interval_s=1.0,
    tags=(
        Tag(name="y", role=Role.CV, unit="m", range=(0.0, 10.0)),
        Tag(name="u", role=Role.MV, unit="V", range=(0.0, 10.0)),
    ),
)

RECORD_UNTIL_KILLED = """
import itertools, sys
from procwm.data.log import LogWriter
from procwm.plant.samples import Quality, Sample
from procwm.plant.plantfile.specfile import load_plant
plant = load_plant(sys.argv[1])
writer = LogWriter(sys.argv[2], plant)
for tick in itertools.count(int(sys.argv[3])):
    writer.append([Sample(name, tick % 7, Quality.GOOD, tick * 10**9) for name in plant.names])
    print(tick, flush=True)
"""


def cycle(tick: int) -> list[Sample]:
    return [Sample(name, float(tick % 7), Quality.GOOD, tick * NS) for name in ("y", "u")]


def kill_after(folder: Path, first: int, cycles: int) -> int:
    """Record from tick `first` on in another process, kill it, and return the last tick it reported."""
    (folder / "plant.toml").write_text(dump_plant(PLANT), encoding="utf-8")
    script = [sys.executable, "-c", RECORD_UNTIL_KILLED]
    arguments = [str(folder / "plant.toml"), str(folder / "log.parquet"), str(first)]
    with subprocess.Popen([*script, *arguments], stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        reported = [int(process.stdout.readline()) for _ in range(cycles)]
        os.kill(process.pid, signal.SIGKILL)
        reported += [int(line) for line in process.stdout if line.endswith("\n")]
    return reported[-1]


def test_what_was_appended_survives_a_kill_and_is_continued(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    last = kill_after(tmp_path, 0, 20)
    log = read_log(path, PLANT)
    assert log.series["y"].time_ns.tolist()[: last + 1] == [tick * NS for tick in range(last + 1)]
    assert "not closed" in log.notes[0]
    again = kill_after(tmp_path, last + 2, 5)
    with LogWriter(path, PLANT) as writer:
        writer.append(cycle(again + 2))
    log = read_log(path, PLANT)
    expected = {*range(last + 1), *range(last + 2, again + 1), again + 2}
    assert expected <= set((log.series["u"].time_ns // NS).tolist())
    assert log.notes == ()
    assert not parts_of(path).exists()


def test_a_torn_last_batch_costs_only_itself(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "whole.parquet", PLANT) as writer:
        for tick in range(3):
            writer.append(cycle(tick))
        whole = next(parts_of(writer.path).iterdir()).read_bytes()
    torn = tmp_path / "torn.parquet"
    parts_of(torn).mkdir()
    (parts_of(torn) / "000000.arrows").write_bytes(whole[:-5])
    assert read_log(torn, PLANT).series["y"].time_ns.tolist() == [0, NS]


def test_a_closed_recording_is_opened_again_and_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    for tick in range(3):
        with LogWriter(path, PLANT) as writer:
            writer.append(cycle(tick))
    assert read_log(path, PLANT).series["u"].time_ns.tolist() == [0, NS, 2 * NS]
    assert [item.name for item in tmp_path.iterdir()] == ["log.parquet"]


def test_late_and_repeated_samples_end_up_in_order(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    with LogWriter(path, PLANT) as writer:
        writer.append([*cycle(5), *cycle(2)])
        writer.append(
            [*cycle(2), Sample("y", 9.0, Quality.BAD, 5 * NS), Sample("y", 3.5, Quality.GOOD, 2 * NS)]
        )
        unfinished = read_log(path, PLANT)
    log = read_log(path, PLANT)
    assert log.series["y"].value.tolist() == [3.5, 5.0]
    assert log.identity == unfinished.identity
    assert log.duplicates == 0


def test_a_kill_between_merging_and_tidying_doubles_nothing(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    writer = LogWriter(path, PLANT)
    writer.append(cycle(0))
    segments = {part.name: part.read_bytes() for part in parts_of(path).iterdir()}
    writer.close()
    parts_of(path).mkdir()
    for name, content in segments.items():
        (parts_of(path) / name).write_bytes(content)
    assert len(read_log(path, PLANT).series["y"]) == 1
    with LogWriter(path, PLANT) as writer:
        writer.append(cycle(1))
    assert read_log(path, PLANT).series["y"].time_ns.tolist() == [0, NS]


def test_a_recording_can_be_read_with_pandas(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    with LogWriter(path, PLANT) as writer:
        writer.append(cycle(3))
    frame = pd.read_parquet(path)
    assert list(frame.columns) == ["time", "tag", "value", "quality"]
    assert str(frame["time"].dt.tz) == "UTC"
    assert frame["quality"].tolist() == ["Good", "Good"]


def test_a_recording_without_samples_leaves_no_file(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "log.parquet", PLANT) as writer:
        writer.append([])
        with pytest.raises(LogError, match="cannot be read"):
            read_log(tmp_path / "log.parquet", PLANT)
    writer.close()
    assert list(tmp_path.iterdir()) == []


def test_a_recording_does_not_take_the_place_of_another_file(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    path.write_bytes(b"precious")
    with pytest.raises(LogError, match="exists and is not a recording"):
        LogWriter(path, PLANT)
    with pytest.raises(LogError, match="ends in"):
        LogWriter(tmp_path / "log.csv", PLANT)
    assert path.read_bytes() == b"precious"


def test_a_log_written_at_once_can_be_continued_by_a_recording(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    write_log(path, Log.from_samples(cycle(0), PLANT), PLANT)
    with LogWriter(path, PLANT) as writer:
        writer.append(cycle(1))
    assert read_log(path, PLANT).series["u"].time_ns.tolist() == [0, NS]
    wide = tmp_path / "wide.parquet"
    index = pd.date_range("2000-01-01", periods=2, freq="1s", name="time")
    write_log(wide, pd.DataFrame({"y": [1.0, 2.0], "u": [3.0, 3.0]}, index=index), PLANT)
    with pytest.raises(LogError, match="exists and is not a recording"):
        LogWriter(wide, PLANT)


def test_segments_beside_a_file_that_is_no_recording_are_named(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    with LogWriter(path, PLANT) as writer:
        writer.append(cycle(0))
        path.write_bytes(b"something else")
        with pytest.raises(LogError, match="not a recording, although segments"):
            read_log(path, PLANT)
        path.unlink()
    assert read_log(path, PLANT).hours == 0.0


def test_a_recording_in_another_unit_is_not_continued(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    with LogWriter(path, PLANT) as writer:
        writer.append(cycle(0))
    tags = (Tag(name="y", role=Role.CV, unit="cm", range=(0.0, 10.0)), PLANT.tags[1])
    with pytest.raises(LogError, match="y was recorded in m, the plant file says cm"):
        LogWriter(path, PlantSpec(name="loop", interval_s=1.0, tags=tags))


def test_a_tag_that_the_plant_does_not_have_is_not_recorded(tmp_path: Path) -> None:
    with LogWriter(tmp_path / "log.parquet", PLANT) as writer, pytest.raises(SpecError, match="no tag z"):
        writer.append([Sample("z", 1.0, Quality.GOOD, 0)])
