"""Real logs for the benchmark of prediction."""

from pathlib import Path

import numpy as np
import pytest
from learning_cases import PLANT, Record, trained

from procwm.data.log import write_log
from procwm.errors import LogError, SpecError
from procwm.plant.plantfile.specfile import dump_plant
from procwm.plant.scenario import TruthRow
from procwm.testing import exact_model
from procwm_studies import study
from procwm_studies.model import model
from procwm_studies.model.probes import state_probes
from procwm_studies.model.real_logs import INITIAL_ROWS, free_run, real_logs

FOLDER = Path(__file__).parents[3].parent / "shared" / "data"
PLANTS = Path(__file__).parents[3] / "docs" / "benchmarks" / "plants"


def saved(folder: Path, *names: str) -> Path:
    folder.mkdir()
    for seed, name in enumerate(names):
        write_log(folder / name, Record(200, seed=seed).log)
    return folder


@pytest.fixture
def plants(tmp_path: Path) -> Path:
    (tmp_path / "plants").mkdir()
    (tmp_path / "plants" / "tanks.toml").write_text(dump_plant(PLANT), encoding="utf-8")
    return tmp_path / "plants"


def test_the_last_part_of_a_log_tests(tmp_path: Path, plants: Path) -> None:
    (found,) = real_logs(saved(tmp_path / "logs", "tanks.parquet", "other.csv"), plants)
    assert (found.name, found.given) == ("tanks", False)
    assert found.taught.hours == pytest.approx(0.7 * 200 / 360, abs=0.01)
    assert found.taught.end_ns < found.test.start_ns


def test_a_test_file_tests_where_there_is_one(tmp_path: Path, plants: Path) -> None:
    (found,) = real_logs(saved(tmp_path / "logs", "tanks_train.csv", "tanks_test.csv"), plants)
    assert found.given
    assert found.taught.series["LT.PV"].value[20] != found.test.series["LT.PV"].value[20]


def test_a_folder_without_a_log_of_any_plant_file_is_refused(tmp_path: Path, plants: Path) -> None:
    with pytest.raises(SpecError, match=r"plants: no NAME\.toml with a log NAME\.csv"):
        real_logs(saved(tmp_path / "logs", "other.csv"), plants)


def test_a_log_that_is_not_there_is_refused_by_name(tmp_path: Path, plants: Path) -> None:
    logs = saved(tmp_path / "logs", "tanks.csv")
    with pytest.raises(SpecError, match="there is no log pumps; there are tanks"):
        model.run_model(tmp_path / "out", scenarios=["pumps"], logs=logs, plants=plants)


def test_logs_are_refused_where_nothing_takes_them() -> None:
    with pytest.raises(SpecError, match="bench control takes no --logs"):
        study("control", logs=Path("logs"))
    with pytest.raises(SpecError, match="--plants belongs to --logs"):
        study("model", plants=Path("plants"))


def test_a_free_run_sees_the_first_rows_and_then_inputs_alone() -> None:
    log = Record(400, seed=7).log
    error = free_run(trained(), log)
    level = log.series["LT.PV"]
    assert error["procwm"]["LT.PV"] < 0.5 * float(np.std(level.value))
    later = level.time_ns > level.time_ns[INITIAL_ROWS]
    shifted = level.value + np.where(later, 1.0, 0.0)
    series = {**log.series, "LT.PV": type(level)(level.time_ns, shifted, level.quality)}
    moved = free_run(trained(), type(log)(series=series, mv_names=log.mv_names))
    assert moved["procwm"]["LT.PV"] == pytest.approx(1.0, abs=0.5)


def test_a_free_run_of_a_log_that_is_too_short_is_refused() -> None:
    alone = exact_model(PLANT, state_matrix=0.9 * np.eye(2), input_matrix=np.zeros((2, 1)))
    with pytest.raises(LogError, match=f"more than {INITIAL_ROWS} rows"):
        free_run(alone, Record(INITIAL_ROWS).log)


@pytest.mark.skipif(not FOLDER.is_dir(), reason="the real logs are not here")
def test_every_plant_file_of_the_benchmarks_reads_its_log() -> None:
    found = real_logs(FOLDER, PLANTS)
    assert [real.name for real in found] == sorted(path.stem for path in PLANTS.glob("*.toml"))
    assert [real.name for real in found if real.given] == ["cascaded_tanks"]


def test_a_linear_probe_finds_the_hidden_state_in_the_latent_and_not_what_is_not_there() -> None:
    record = Record(1200, seed=7)
    noise = np.random.default_rng(0).standard_normal(1200)
    truth = [
        TruthRow(time_ns=time_ns, state=state, mv=(), disturbance=(), outputs={}, guards={})
        for time_ns, state in zip(
            record.time_ns.tolist(), zip(record.hidden, noise, np.ones(1200), strict=True), strict=True
        )
    ]
    found = state_probes(trained(), record.log, truth, ("hidden", "noise", "still"))
    assert found["hidden"] > 0.9
    assert found["noise"] < 0.1
    assert "still" not in found
