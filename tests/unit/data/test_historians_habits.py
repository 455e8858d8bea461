"""Logs as historians and data lakes write them: codes for qualities, texts for numbers, folders of files."""

from pathlib import Path

import pytest

from procwm.data.checks.check import check_log
from procwm.data.log import read_log
from procwm.data.series import QUALITIES, Log
from procwm.errors import LogError
from procwm.plant.plantfile.specfile import parse_plant
from procwm.plant.tags import PlantSpec

LONG = "time,tag,value,quality"


def plant(*more: str, log: str = "") -> PlantSpec:
    roles = {"Y": "CV", "U": "MV"} | dict.fromkeys(more, "PV")
    tags = "".join(
        f'[[tag]]\nname = "{name}"\nrole = "{role}"\nunit = ""\nrange = [0.0, 100.0]\n'
        for name, role in roles.items()
    )
    return parse_plant(f'[plant]\nname = "p"\ninterval_s = 60.0\n{tags}{log}')


def write(path: Path, *lines: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def long(path: Path, rows: list[tuple[str, str]]) -> Path:
    lines = [
        f'2024-01-01T00:{minute:02}:00Z,Y,"{value}","{quality}"'
        for minute, (value, quality) in enumerate(rows)
    ]
    good = next(quality for _, quality in rows if quality[:1] not in "0BbU")
    return write(path, LONG, *lines, f'2024-01-01T00:00:00Z,U,5,"{good}"')


def words(log: Log) -> list[str]:
    return [QUALITIES[code].value for code in log.series["Y"].quality]


@pytest.mark.parametrize(
    ("written", "meant"),
    [
        (["192", "216", "64", "0", "24"], ["Good", "Good", "Uncertain", "Bad", "Bad"]),
        (["49344", "192"], ["Good", "Good"]),
        (
            ["Good, Non-Specific", "UNCERTAIN [EU exceeded]", "BadNoCommunication"],
            ["Good", "Uncertain", "Bad"],
        ),
    ],
)
def test_a_quality_is_read_as_a_word_or_as_a_code(
    tmp_path: Path, written: list[str], meant: list[str]
) -> None:
    log = read_log(long(tmp_path / "log.csv", [("1.5", quality) for quality in written]), plant())
    assert words(log) == meant


def test_status_codes_of_opc_ua_are_told_from_those_of_opc_classic(tmp_path: Path) -> None:
    rows = [("1.5", "0"), ("1.5", "1083179008"), ("1.5", "2147483648"), ("1.5", "0")]
    lines = [f"2024-01-01T00:{minute:02}:00Z,Y,{value},{code}" for minute, (value, code) in enumerate(rows)]
    path = write(tmp_path / "log.csv", LONG, *lines, "2024-01-01T00:00:00Z,U,5,0")
    assert words(read_log(path, plant())) == ["Good", "Uncertain", "Bad", "Good"]


def test_a_quality_of_nothing_but_0_may_be_either_and_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", LONG, "2024-01-01T00:00:00Z,Y,1,0", "2024-01-01T00:00:00Z,U,1,0")
    with pytest.raises(LogError, match="quality is 0 throughout, which is Bad as a code of OPC classic"):
        read_log(path, plant())


def test_unknown_qualities_are_named_all_at_once_with_counts(tmp_path: Path) -> None:
    path = long(tmp_path / "log.csv", [("1", "Good"), ("2", "Stale"), ("3", "Stale"), ("4", "300000")])
    with pytest.raises(LogError, match=r"line 3: quality is 'Stale' \(2 times\), '300000' \(1 times\)"):
        read_log(path, plant())


def test_text_in_a_row_that_is_bad_anyway_is_no_mistake(tmp_path: Path) -> None:
    log = read_log(
        long(tmp_path / "log.csv", [("1.5", "Good"), ("I/O Timeout", "Bad"), ("2", "Good")]), plant()
    )
    assert words(log) == ["Good", "Bad", "Good"]
    with pytest.raises(LogError, match="I/O Timeout"):
        read_log(long(tmp_path / "other.csv", [("1.5", "Good"), ("I/O Timeout", "Good")]), plant())


WIDE = (
    "time,Y,U",
    "2024-01-01T00:00Z,Bad Input,1",
    "2024-01-01T00:01Z,5,No Data",
    "2024-01-01T00:02Z,Bad Input,2",
    "2024-01-01T00:03Z,6,2",
)


BLANKS = '[log]\nblank_texts = ["Bad Input", "No Data"]\n'


def test_texts_for_numbers_are_named_all_at_once_with_counts(tmp_path: Path) -> None:
    path = write(tmp_path / "log.csv", *WIDE)
    with pytest.raises(
        LogError, match=r"3 texts are no numbers: 'Bad Input' 2 times, 'No Data' 1 times; .* blank_texts"
    ):
        read_log(path, plant())


def test_texts_that_the_plant_file_names_are_no_samples(tmp_path: Path) -> None:
    log = read_log(write(tmp_path / "log.csv", *WIDE), plant(log=BLANKS))
    assert log.series["Y"].value.tolist() == [5.0, 6.0]
    assert log.series["U"].value.tolist() == [1.0, 2.0, 2.0]


def test_a_tag_that_one_of_several_files_lacks_is_named_and_missing_there(tmp_path: Path) -> None:
    first = write(tmp_path / "1.csv", "time,Y,U,Z", "2024-01-01T00:00Z,1,1,3", "2024-01-01T00:01Z,2,1,3")
    second = write(tmp_path / "2.csv", "time,Y,U", "2024-01-02T00:00Z,1,1", "2024-01-02T00:01Z,2,1")
    log = read_log([first, second], plant("Z"))
    assert [len(log.series[name]) for name in ("Y", "U", "Z")] == [4, 4, 2]
    assert log.notes == ("Z is not in 1 of 2 files: 2.csv",)


def test_tags_that_are_nowhere_are_named_all_at_once(tmp_path: Path) -> None:
    path = write(tmp_path / "1.csv", "time,Y,U", "2024-01-01T00:00Z,1,1")
    with pytest.raises(LogError, match=r"no samples of the tag Z1; .*; nor of Z2, Z3"):
        read_log(path, plant("Z1", "Z2", "Z3"))


def test_a_folder_of_partitions_is_one_log(tmp_path: Path) -> None:
    for day in (1, 2):
        rows = (f"2024-01-0{day}T00:00Z,1,{day}", f"2024-01-0{day}T00:01Z,2,{day}")
        write(tmp_path / "lake" / f"day={day}" / "part-0.csv", "time,Y,U", *rows)
    write(tmp_path / "lake" / "_notes.csv", "of another program")
    assert len(read_log(tmp_path / "lake", plant()).series["Y"]) == 4


def findings(log: Log, spec: PlantSpec) -> str:
    return " | ".join(finding.sentence for finding in check_log(spec, log))


def minutes(start: int, stop: int, day: str) -> list[str]:
    return [
        f"{day} {minute // 60:02}:{minute % 60:02},{minute % 7},{minute % 3}" for minute in range(start, stop)
    ]


@pytest.mark.parametrize(
    ("day", "told"),
    [("2024-03-31", True), ("2024-03-30", False), ("2024-06-30", False)],
)
def test_an_hour_that_is_missing_in_spring_is_told_of_where_times_may_be_local(
    tmp_path: Path, day: str, told: bool
) -> None:
    rows = [*minutes(0, 120, day), *minutes(180, 600, day)]
    log = read_log(write(tmp_path / "log.csv", "time,Y,U", *rows), plant())
    assert ("as where clocks go forward" in findings(log, plant())) == told


def test_a_gap_of_the_whole_plant_is_told_of_though_one_tag_is_reported_by_exception(tmp_path: Path) -> None:
    day = "2024-05-01"
    rows = [f"{row}," for row in [*minutes(0, 300, day), *minutes(600, 900, day)]]
    # Z is reported when it changes: some samples close together, then none for hours.
    rows = [
        row + ("7" if number in (0, 1, 2, 150, 151, 590, 591, 592, 599) else "")
        for number, row in enumerate(rows)
    ]
    spec = plant("Z")
    log = read_log(write(tmp_path / "log.csv", "time,Y,U,Z", *rows), spec)
    said = findings(log, spec)
    assert "once none of the 1 tags that are sampled regularly was heard" in said
    assert "Z is reported by exception" in said
