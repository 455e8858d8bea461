"""Training, evaluating, guarding and replaying from the command line."""

import functools
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import procwm
from procwm.cli import run
from procwm.data.window import held
from procwm.learning import train as trainer
from procwm.learning.config import TrainingConfig
from procwm.plant.plantfile.specfile import dump_plant
from procwm.plant.registry import scenario
from procwm.world.storage.model_files import load_model


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a plant file, two logs, and a model that took a handful of training steps."""
    folder = tmp_path_factory.mktemp("learning")
    (folder / "plant.toml").write_text(dump_plant(scenario("quadruple_tank").plant), encoding="utf-8")
    for name, seed in (("log.parquet", "0"), ("later.csv", "1")):
        out = str(folder / name)
        assert run(["simulate", "quadruple_tank", "--hours", "4", "--seed", seed, "--out", out]) == 0
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(trainer, "TrainingConfig", functools.partial(TrainingConfig, steps=4, check_every=2))
        learned = ["train", str(folder / "plant.toml"), str(folder / "log.parquet")]
        assert run([*learned, "--out", str(folder / "model")]) == 0
    return folder


def test_training_leaves_a_model_its_page_and_nothing_else(made: Path) -> None:
    left = {path.name for path in made.iterdir()}
    assert left == {"plant.toml", "log.parquet", "later.csv", "model", "model.html"}
    page = (made / "model.html").read_text(encoding="utf-8")
    assert "What every MV does" in page
    assert "Where the log was" in page


def test_the_page_of_a_model_is_made_again_from_its_folder(made: Path, tmp_path: Path) -> None:
    assert run(["report", str(made / "model"), "--out", str(tmp_path / "page.html")]) == 0
    assert (tmp_path / "page.html").read_bytes() == (made / "model.html").read_bytes()


def test_a_folder_that_is_no_model_is_left_as_it_is(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "notes.txt").write_text("mine", encoding="utf-8")
    assert run(["train", str(made / "plant.toml"), str(made / "log.parquet"), "--out", str(tmp_path)]) == 2
    assert "not a model directory" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_an_evaluation_says_that_the_log_is_the_one_the_model_was_learned_from(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    said = "what the model was learned from"
    capsys.readouterr()
    assert run(["evaluate", str(made / "model"), str(made / "log.parquet")]) == 0
    assert said in capsys.readouterr().out
    assert run(["evaluate", str(made / "model"), str(made / "later.csv")]) == 0
    assert said not in capsys.readouterr().out


def test_an_evaluation_is_one_json_object_beside_persistence_and_a_linear_model(
    made: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    capsys.readouterr()
    assert run(["evaluate", str(made / "model"), str(made / "later.csv"), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    for scores in (found["nrmse"], found["persistence"], found["linear"]):
        assert {"1", "5", "20"} <= set(scores)
    assert found["nrmse"]["20"] < found["persistence"]["20"]
    assert found["collapse"]["std"]


def test_an_evaluation_ends_in_a_verdict(made: Path, capsys: pytest.CaptureFixture[str]) -> None:
    capsys.readouterr()
    assert run(["evaluate", str(made / "model"), str(made / "later.csv")]) == 0
    said = capsys.readouterr().out
    assert "fit" in said.strip().splitlines()[-2]
    assert all(f"{cv} per {mv}" in said for cv in ("LT1.PV", "LT2.PV") for mv in ("P1.SP", "P2.SP"))
    assert "times as large with the moves of other moments" in said


def test_a_guardrail_is_learned_from_the_moments_that_were_suggested(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels, guarded = tmp_path / "labels.csv", tmp_path / "guarded"
    command = ["guardrail", str(made / "model"), str(labels), "--name", "high", "--out", str(guarded)]
    assert run([*command, "--suggest", "32"]) == 0
    table = pd.read_csv(labels)
    assert len(table) == 32
    assert table["value"].isna().all()
    table["value"] = table["LT1.PV"] - 14.0
    table.to_csv(labels, index=False)
    assert run(command) == 0
    assert load_model(guarded).guard_names == ("high",)
    assert load_model(made / "model").guard_names == ()


def test_a_soft_sensor_is_learned_and_read_with_its_band(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    times = pd.date_range("1970-01-01", periods=24, freq="8min", tz="UTC")
    log = procwm.read_log(made / "log.parquet", procwm.load_plant(made / "plant.toml"))
    times += pd.Timestamp(log.start_ns, tz="UTC") - times[0] + pd.Timedelta("40min")
    level = held(log.series["LT1.PV"].usable, times.as_unit("ns").asi8, np.inf)
    pd.DataFrame({"time": times, "value": 2.0 * level + 100.0}).to_csv(tmp_path / "known.csv", index=False)
    learned = ["soft-sensor", str(made / "model"), str(tmp_path / "known.csv"), "--name", "double"]
    assert run([*learned, "--out", str(tmp_path / "sensing")]) == 0
    assert "90% of true values within" in capsys.readouterr().out
    replayed = ["replay", str(tmp_path / "sensing"), str(made / "later.csv"), "--out", str(tmp_path / "out")]
    assert run([*replayed, "--decisions", "0"]) == 0
    table = pd.read_csv(tmp_path / "out" / "sensors.csv", parse_dates=["time"])
    assert list(table) == ["time", "double", "double low", "double high"]
    later = procwm.read_log(made / "later.csv", procwm.load_plant(made / "plant.toml"))
    times_ns = pd.DatetimeIndex(table["time"]).as_unit("ns").asi8
    true = 2.0 * held(later.series["LT1.PV"].usable, times_ns, np.inf)
    assert np.corrcoef(table["double"], true)[0, 1] > 0.99
    assert (table["double low"] < table["double high"]).all()


def test_moments_are_added_to_those_that_are_judged(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels, guarded = tmp_path / "labels.csv", tmp_path / "guarded"
    command = ["guardrail", str(made / "model"), str(labels), "--name", "high", "--out", str(guarded)]
    assert run([*command, "--suggest", "16"]) == 0
    first = pd.read_csv(labels)
    capsys.readouterr()
    assert run([*command, "--suggest", "8"]) == 2
    assert "line 2: value is blank" in capsys.readouterr().err
    assert pd.read_csv(labels).equals(first)
    first["value"] = first["LT1.PV"] - 14.0
    # A spreadsheet may save it so, and reads it so again.
    first.to_csv(labels, index=False, sep=";", decimal=",", encoding="utf-8-sig")
    assert run([*command, "--suggest", "8"]) == 0
    both = pd.read_csv(labels, sep=";", decimal=",")
    assert both["time"].is_unique
    pd.testing.assert_frame_equal(both.head(16), first)
    assert both["value"].tail(8).isna().all()
    distance = (both["LT1.PV"] - 14.0).abs()
    assert distance.tail(8).max() < distance.head(16).median()


def test_moments_to_judge_are_not_written_as_parquet(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / "labels.parquet"
    command = ["guardrail", str(made / "model"), str(labels), "--name", "high", "--out", str(tmp_path)]
    assert run([*command, "--suggest", "16"]) == 2
    assert "ends in .csv" in capsys.readouterr().err
    assert not labels.exists()


def test_a_label_that_is_no_number_is_named_and_no_model_is_left(
    made: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = tmp_path / "labels.csv"
    labels.write_text("time,value\n2026-01-05T02:00:00Z,much\n", encoding="utf-8")
    command = ["guardrail", str(made / "model"), str(labels), "--name", "high"]
    assert run([*command, "--out", str(tmp_path / "guarded")]) == 2
    said = capsys.readouterr().err
    assert "much" in said
    assert said.count("\n") == 1
    assert not (tmp_path / "guarded").exists()


def test_a_replay_leaves_a_report_and_its_figures(made: Path, tmp_path: Path) -> None:
    command = ["replay", str(made / "model"), str(made / "later.csv"), "--decisions", "2"]
    assert run([*command, "--out", str(tmp_path)]) == 0
    assert "Plotly.react" in (tmp_path / "report.html").read_text(encoding="utf-8")
    facts = json.loads((tmp_path / "replay.json").read_text(encoding="utf-8"))
    assert facts["decisions"] == 2
    assert {"rows", "tags", "seconds", "rows_per_s", "peak_mb", "whole_s"} <= set(facts)
    assert facts["peak_mb"] > 10.0
    typed, plain = pd.read_parquet(tmp_path / "intervals.parquet"), pd.read_csv(tmp_path / "intervals.csv")
    assert len(typed) == len(plain) == facts["rows"]
    assert list(plain) == ["time", *typed.columns]
    assert typed["P1.SP suggested"].notna().sum() <= 2
