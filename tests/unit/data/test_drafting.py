"""A plant file drafted from a log: roles, interval and ranges that the log shows."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from procwm.data.drafting.draft import PlantDraft, drafted
from procwm.data.drafting.table_survey import surveyed
from procwm.data.log import read_log, write_log
from procwm.data.series import Log
from procwm.errors import LogError
from procwm.plant import registry
from procwm.plant.log_settings import LogSettings
from procwm.plant.plantfile.specfile import dump_plant, parse_plant
from procwm.plant.scenario import Operation
from procwm.plant.tags import Role

REAL = Path(__file__).parents[3].parent / "shared" / "data"


def draft(*paths: Path, how: LogSettings | None = None) -> PlantDraft:
    return drafted("p", surveyed(paths, how or LogSettings(), column=how is None, form=how is None))


def roles(found: PlantDraft, role: Role) -> set[str]:
    return {tag.name for tag in found.plant.of(role)}


def simulated(scenario: str, hours: float, seed: int, path: Path) -> Path:
    plant = registry.scenario(scenario).simulate(seed=seed, operation=Operation.ROUTINE)
    samples = list(plant.drain())
    for _ in range(round(hours * 3600 / plant.spec.interval_s)):
        plant.advance()
        samples += plant.drain()
    write_log(path, Log.from_samples(samples, plant.spec), plant.spec)
    return path


@pytest.mark.parametrize("seed", [0, 1])
@pytest.mark.parametrize(
    ("scenario", "hours", "cvs"), [("quadruple_tank", 10.0, set()), ("cstr", 30.0, {"TT1.PV"})]
)
def test_the_roles_of_a_simulated_plant_are_found_in_its_log(
    tmp_path: Path, scenario: str, hours: float, cvs: set[str], seed: int
) -> None:
    truth = registry.scenario(scenario).plant
    found = draft(simulated(scenario, hours, seed, tmp_path / "log.parquet"))
    assert roles(found, Role.MV) == set(truth.mv_names)
    # The measurement of the loop whose setpoint is the MV is held by that loop.
    assert roles(found, Role.CV) == {tag.name for tag in truth.cvs} | cvs
    assert found.plant.interval_s == truth.interval_s
    assert {tag.name: tag.unit for tag in found.plant.tags} == {tag.name: tag.unit for tag in truth.tags}
    assert {tag.setpoint_of for tag in found.plant.mvs} == (cvs or {None})


@pytest.mark.skipif(not REAL.is_dir(), reason="the real logs are not here")
@pytest.mark.parametrize(
    ("name", "mvs", "cvs", "interval_s"),
    [
        ("dryer", {"fuel_flow", "fan_speed"}, {"dry_bulb", "wet_bulb"}, 10.0),
        ("heat_exchanger", {"liquid_flow"}, {"outlet_temperature"}, 1.0),
        (
            "evaporator",
            {"feed_flow", "vapor_flow", "cooling_flow"},
            {"dry_matter", "product_flow", "product_temperature"},
            1.0,
        ),
        ("tclab", {"Q1", "Q2"}, {"T1", "T2"}, 1.0),
        ("cascaded_tanks_train", {"pump"}, {"level"}, 8.0),
    ],
)
def test_the_roles_of_a_real_plant_are_found_in_its_log(
    name: str, mvs: set[str], cvs: set[str], interval_s: float
) -> None:
    found = draft(REAL / f"{name}.csv")
    assert (roles(found, Role.MV), roles(found, Role.CV)) == (mvs, cvs)
    assert found.plant.interval_s == interval_s


def two_tags(rows: int = 2000, **more: object) -> pd.DataFrame:
    """A valve that is stepped every 50 rows, and a level that answers it."""
    random = np.random.default_rng(0)
    valve = np.repeat(random.uniform(20.0, 60.0, rows // 50).round(1), 50)
    level = np.zeros(rows)
    for row in range(1, rows):
        level[row] = level[row - 1] + 0.1 * (valve[row - 1] - level[row - 1])
    times = pd.date_range("2024-05-01", periods=rows, freq="30s")
    noisy = level + 0.05 * random.standard_normal(rows)
    return pd.DataFrame({"Datum": times, "LIC7.PV [%]": noisy.round(3), "V7 [%]": valve, **more})


def csv(frame: pd.DataFrame, path: Path) -> Path:
    frame.to_csv(path, index=False)
    return path


def test_a_draft_says_why_and_is_read_back_as_the_same_plant(tmp_path: Path) -> None:
    path = csv(two_tags(), tmp_path / "log.csv")
    found = draft(path)
    text = dump_plant(found.plant, found.notes)
    assert parse_plant(text) == found.plant
    assert "# MV: it is stepped, nothing moves it, and it moves LIC7.PV" in text
    assert "# CV: it comes to rest at V7" in text
    assert 'setpoint_of = "LIC7.PV"' in text
    assert found.plant.log == LogSettings(time_column="Datum")
    assert found.plant.tag("V7").range == (0.0, 100.0)
    low, high = found.plant.tag("V7").bounds
    assert 19.0 < low < 22.0
    assert 58.0 < high < 61.0
    assert len(read_log(path, found.plant).series["V7"]) == 2000


def test_what_is_no_tag_is_left_out_with_its_reason(tmp_path: Path) -> None:
    frame = two_tags(shift="early", spare=7.0, empty=np.nan)
    frame["evil\x1b[2J"] = 1.0
    found = draft(csv(frame, tmp_path / "log.csv"))
    said = " | ".join(found.notes.end)
    assert "shift: it holds 2000 texts, the first 'early'" in said
    assert "spare: it never changes from 7" in said
    assert "empty: it is blank in every row" in said
    assert "evil" in said
    assert set(found.plant.names) == {"LIC7.PV", "V7"}
    assert "\x1b" not in dump_plant(found.plant, found.notes)


def test_a_name_from_outside_ends_neither_a_text_nor_a_comment(tmp_path: Path) -> None:
    frame = two_tags().rename(columns={"V7 [%]": "V\"7'] # x"})
    found = draft(csv(frame, tmp_path / "log.csv"))
    assert parse_plant(dump_plant(found.plant, found.notes)) == found.plant
    assert "V\"7'] # x" in found.plant.names


def test_text_in_a_long_log_leaves_out_its_tag_alone(tmp_path: Path) -> None:
    wide = two_tags().rename(columns={"Datum": "time", "LIC7.PV [%]": "L", "V7 [%]": "V"})
    wide["mode"] = "AUTO"
    long = wide.melt(id_vars="time", var_name="tag").sort_values("time", kind="stable")
    found = draft(csv(long, tmp_path / "log.csv"))
    assert set(found.plant.names) == {"L", "V"}
    assert "mode: it holds 2000 texts" in found.notes.end[0]


def test_a_log_with_one_tag_is_refused_with_what_a_plant_needs(tmp_path: Path) -> None:
    frame = two_tags().drop(columns="V7 [%]").assign(shift="early")
    with pytest.raises(LogError, match=r"1 tags with numbers, .* one that answers; left out: shift"):
        draft(csv(frame, tmp_path / "log.csv"))


def test_a_loop_s_output_is_no_cv(tmp_path: Path) -> None:
    """A setpoint is stepped; a loop moves the valve, and the temperature follows."""
    random, rows = np.random.default_rng(1), 4000
    setpoint = np.repeat(random.uniform(40.0, 60.0, rows // 100).round(), 100)
    temperature, valve, integral = np.full(rows, 50.0), np.zeros(rows), 0.0
    for row in range(1, rows):
        drift = 0.1 * (valve[row - 1] + 20.0 - temperature[row - 1])
        temperature[row] = temperature[row - 1] + drift + 0.02 * random.standard_normal()
        integral += 0.1 * (setpoint[row] - temperature[row])
        valve[row] = 2.0 * (setpoint[row] - temperature[row]) + integral
    times = pd.date_range("2024-05-01", periods=rows, freq="10s", tz="UTC")
    frame = pd.DataFrame({"time": times, "T.SP [K]": setpoint, "T.OP [%]": valve, "T.PV [K]": temperature})
    found = draft(csv(frame, tmp_path / "log.csv"))
    assert roles(found, Role.MV) == {"T.SP"}
    assert roles(found, Role.CV) == {"T.PV"}
    assert found.plant.tag("T.SP").setpoint_of == "T.PV"


def test_a_log_in_which_nothing_answers_gives_a_file_that_asks(tmp_path: Path) -> None:
    random = np.random.default_rng(2)
    times = pd.date_range("2024-05-01", periods=800, freq="10s", tz="UTC")
    frame = pd.DataFrame({"time": times, "A": random.random(800), "B": random.random(800)})
    found = draft(csv(frame, tmp_path / "log.csv"))
    assert any("this log does not tell" in question for question in found.notes.open)
    assert any("nothing answers" in question for question in found.notes.open)
