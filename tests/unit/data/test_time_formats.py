"""Times of a log in other forms than procwm's own, as `[log]` of the plant file says."""

from pathlib import Path

import pytest

from procwm.data.log import read_log
from procwm.data.series import iso_utc
from procwm.errors import LogError, SpecError
from procwm.plant.plantfile.specfile import dump_plant, parse_plant
from procwm.plant.tags import PlantSpec


def plant(log: str) -> PlantSpec:
    tags = "".join(
        f'[[tag]]\nname = "{name}"\nrole = "{role}"\nunit = ""\nrange = [0.0, 10.0]\n'
        for name, role in (("Y", "CV"), ("U", "MV"))
    )
    return parse_plant(f'[plant]\nname = "p"\ninterval_s = 60.0\n{tags}[log]\n{log}')


def read(folder: Path, times: list[str], log: str, *, heading: str = "Date") -> list[str]:
    path = folder / "log.csv"
    rows = [f'"{time}";{number % 7};{number % 3}' for number, time in enumerate(times)]
    path.write_text("\n".join([f"{heading};Y;U", *rows]) + "\n", encoding="utf-8")
    spec = plant(log)
    assert parse_plant(dump_plant(spec)) == spec
    return [iso_utc(int(time_ns)) for time_ns in read_log(path, spec).series["Y"].time_ns]


@pytest.mark.parametrize(
    ("written", "form", "read_as"),
    [
        ("31.01.2024 06:05:00", "%d.%m.%Y %H:%M:%S", "2024-01-31T06:05:00Z"),
        ("01/31/24 06:05 PM", "%m/%d/%y %I:%M %p", "2024-01-31T18:05:00Z"),
        ("31.01.2024 06:05 +0100", "%d.%m.%Y %H:%M %z", "2024-01-31T05:05:00Z"),
        ("1706681100", "epoch s", "2024-01-31T06:05:00Z"),
        ("1706681100.25", "epoch s", "2024-01-31T06:05:00.25Z"),
        ("1706681100123", "epoch ms", "2024-01-31T06:05:00.123Z"),
        ("1706681100123456789", "epoch ns", "2024-01-31T06:05:00.123456789Z"),
        ("45322.253472222222", "excel", "2024-01-31T06:05:00Z"),
        ("2024-01-31 06:05", "iso", "2024-01-31T06:05:00Z"),
    ],
)
def test_a_time_is_read_as_the_plant_file_says(tmp_path: Path, written: str, form: str, read_as: str) -> None:
    (found,) = read(tmp_path, [written], f'time_column = "date"\ntime_format = "{form}"')
    assert found == read_as


def test_local_times_become_utc_in_winter_and_in_summer(tmp_path: Path) -> None:
    zone = 'time_column = "Date"\ntime_zone = "Europe/Berlin"'
    assert read(tmp_path, ["2024-01-31T12:00", "2024-07-31T12:00"], zone) == [
        "2024-01-31T11:00:00Z",
        "2024-07-31T10:00:00Z",
    ]


def test_the_order_of_the_rows_tells_the_two_hours_of_autumn_apart(tmp_path: Path) -> None:
    minutes = [f"2024-10-27 02:{minute:02}" for minute in (0, 20, 40)]
    found = read(
        tmp_path,
        ["2024-10-27 01:40", *minutes, *minutes, "2024-10-27 03:00"],
        'time_column = "Date"\ntime_zone = "Europe/Berlin"',
    )
    assert found[0] == "2024-10-26T23:40:00Z"
    assert found[1:7] == [f"2024-10-27T0{hour}:{minute:02}:00Z" for hour in (0, 1) for minute in (0, 20, 40)]
    assert found[7] == "2024-10-27T02:00:00Z"


@pytest.mark.parametrize(
    ("times", "sentence"),
    [
        (["2024-03-31 01:59", "2024-03-31 02:10", "2024-03-31 02:20"], "2 times that Europe/Berlin does not"),
        (["2024-10-27 01:59", "2024-10-27 02:10"], "1 times of an hour that comes twice in Europe/Berlin"),
    ],
)
def test_a_local_time_that_is_none_or_two_is_refused_with_a_count(
    tmp_path: Path, times: list[str], sentence: str
) -> None:
    with pytest.raises(LogError, match=sentence):
        read(tmp_path, times, 'time_column = "Date"\ntime_zone = "Europe/Berlin"')


def test_a_text_that_is_no_time_is_named_with_its_line_and_how_many_there_are(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"line 3: .*'31.13.2024', and 1 more are no times either"):
        read(
            tmp_path,
            ["30.01.2024", "31.13.2024", "x"],
            'time_column = "Date"\ntime_format = "%d.%m.%Y"',
        )


def test_a_file_of_procwm_s_own_is_read_beside_those_of_a_historian(tmp_path: Path) -> None:
    found = read(
        tmp_path,
        ["2024-01-31T06:05:00Z"],
        'time_column = "Date"\ntime_format = "%d.%m.%Y"',
        heading="time",
    )
    assert found == ["2024-01-31T06:05:00Z"]


@pytest.mark.parametrize(
    ("log", "sentence"),
    [
        ('time_zone = "Europe/Bärlin"', "time_zone is"),
        ('time_format = "iso8601"', "time_format is"),
        ('time_column = " "', "time_column is empty"),
        ("time_zones = 1", "unknown key time_zones; did you mean time_zone"),
    ],
)
def test_a_form_of_times_that_there_is_not_is_refused(log: str, sentence: str) -> None:
    with pytest.raises(SpecError, match=sentence):
        plant(log)
