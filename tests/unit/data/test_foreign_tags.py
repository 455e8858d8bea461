"""What a file holds of tags that the plant file does not name never matters."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from procwm.data.log import read_log
from procwm.errors import LogError
from procwm.plant.tags import PlantSpec, Role, Tag

PLANT = PlantSpec(
    name="loop",
    interval_s=1.0,
    tags=(
        Tag(name="TC1.PV", role=Role.CV, unit="degC", range=(0.0, 100.0)),
        Tag(name="TC1.SP", role=Role.MV, unit="degC", range=(0.0, 100.0)),
    ),
)
LONG = (
    "time,tag,value,quality,unit\n"
    "2000-01-01T00:00:00Z,TC1.PV,20.5,Good,degC\n"
    "{}"
    "2000-01-01T00:00:00Z,TC1.SP,30,Good,degC\n"
)


@pytest.mark.parametrize(
    "row",
    [
        b"2000-01-01T00:00:00Z,ALARM,HIGH,Good,\n",
        b"2000-01-01T00:00:00Z,FC9,1.5,192,\n",
        b"2000-01-01T00:00:00Z,FC9,1.5,,bar\n",
        b"1999-01-01T00:00:00Z,FC9,1.5,Good,bar\n",
        b"yesterday,FC9,1.5,Good,bar\n",
        b",FC9,1.5,Good,bar\n",
        b'2000-01-01T00:00:00Z,FC9,"1.234,5",Good,bar\n',
        b"2000-01-01T00:00:00Z,St\xf6rung,\xb0,\xb0,\xb0\n",
        b"2000-01-01T00:00:00Z,NA,nan,Good,\n",
    ],
)
def test_rows_of_other_tags_may_hold_anything(tmp_path: Path, row: bytes) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(LONG.encode().replace(b"{}", row))
    log = read_log(path, PLANT)
    assert [series.value.tolist() for series in log.series.values()] == [[20.5], [30.0]]
    assert len(log.ignored) == 1


def test_the_line_of_a_mistake_is_right_below_rows_of_other_tags(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_text(LONG.replace("{}", "x,FC9,y,z,\n" * 3).replace("30,Good", "thirty,Good"))
    with pytest.raises(LogError, match="line 6: column value holds the text 'thirty'"):
        read_log(path, PLANT)


@pytest.mark.parametrize(
    "cells",
    [
        (b"comment", b"pump tripped"),
        (b"comment", b"St\xf6rung"),
        (b"FC9", b'"1.234,5"'),
        (b"when", b"01.02.2024 10:00"),
        (b"", b""),
        (b",", b","),
        (b"note,note", b"a,b"),
        (b"FC9 [bar],FC9 [bar]", b"1,2"),
    ],
)
def test_columns_of_other_tags_may_hold_anything(tmp_path: Path, cells: tuple[bytes, bytes]) -> None:
    path = tmp_path / "log.csv"
    head, cell = cells
    path.write_bytes(
        b"time,%s,TC1.PV,TC1.SP\n2000-01-01T00:00:00Z,%s,20.5,30\n2000-01-01T00:00:01Z,%s,21.5,31\n"
        % (head, cell, cell)
    )
    log = read_log(path, PLANT)
    assert [series.value.tolist() for series in log.series.values()] == [[20.5, 21.5], [30.0, 31.0]]


def test_a_mark_before_the_header_does_not_shift_its_columns(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    text = "time,TC1.PV,TC1.SP\r\n2000-01-01T00:00:00Z,20.5,30\r\n\r\n2000-01-01T00:00:01Z,x,31\r\n"
    path.write_bytes(b"\xef\xbb\xbf" + text.encode())
    with pytest.raises(LogError, match=r"line 4: column TC1\.PV holds the text 'x'"):
        read_log(path, PLANT)


def test_parquet_values_that_are_texts_for_the_sake_of_other_tags_are_read(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    times = pa.array([0, 0, 0], pa.timestamp("ns", tz="UTC"))
    table = {"time": times, "tag": ["TC1.PV", "STATE", "TC1.SP"], "value": ["20.5", "running", "30"]}
    pq.write_table(pa.table(table), path)
    log = read_log(path, PLANT)
    assert [series.value.tolist() for series in log.series.values()] == [[20.5], [30.0]]
