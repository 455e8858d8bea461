"""Logs from files: both forms, both formats, and one sentence for everything that is wrong with them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from procwm.data.log import read_log, write_log
from procwm.data.series import Log, iso_utc
from procwm.errors import LogError
from procwm.plant.samples import Quality, Sample
from procwm.plant.tags import PlantSpec, Role, Tag

NS = 1_000_000_000
START = 946_684_800 * NS
PLANT = PlantSpec(
    name="loop",
    interval_s=1.0,
    tags=(
        Tag(name="TC1.PV", role=Role.CV, unit="degC", range=(0.0, 100.0)),
        Tag(name="TC1.SP", role=Role.MV, unit="degC", range=(0.0, 100.0)),
    ),
)
WIDE = (
    "time,TC1.PV,TC1.SP\n"
    "2000-01-01T00:00:00Z,20.5,30\n"
    "2000-01-01T00:00:01Z,21.5,30\n"
    "2000-01-01T00:00:02Z,,31\n"
)
LONG = (
    "time,tag,value,quality\n"
    "2000-01-01T00:00:00Z,TC1.PV,20.5,Good\n"
    "2000-01-01T00:00:00Z,TC1.SP,30,Good\n"
    "2000-01-01T00:00:01Z,TC1.PV,21.5,Uncertain\n"
    "2000-01-01T00:00:02Z,TC1.PV,,Bad\n"
    "2000-01-01T00:00:02Z,TC1.SP,31,good\n"
)


def saved(folder: Path, text: str, name: str = "log.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def assert_equal(one: Log, other: Log) -> None:
    assert set(one.series) == set(other.series)
    for name, series in one.series.items():
        np.testing.assert_array_equal(series.time_ns, other.series[name].time_ns)
        np.testing.assert_array_equal(series.value, other.series[name].value)
        np.testing.assert_array_equal(series.quality, other.series[name].quality)
    assert one.identity == other.identity


def test_uncertain_samples_count_where_the_plant_file_says_that_they_are_used(tmp_path: Path) -> None:
    path = saved(tmp_path, LONG.replace("20.5,Good", "20.5,Uncertain"))
    with pytest.raises(LogError, match=r"2 Uncertain, 1 Bad\); .* or set use_uncertain = true for it"):
        read_log(path, PLANT)
    used = replace(PLANT, tags=(replace(PLANT.tags[0], use_uncertain=True), PLANT.tags[1]))
    assert read_log(path, used).series["TC1.PV"].usable.value.tolist() == [20.5, 21.5]


def test_a_wide_log_has_a_sample_in_every_filled_cell(tmp_path: Path) -> None:
    log = read_log(saved(tmp_path, WIDE), PLANT)
    np.testing.assert_array_equal(log.series["TC1.PV"].time_ns, [START, START + NS])
    np.testing.assert_array_equal(log.series["TC1.PV"].value, [20.5, 21.5])
    np.testing.assert_array_equal(log.series["TC1.SP"].value, [30.0, 30.0, 31.0])
    assert (log.start_ns, log.end_ns, log.mv_names) == (START, START + 2 * NS, ("TC1.SP",))


def test_a_long_log_keeps_quality(tmp_path: Path) -> None:
    log = read_log(saved(tmp_path, LONG), PLANT)
    assert log.series["TC1.PV"].quality.tolist() == [0, 1, 2]
    assert log.series["TC1.PV"].usable.value.tolist() == [20.5]
    assert log.series["TC1.SP"].value.tolist() == [30.0, 31.0]


@pytest.mark.parametrize("text", [WIDE, LONG])
@pytest.mark.parametrize("suffix", [".parquet", ".csv"])
def test_a_log_written_is_the_log_read(tmp_path: Path, text: str, suffix: str) -> None:
    log = read_log(saved(tmp_path, text), PLANT)
    path = tmp_path / f"again{suffix}"
    write_log(path, log, PLANT)
    assert_equal(read_log(path, PLANT), log)
    assert sorted(item.name for item in tmp_path.iterdir()) == sorted([path.name, "log.csv"])


def test_nanoseconds_and_every_digit_survive_a_csv(tmp_path: Path) -> None:
    samples = [
        Sample("TC1.PV", 0.1 + 0.2, Quality.GOOD, START + 1),
        Sample("TC1.PV", 1e-300, Quality.GOOD, START + NS),
        Sample("TC1.SP", 5.0, Quality.GOOD, START),
    ]
    log = Log.from_samples(samples, PLANT)
    write_log(tmp_path / "log.csv", log)
    assert read_log(tmp_path / "log.csv", PLANT).samples() == sorted(samples, key=lambda s: s.source_ns)


def test_a_frame_with_a_time_index_is_a_wide_log(tmp_path: Path) -> None:
    index = pd.date_range("2000-01-01", periods=3, freq="1s", name="time")
    frame = pd.DataFrame({"TC1.PV": [1.0, 2.0, 3.0], "TC1.SP": [4, 4, 5]}, index=index)
    write_log(tmp_path / "log.parquet", frame)
    log = read_log(tmp_path / "log.parquet", PLANT)
    assert log.series["TC1.SP"].value.tolist() == [4.0, 4.0, 5.0]
    assert log.start_ns == START


@pytest.mark.parametrize(
    "first", ["2000-01-01T00:00:00", "2000-01-01 00:00:00", "2000-01-01T01:00:00+01:00", "2000-01-01T00:00Z"]
)
def test_times_are_utc_whatever_way_they_are_written(tmp_path: Path, first: str) -> None:
    log = read_log(saved(tmp_path, WIDE.replace("2000-01-01T00:00:00Z", first)), PLANT)
    assert log.start_ns == START


def test_several_files_are_stretches_of_one_log(tmp_path: Path) -> None:
    later = saved(tmp_path, WIDE.replace("2000-01-01", "2000-02-01"), "later.csv")
    earlier = saved(tmp_path, LONG, "earlier.csv")
    log = read_log([later, earlier], PLANT)
    assert log.series["TC1.SP"].value.tolist() == [30.0, 31.0, 30.0, 30.0, 31.0]
    assert (np.diff(log.series["TC1.SP"].time_ns) > 0).all()


def test_exact_repetitions_are_dropped_and_counted(tmp_path: Path) -> None:
    rows = LONG.splitlines(keepends=True)
    log = read_log(saved(tmp_path, "".join([*rows[:2], rows[1], *rows[2:]])), PLANT)
    assert log.duplicates == 1
    assert len(log.series["TC1.PV"]) == 3
    path = saved(tmp_path, LONG, "other.csv")
    assert read_log([path, path], PLANT).duplicates == 5


def test_columns_that_the_plant_does_not_name_are_ignored_and_listed(tmp_path: Path) -> None:
    text = "\n".join(line + (",note" if "time" in line else ",x") for line in WIDE.splitlines())
    assert read_log(saved(tmp_path, text), PLANT).ignored == ("note",)
    assert read_log(saved(tmp_path, LONG + "2000-01-01T00:00:03Z,FC9,1,Good\n"), PLANT).ignored == ("FC9",)


@pytest.mark.parametrize("heading", ["TC1.PV [degC]", "TC1.PV[°C]", " TC1.PV [deg C]", "TC1.PV [C]"])
def test_a_heading_may_carry_the_unit(tmp_path: Path, heading: str) -> None:
    log = read_log(saved(tmp_path, WIDE.replace("TC1.PV", heading)), PLANT)
    assert log.series["TC1.PV"].value.tolist() == [20.5, 21.5]


@pytest.mark.parametrize(("separator", "decimal"), [(";", "."), (";", ","), ("\t", ","), ("\t", ".")])
@pytest.mark.parametrize("text", ["wide", "long"])
def test_fields_and_decimals_may_be_marked_otherwise(
    tmp_path: Path, text: str, separator: str, decimal: str
) -> None:
    plain = WIDE if text == "wide" else LONG
    marked = plain.replace(",", separator).replace(".5", f"{decimal}5")
    assert_equal(
        read_log(saved(tmp_path, marked, "marked.csv"), PLANT), read_log(saved(tmp_path, plain), PLANT)
    )


def test_a_wrong_unit_is_refused_wherever_it_is_stated(tmp_path: Path) -> None:
    sentence = r"TC1\.PV is in K, the plant file says degC"
    with pytest.raises(LogError, match=sentence):
        read_log(saved(tmp_path, WIDE.replace("TC1.PV", "TC1.PV [K]")), PLANT)
    rows = [
        line + ("" if index == 2 else ",unit" if index == 0 else ",K")
        for index, line in enumerate(LONG.split())
    ]
    with pytest.raises(LogError, match=sentence):
        read_log(saved(tmp_path, "\n".join(rows).replace("30,Good", "30,Good,degC")), PLANT)
    path = tmp_path / "wide.parquet"
    table = pa.table({"time": [np.datetime64(START, "ns")], "TC1.PV": [1.0], "TC1.SP": [1.0]})
    stated = table.schema.set(1, table.schema.field(1).with_metadata({"unit": "K"}))
    pq.write_table(table.cast(stated), path)
    with pytest.raises(LogError, match=sentence):
        read_log(path, PLANT)
    kelvin = PlantSpec(
        name="loop",
        interval_s=1.0,
        tags=(Tag(name="TC1.PV", role=Role.CV, unit="K", range=(0.0, 400.0)), PLANT.tags[1]),
    )
    write_log(tmp_path / "long.parquet", read_log(saved(tmp_path, WIDE), PLANT), kelvin)
    with pytest.raises(LogError, match=sentence):
        read_log(tmp_path / "long.parquet", PLANT)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "the file is empty"),
        (
            WIDE.replace(",", ";").replace("21.5", "1.021,5"),
            "line 3: column TC1.PV holds the text '1.021,5' where a number belongs",
        ),
        ("\n", "the first line names no columns"),
        ("sep=;\n" + WIDE.replace(",", ";"), "line 1: 'sep=;' is for spreadsheets alone; remove that line"),
        ("time,TC1.PV,TC1.SP\n", "the file has a header and no rows"),
        (WIDE.replace("TC1.PV", "TC1_PV"), "no samples of the tag TC1.PV; nearest are TC1_PV"),
        (WIDE.replace("20.5", "").replace("21.5", ""), "TC1.PV is blank in every row; mend the log or drop"),
        (WIDE.replace("TC1.SP", "tc1.sp"), "no samples of the tag TC1.SP; nearest are tc1.sp, TC1.PV"),
        (LONG.replace("TC1.SP", "FIC"), "no samples of the tag TC1.SP; nearest are TC1.PV"),
        (WIDE.replace("time", "when"), "no column time; its columns are when, TC1.PV, TC1.SP"),
        (WIDE.replace("TC1.PV", "TC1.SP"), "column 'TC1.SP' is named twice"),
        (WIDE.replace("TC1.SP", "TC1.PV [degC]"), "are both the tag TC1.PV"),
        (
            WIDE.replace("21.5", "I/O Timeout"),
            "line 3: column TC1.PV holds the text 'I/O Timeout' where a number belongs",
        ),
        (LONG.replace("21.5", "high"), "line 4: column value holds the text 'high'"),
        (WIDE.replace("00:00:01Z", "00:00:61Z"), "line 3: column time is '2000-01-01T00:00:61Z'"),
        (WIDE.replace("2000-01-01T00:00:01Z", ""), "line 3: column time is blank"),
        (
            WIDE.replace("2000-01-01T00:00:01Z", "1999-12-31T23:59:59Z"),
            "line 3: time goes backwards for TC1.PV, from 2000-01-01T00:00:00Z to 1999-12-31T23:59:59Z",
        ),
        (
            WIDE.replace("00:00:01Z", "00:00:00Z"),
            "line 3: TC1.PV has two samples at 2000-01-01T00:00:00Z: 20.5 and 21.5",
        ),
        (LONG.replace("Uncertain", "192?"), "line 4: quality is '192?' (1 times); it must begin with Good"),
        (LONG.replace(",Uncertain", ","), "line 4: column quality is blank"),
        (LONG.replace("20.5,Good", "20.5,Bad"), "TC1.PV has no Good sample (1 Uncertain, 2 Bad)"),
        (LONG.replace("20.5,Good", "inf,Good"), "TC1.PV has no Good sample"),
        (WIDE[:50], "line 3: 1 fields where the header names 3; the file may have been cut short"),
        (WIDE + "\n\n2000-01-01T00:00:03Z,2\n", "line 7: 2 fields"),
    ],
)
def test_a_wrong_log_is_refused_in_one_sentence(tmp_path: Path, text: str, sentence: str) -> None:
    path = saved(tmp_path, text)
    with pytest.raises(LogError) as caught:
        read_log(path, PLANT)
    assert str(caught.value).startswith(f"{path}: ")
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("start", "sentence"),
    [
        (b"PK\x03\x04", "the file is a workbook or a ZIP archive; save its table as CSV or Parquet"),
        (b"\x1f\x8b", "the file is compressed by gzip"),
    ],
)
def test_a_file_that_only_other_programs_read_is_called_what_it_is(
    tmp_path: Path, start: bytes, sentence: str
) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(start + bytes(range(256)))
    with pytest.raises(LogError, match=sentence):
        read_log(path, PLANT)


@pytest.mark.parametrize("units", [b"[1]", b'{"TC1.PV": 5}', b"{", b"\xff"])
def test_units_that_cannot_be_read_are_a_sentence(tmp_path: Path, units: bytes) -> None:
    path = tmp_path / "log.parquet"
    table = pa.table({"time": [np.datetime64(START, "ns")], "TC1.PV": [1.0], "TC1.SP": [1.0]})
    pq.write_table(table.replace_schema_metadata({b"procwm.units": units}), path)
    with pytest.raises(LogError, match="the units in its metadata cannot be read"):
        read_log(path, PLANT)


def test_a_parquet_file_without_rows_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    pd.DataFrame({"time": pd.to_datetime([]), "TC1.PV": [], "TC1.SP": []}).to_parquet(path)
    with pytest.raises(LogError, match="the file has columns and no rows"):
        read_log(path, PLANT)


@pytest.mark.parametrize("share", [0.0, 0.001, 0.5, 0.99])
def test_a_parquet_file_cut_short_is_refused(tmp_path: Path, share: float) -> None:
    path = tmp_path / "log.parquet"
    write_log(path, read_log(saved(tmp_path, LONG), PLANT), PLANT)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(share * len(whole))])
    with pytest.raises(
        LogError, match=r"log\.parquet: (the file is empty|not a Parquet|damaged or cut short)"
    ):
        read_log(path, PLANT)


def test_a_missing_file_and_no_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(LogError, match="cannot be read: no such file"):
        read_log(tmp_path / "nowhere.parquet", PLANT)
    with pytest.raises(LogError, match="the folder holds no file"):
        read_log("", PLANT)
    with pytest.raises(LogError, match="no log file was named"):
        read_log([], PLANT)


def test_files_that_contradict_each_other_are_refused(tmp_path: Path) -> None:
    one = saved(tmp_path, WIDE, "one.csv")
    other = saved(tmp_path, WIDE.replace("21.5", "99"), "other.csv")
    with pytest.raises(LogError, match=r"the files overlap, and TC1\.PV has two samples"):
        read_log([one, other], PLANT)


def test_a_file_that_is_not_utf8_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "log.csv"
    path.write_bytes(WIDE.replace("TC1.PV", "TC1.PV [°C]").encode("latin-1"))
    with pytest.raises(LogError, match="not UTF-8"):
        read_log(path, PLANT)
    path.write_bytes(WIDE.encode() + b"2000-01-01T00:00:03Z,\xb0,1\n")
    with pytest.raises(LogError, match="not UTF-8"):
        read_log(path, PLANT)


def test_a_failed_write_leaves_nothing_behind(tmp_path: Path) -> None:
    log = read_log(saved(tmp_path, WIDE), PLANT)
    with pytest.raises(LogError, match=r"log\.xlsx: a log's name ends in"):
        write_log(tmp_path / "log.xlsx", log)
    assert [item.name for item in tmp_path.iterdir()] == ["log.csv"]


def test_times_are_shown_without_needless_digits() -> None:
    assert iso_utc(START) == "2000-01-01T00:00:00Z"
    assert iso_utc(START + 1_000_999_999) == "2000-01-01T00:00:01.000999999Z"
    assert iso_utc(START + 500_000_000) == "2000-01-01T00:00:00.5Z"
