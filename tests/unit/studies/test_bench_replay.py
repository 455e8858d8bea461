"""The long log that the replay is measured on."""

from pathlib import Path

import numpy as np
import pytest
from learning_cases import INTERVAL_NS, record

from procwm.data.log import read_log
from procwm.errors import SpecError
from procwm_studies.runtime.long_logs import Planted, long_plant, write_long_log
from procwm_studies.runtime.replay import repeated, run_replay


def test_a_log_is_repeated_without_a_gap_or_an_overlap() -> None:
    log = record(150).log
    long = repeated(log, hours=2.0, interval_s=10.0)
    level, once = long.series["LT.PV"], log.series["LT.PV"]
    assert len(level) == 720
    assert set(np.diff(level.time_ns).tolist()) == {INTERVAL_NS}
    np.testing.assert_array_equal(level.value[150:300], once.value)
    assert long.hours <= 2.0


def test_a_log_that_is_long_enough_is_cut() -> None:
    log = record(150).log
    short = repeated(log, hours=0.1, interval_s=10.0)
    assert len(short.series["LT.PV"]) == 36


def test_a_long_log_is_the_same_wide_and_long_and_its_mvs_move_seldom(tmp_path: Path) -> None:
    plant = long_plant(12)
    for wide in (True, False):
        write_long_log(tmp_path / f"{wide}.parquet", 12, 12_000, wide=wide)
    one, other = (read_log(tmp_path / f"{wide}.parquet", plant) for wide in (True, False))
    assert one.identity == other.identity
    valve = one.series["U01.MV1"].value
    moved = np.flatnonzero(np.diff(valve))
    assert 20 < (moved < 1440).sum() < 60
    assert (moved >= 1440).sum() < 12


def test_what_is_planted_is_in_the_log(tmp_path: Path) -> None:
    wrong = (
        Planted(kind="frozen", tag="U01.CV1", first=10_000, last=10_300),
        Planted(kind="gap", tag="U01.CV2", first=500, last=700),
    )
    write_long_log(tmp_path / "log.parquet", 6, 11_000, wide=True, planted=wrong)
    series = read_log(tmp_path / "log.parquet", long_plant(6)).series
    assert len(set(series["U01.CV1"].value[10_000:10_300].tolist())) == 1
    assert len(series["U01.CV2"]) == 11_000 - 200


def test_a_replay_of_many_tags_takes_no_scenario(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="--tags or --scenario, not both"):
        run_replay(tmp_path, scenarios=("cstr",), tags=24)
