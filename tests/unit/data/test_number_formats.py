"""How numbers are written is told from a whole file: none is ever read a thousandfold wrong."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from procwm.data.log import read_log
from procwm.errors import LogError
from procwm.plant.tags import PlantSpec, Role, Tag


def furnace(high: float = 1500.0, low: float = 0.0) -> PlantSpec:
    return PlantSpec(
        name="furnace",
        interval_s=10.0,
        tags=(
            Tag(name="TI1", role=Role.CV, unit="degC", range=(low, high)),
            Tag(name="HV1", role=Role.MV, unit="%", range=(0.0, 2000.0)),
        ),
    )


def values(folder: Path, rows: list[str], plant: PlantSpec | None = None) -> tuple[list[float], list[float]]:
    log = read_log(saved(folder, rows), plant or furnace())
    return log.series["TI1"].value.tolist(), log.series["HV1"].value.tolist()


def saved(folder: Path, rows: list[str]) -> Path:
    separator = next(mark for mark in ";\t|," if mark in rows[0]).replace("|", ",")
    lines = [separator.join(("time", "TI1", "HV1"))]
    for second, row in enumerate(rows):
        lines.append(f"2024-01-01T00:00:{second:02d}Z{separator}{row.replace('|', ',')}")
    path = folder / "log.csv"
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        (["999;12,5", "1.001;13,0"], ([999.0, 1001.0], [12.5, 13.0])),
        (["1,100;40.0", "999;41.5"], ([1100.0, 999.0], [40.0, 41.5])),
        (["1,100\t40.0", "999\t41.5"], ([1100.0, 999.0], [40.0, 41.5])),
        (['"1,100.5"|40.0', "999|41.5"], ([1100.5, 999.0], [40.0, 41.5])),
        (['"12,5"|40', '1.001|"41,5"'], ([12.5, 1001.0], [40.0, 41.5])),
        (["1 100,5;40", "999;41,5"], ([1100.5, 999.0], [40.0, 41.5])),
        (["1\u202f100,5;40", "999;41,5"], ([1100.5, 999.0], [40.0, 41.5])),
        (["1'100.5;40", "999;41.5"], ([1100.5, 999.0], [40.0, 41.5])),
        (["1.234.567;40", "999;41,5"], ([1234567.0, 999.0], [40.0, 41.5])),
        (["+1.5;-2", "1e3;.5"], ([1.5, 1000.0], [-2.0, 0.5])),
        (["50.166|24.969", "49.713|24.969"], ([50.166, 49.713], [24.969, 24.969])),
        (["0.166;24.969", "9.713;24.969"], ([0.166, 9.713], [24.969, 24.969])),
        (["1050.166;24.969", "999.713;24.969"], ([1050.166, 999.713], [24.969, 24.969])),
    ],
)
def test_a_whole_file_tells_how_its_numbers_are_written(
    tmp_path: Path, rows: list[str], expected: tuple[list[float], list[float]]
) -> None:
    assert values(tmp_path, rows) == expected


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (["1.100;40", "1.098;41"], "line 2: column TI1 holds '1.100', which may be 1.1 or 1100"),
        (["1,100;40", "1,098;41"], "line 2: column TI1 holds '1,100', which may be 1.1 or 1100"),
        (["900;40", "1.098\t;41"], "line 3: column TI1 holds '1.098', which may be 1.098 or 1098"),
        (["12.5;40", "13,5;41"], "line 3: column TI1 holds the text '13,5' where a number belongs: above it"),
        (["1.1.100;40", "1;41"], "line 2: column TI1 holds the text '1.1.100' where a number belongs"),
        (["1.10,5;40", "1;41"], "line 2: column TI1 holds the text '1.10,5' where a number belongs"),
        (["1.234.56;40", "1;41"], "line 2: column TI1 holds the text '1.234.56'"),
        (["1'00;40", "1;41"], 'line 2: column TI1 holds the text "1\'00"'),
        (["1 100;40", "1'200;41"], 'line 3: column TI1 holds the text "1\'200"'),
        (['"1,100"|40', "900|41"], "line 2: column TI1 holds '1,100', which may be 1.1 or 1100"),
    ],
)
def test_what_may_be_either_of_two_numbers_is_refused_by_line_and_text(
    tmp_path: Path, rows: list[str], sentence: str
) -> None:
    with pytest.raises(LogError) as caught:
        values(tmp_path, rows)
    assert sentence in str(caught.value)


def test_the_range_of_the_instrument_tells_which_of_two_numbers_it_is(tmp_path: Path) -> None:
    rows = ["1.100;40", "1.098;41"]
    assert values(tmp_path, rows, furnace(10.0))[0] == [1.1, 1.098]
    assert values(tmp_path, rows, furnace(1500.0, 500.0))[0] == [1100.0, 1098.0]


def test_one_odd_number_does_not_turn_all_others_a_thousandfold(tmp_path: Path) -> None:
    rows = [*(f"50.{number};24.969" for number in range(100, 150)), "50.150;24,5"]
    with pytest.raises(LogError, match=r"holds '50\.100', which may be 50\.1 or 50100"):
        values(tmp_path, rows)
    with pytest.raises(LogError, match=r"holds '1\.100', which may be 1\.1 or 1100"):
        values(tmp_path, ["1.100|40", "1.098|41"], furnace(1500.0, 500.0))


def test_numbers_of_other_columns_and_tags_tell_how_a_file_is_written(tmp_path: Path) -> None:
    wide = "time;TI1;HV1;other\n2024-01-01T00:00:00Z;1.100;40;{}\n"
    long = "time;tag;value\n2024-01-01;TI1;1.100\n2024-01-01;HV1;40\n2024-01-01;other;{}\n"
    for text in (wide, long):
        for other, expected in (("12,5", 1100.0), ("12.5", 1.1)):
            path = tmp_path / "log.csv"
            path.write_text(text.format(other))
            assert read_log(path, furnace()).series["TI1"].value.tolist() == [expected]


def test_texts_in_parquet_are_numbers_by_the_same_rule(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    times = pa.array([0, 10**9], pa.timestamp("ns", tz="UTC"))
    pq.write_table(pa.table({"time": times, "TI1": ["999", "1.001"], "HV1": ["12,5", " 13,0 "]}), path)
    log = read_log(path, furnace())
    assert [series.value.tolist() for series in log.series.values()] == [[999.0, 1001.0], [12.5, 13.0]]
    pq.write_table(pa.table({"time": times, "TI1": ["999", "1.001"], "HV1": ["12.5", ""]}), path)
    log = read_log(path, furnace())
    assert [series.value.tolist() for series in log.series.values()] == [[999.0, 1.001], [12.5]]


def test_the_decimal_mark_may_come_late_in_a_long_file(tmp_path: Path) -> None:
    rows = [f"{1000 + number};{number}" for number in range(3000)]
    path = tmp_path / "log.csv"
    lines = [
        f"2024-01-01T{n // 3600:02d}:{n // 60 % 60:02d}:{n % 60:02d}Z;{row}" for n, row in enumerate(rows)
    ]
    lines[-2:] = [line.rsplit(";", 2)[0] + ";1.001;12,5" for line in lines[-2:]]
    path.write_text("\n".join(["time;TI1;HV1", *lines]) + "\n")
    log = read_log(path, furnace())
    assert [series.value[-1] for series in log.series.values()] == [1001.0, 12.5]
