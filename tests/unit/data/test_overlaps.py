"""Stretches of time that overlap: told of, and two histories never become one."""

from pathlib import Path

import pytest

from procwm.data.log import read_log
from procwm.errors import LogError
from procwm.plant.tags import PlantSpec, Role, Tag

PLANT = PlantSpec(
    name="heater",
    interval_s=10.0,
    tags=(
        Tag(name="TI1", role=Role.CV, range=(0.0, 150.0)),
        Tag(name="HV1", role=Role.MV, range=(0.0, 100.0)),
    ),
)


def saved(folder: Path, name: str, *rows: tuple[float, object, object]) -> Path:
    """Rows of seconds after 02:00, TI1 and HV1."""
    path = folder / name
    lines = [f"2024-10-27T02:{int(s) // 60:02d}:{s % 60:04.1f},{ti},{hv}" for s, ti, hv in rows]
    path.write_text("\n".join(["time,TI1,HV1", *lines]) + "\n")
    return path


def test_files_whose_samples_lie_among_each_other_are_refused(tmp_path: Path) -> None:
    one = saved(tmp_path, "a.csv", (0, 20, 10), (10, 20, 10), (20, 20, 10))
    other = saved(tmp_path, "b.csv", (5, 90, 80), (15, 90, 80))
    for paths in ([one, other], [other, one]):
        with pytest.raises(LogError) as caught:
            read_log(paths, PLANT)
        sentence = str(caught.value)
        assert "b.csv: 2 samples of TI1 from 2024-10-27T02:00:05Z to 2024-10-27T02:00:15Z" in sentence
        assert "a.csv, the first 90 after 20; keep one file for that time, and write UTC" in sentence


def test_files_that_say_the_same_of_the_time_they_share_are_one_log(tmp_path: Path) -> None:
    one = saved(tmp_path, "a.csv", (0, 20, 10), (10, 21, 10), (20, 22, 10))
    other = saved(tmp_path, "b.csv", (10, 21, 10), (20, 22, 10), (30, 23, 10))
    log = read_log([one, other], PLANT)
    assert log.series["TI1"].value.tolist() == [20.0, 21.0, 22.0, 23.0]
    assert log.duplicates == 4


def test_what_repeats_the_value_that_another_file_holds_contradicts_nothing(tmp_path: Path) -> None:
    one = saved(tmp_path, "a.csv", (0, 20, 10), (10, 21, ""), (20, 22, ""), (300, 23, 12))
    other = saved(tmp_path, "b.csv", (10, 21, 10), (300, 23, 12))
    assert read_log([one, other], PLANT).series["HV1"].value.tolist() == [10.0, 10.0, 12.0]


def test_one_file_may_fill_the_gap_of_another(tmp_path: Path) -> None:
    outer = saved(tmp_path, "a.csv", *((s, 20, s) for s in (*range(0, 100, 10), *range(500, 600, 10))))
    inner = saved(tmp_path, "b.csv", *((s, 30, s) for s in range(200, 300, 10)))
    log = read_log([outer, inner], PLANT)
    assert len(log.series["TI1"]) == 30
    into = saved(tmp_path, "b.csv", *((s + 5, 30, s) for s in range(450, 550, 10)))
    with pytest.raises(LogError, match=r"b\.csv: 5 samples of TI1 .* lie among other ones of \S*a\.csv"):
        read_log([outer, into], PLANT)


def local(folder: Path, name: str, hours: list[tuple[str, float]], zone: str = "") -> Path:
    """A file of one row every 10 s, an hour for every `(hour, value)`, the second with a phase of its own."""
    rows = [
        (f"2024-10-27T{hour}:{s // 60:02d}:{s % 60 + phase:04.1f}{zone}", value + s / 1000)
        for (hour, value), phase in zip(hours, (0.0, 0.0, 4.0, 0.0), strict=False)
        for s in range(0, 3600, 10)
    ]
    path = folder / name
    path.write_text("time,TI1,HV1\n" + "".join(f"{time},{value},1\n" for time, value in sorted(rows)))
    return path


def test_an_hour_of_local_time_that_comes_twice_in_one_sorted_file_is_refused(tmp_path: Path) -> None:
    path = local(tmp_path, "log.csv", [("01", 20.0), ("02", 30.0), ("02", 60.0), ("03", 20.0)])
    with pytest.raises(LogError) as caught:
        read_log(path, PLANT)
    assert "TI1 has two samples for one from 2024-10-27T02:00:00Z to 2024-10-27T03:00:00Z" in str(
        caught.value
    )


def test_times_that_say_how_far_they_are_from_utc_tell_the_two_hours_apart(tmp_path: Path) -> None:
    first = local(tmp_path, "a.csv", [("01", 20.0), ("02", 30.0)], "+02:00")
    second = local(tmp_path, "b.csv", [("02", 60.0), ("03", 20.0)], "+01:00")
    log = read_log([first, second], PLANT)
    assert len(log.series["TI1"]) == 4 * 360
    assert log.end_ns - log.start_ns == 14_390 * 10**9


def test_an_hour_that_is_sampled_more_often_than_its_neighbours_is_no_local_time(tmp_path: Path) -> None:
    rows = [(s, 20 + s / 1000, 1) for s in range(0, 3600, 10)]
    path = saved(tmp_path, "log.csv", *rows)
    hours = [path.read_text().replace("T02", f"T{hour}").split("\n", 1)[1] for hour in ("01", "02", "03")]
    path.write_text("time,TI1,HV1\n" + "".join(hours))
    assert len(read_log(path, PLANT).series["TI1"]) == 3 * 360
