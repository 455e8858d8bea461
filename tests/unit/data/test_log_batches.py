"""A long file is read a batch of rows at a time, and nothing but memory tells."""

import tracemalloc
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from procwm.data.log import read_log, write_log
from procwm.data.series import Log
from procwm.data.tabular import csv_tables, parquet_tables
from procwm.errors import LogError
from procwm.plant.log_settings import LogSettings
from procwm.plant.tags import PlantSpec, Role, Tag

NAMES = ("u", "y", "z")
ROWS = 900


def plant(names: tuple[str, ...] = NAMES) -> PlantSpec:
    roles = {"u": Role.MV, "y": Role.CV}
    tags = [Tag(name=name, role=roles.get(name, Role.PV), range=(0.0, 2000.0)) for name in names]
    return PlantSpec(name="three", interval_s=1.0, tags=tuple(tags))


@pytest.fixture
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(parquet_tables, "_CELLS", 400)
    monkeypatch.setattr(csv_tables, "_BLOCK", 2000)


def wide_frame(rows: int = ROWS) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(rng.uniform(0.0, 1000.0, (rows, 3)).round(2), columns=list(NAMES))
    frame.loc[rng.random(rows) < 0.1, "z"] = np.nan
    time = pd.date_range("2026-01-01", periods=rows, freq="s", tz="UTC")
    return frame.assign(time=time, other="text")


def long_frame() -> pd.DataFrame:
    frame = wide_frame().melt(id_vars="time", value_vars=list(NAMES), var_name="tag").dropna()
    return frame.assign(quality="Good").sort_values(["time", "tag"], ignore_index=True)


def same(one: Log, other: Log) -> bool:
    return one.identity == other.identity and (one.duplicates, one.ignored) == (
        other.duplicates,
        other.ignored,
    )


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
@pytest.mark.parametrize("shape", [wide_frame, long_frame])
def test_a_file_read_in_batches_is_the_file_read_at_once(
    tmp_path: Path, shape: type, suffix: str, request: pytest.FixtureRequest
) -> None:
    frame = shape()
    repeated = pd.concat([frame, frame.iloc[-1:]])
    write_log(tmp_path / f"log.{suffix}", repeated)
    for tags in (("u", "y"), NAMES):
        at_once = read_log(tmp_path / f"log.{suffix}", plant(tags))
        request.getfixturevalue("small_batches")
        assert same(read_log(tmp_path / f"log.{suffix}", plant(tags)), at_once)
    assert at_once.duplicates


@pytest.mark.parametrize("row", [500, 700])
@pytest.mark.usefixtures("small_batches")
def test_a_mistake_in_a_later_batch_is_named_by_its_own_line(tmp_path: Path, row: int) -> None:
    wrong = {
        "time goes backwards for y": long_frame().assign(),
        "two samples": long_frame(),
        "quality is 'Fine'": long_frame(),
        "the text 'much'": long_frame().astype({"value": object}),
    }
    at = next(at for at in range(row, row + 3) if wrong["two samples"]["tag"][at] == "y")
    wrong["time goes backwards for y"].loc[at, "time"] = pd.Timestamp("2025-12-31", tz="UTC")
    wrong["two samples"].loc[at, "time"] = wrong["two samples"]["time"][at - 3]
    before = next(b for b in range(at - 1, 0, -1) if wrong["two samples"]["tag"][b] == "y")
    wrong["two samples"].loc[at, "time"] = wrong["two samples"]["time"][before]
    wrong["quality is 'Fine'"].loc[at, "quality"] = "Fine"
    wrong["the text 'much'"].loc[at, "value"] = "much"
    for sentence, frame in wrong.items():
        frame.to_csv(tmp_path / "log.csv", index=False)
        with pytest.raises(LogError, match=f"line {at + 2}: .*{sentence}"):
            read_log(tmp_path / "log.csv", plant())


@pytest.mark.usefixtures("small_batches")
def test_a_decimal_comma_that_comes_late_is_one(tmp_path: Path) -> None:
    frame = wide_frame()[["time", *NAMES]]
    late = [*map(str, range(ROWS - 1)), "0,5"]
    frame.assign(y=late, u=7, z=1).to_csv(tmp_path / "log.csv", index=False, sep=";")
    series = read_log(tmp_path / "log.csv", plant()).series["y"]
    assert series.value[-2:].tolist() == [ROWS - 2, 0.5]


@pytest.mark.usefixtures("small_batches")
def test_what_is_no_column_of_the_plant_may_be_written_in_any_way(tmp_path: Path) -> None:
    frame = long_frame().astype({"value": object})
    frame.loc[frame["tag"] == "z", "value"] = "1.234,5"
    frame.to_csv(tmp_path / "log.csv", index=False)
    log = read_log(tmp_path / "log.csv", plant(("u", "y")))
    assert log.ignored == ("z",)
    assert len(log.series["y"]) == ROWS


@pytest.mark.parametrize("late", [0x80000000, 64])
@pytest.mark.usefixtures("small_batches")
def test_a_code_of_quality_means_what_all_rows_say(tmp_path: Path, late: int) -> None:
    frame = long_frame().assign(quality=0 if late > 64 else 192)
    frame.loc[len(frame) - 1, "quality"] = late
    frame.to_csv(tmp_path / "log.csv", index=False)
    last = frame["tag"].iloc[-1]
    for name, series in read_log(tmp_path / "log.csv", plant()).series.items():
        wrong = [2 if late > 64 else 1] if name == last else [0]
        assert series.quality[:-1].max() == 0
        assert series.quality[-1:].tolist() == wrong


@pytest.mark.usefixtures("small_batches")
def test_texts_that_mean_no_number_may_stand_in_any_batch(tmp_path: Path) -> None:
    frame = long_frame().astype({"value": object})
    frame.loc[frame.index[::7], "value"] = "I/O Timeout"
    frame.loc[3::7, ["value", "quality"]] = ["Bad Input", "Bad"]
    frame.to_csv(tmp_path / "log.csv", index=False)
    told = replace(plant(), log=LogSettings(blank_texts=("I/O Timeout",)))
    series = read_log(tmp_path / "log.csv", told).series
    bad = sum(int((one.quality == 2).sum()) for one in series.values())
    assert bad == len(frame.index[::7]) + len(frame.index[3::7])
    with pytest.raises(LogError, match=f"line 2: .*I/O Timeout.*{len(frame.index[::7])} times"):
        read_log(tmp_path / "log.csv", plant())


@pytest.mark.usefixtures("small_batches")
def test_tags_that_share_their_times_share_the_memory(tmp_path: Path) -> None:
    for number, frame in enumerate((wide_frame(), long_frame())):
        write_log(tmp_path / f"{number}.parquet", frame)
        series = read_log(tmp_path / f"{number}.parquet", plant()).series
        assert series["u"].time_ns is series["y"].time_ns
        assert series["z"].time_ns is not series["y"].time_ns


def test_memory_does_not_grow_with_what_is_not_asked_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(parquet_tables, "_CELLS", 4000)
    alone = long_frame()
    others = [alone.assign(tag=[f"{number}.{tag}" for tag in alone["tag"]]) for number in range(30)]
    peaks = []
    for number, frame in enumerate((alone, pd.concat([alone, *others]).sort_values("time"))):
        write_log(tmp_path / f"{number}.parquet", frame)
        tracemalloc.start()
        read_log(tmp_path / f"{number}.parquet", plant())
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 2 * peaks[0]
