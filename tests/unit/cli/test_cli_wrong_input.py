"""Wrong input through the command line: its exit code, one sentence on stderr, nothing half written."""

import json
import logging
from collections.abc import Callable
from pathlib import Path

import pandas as pd
import pytest

from procwm.cli import _configure_logging, run
from procwm.plant import registry
from procwm.plant.plantfile.specfile import dump_plant

Command = Callable[..., tuple[int, str]]
LogFile = Callable[[pd.DataFrame], Path]


@pytest.fixture
def command(capsys: pytest.CaptureFixture[str]) -> Command:
    """Runs a command line; returns its exit code and what it said on stderr."""

    def called(*arguments: str | Path) -> tuple[int, str]:
        code = run([str(argument) for argument in arguments])
        return code, capsys.readouterr().err

    return called


@pytest.fixture(scope="module")
def long_log(tmp_path_factory: pytest.TempPathFactory) -> pd.DataFrame:
    """Twenty minutes of a quadruple tank, one row a sample."""
    out = tmp_path_factory.mktemp("log") / "log.csv"
    assert run(["simulate", "quadruple_tank", "--hours", "0.4", "--out", str(out)]) == 0
    return pd.read_csv(out)


@pytest.fixture
def plant_file(tmp_path: Path) -> Path:
    path = tmp_path / "plant.toml"
    path.write_text(dump_plant(registry.scenario("quadruple_tank").plant), encoding="utf-8")
    return path


@pytest.fixture
def log_file(tmp_path: Path) -> LogFile:
    def written(frame: pd.DataFrame) -> Path:
        path = tmp_path / "log.csv"
        frame.to_csv(path, index=False)
        return path

    return written


def one_sentence(said: str) -> bool:
    """Whether `said` is one line, without a traceback."""
    return said.startswith("procwm: ") and said.count("\n") == 1 and "Traceback" not in said


def refused(
    command: Command, plant_file: Path, log: Path, tmp_path: Path, *words: str, code: int = 2
) -> None:
    """Training on `log` exits with `code`, says one sentence with all `words`, and leaves no model."""
    before = set(tmp_path.rglob("*"))
    exit_code, said = command("train", plant_file, log, "--out", tmp_path / "model")
    assert exit_code == code, said
    assert one_sentence(said), said
    assert not [word for word in words if word not in said], said
    assert set(tmp_path.rglob("*")) == before


def test_an_unknown_tag_is_named(
    command: Command, plant_file: Path, long_log: pd.DataFrame, log_file: LogFile, tmp_path: Path
) -> None:
    renamed = long_log.replace({"tag": {"LT2.PV": "LT9.PV"}})
    refused(command, plant_file, log_file(renamed), tmp_path, "LT2.PV", "log.csv")


def test_a_wrong_unit_is_named(
    command: Command, plant_file: Path, long_log: pd.DataFrame, log_file: LogFile, tmp_path: Path
) -> None:
    units = {"LT1.PV": "mm", "LT2.PV": "cm", "P1.SP": "V", "P2.SP": "V", "FT1.PV": "cm3/s", "FT2.PV": "cm3/s"}
    stated = long_log.assign(unit=long_log["tag"].map(units))
    refused(command, plant_file, log_file(stated), tmp_path, "LT1.PV", "mm", "cm")


def test_two_values_for_one_time_are_refused(
    command: Command, plant_file: Path, long_log: pd.DataFrame, log_file: LogFile, tmp_path: Path
) -> None:
    row = long_log[long_log["tag"] == "LT1.PV"].iloc[[20]]
    doubled = pd.concat([long_log, row.assign(value=row["value"] + 1.0)]).sort_values("time", kind="stable")
    refused(command, plant_file, log_file(doubled), tmp_path, "LT1.PV", str(row["time"].iloc[0])[:19])


def test_time_that_goes_backwards_is_refused(
    command: Command, plant_file: Path, long_log: pd.DataFrame, log_file: LogFile, tmp_path: Path
) -> None:
    swapped = pd.concat([long_log.iloc[300:600], long_log.iloc[:300], long_log.iloc[600:]])
    refused(command, plant_file, log_file(swapped), tmp_path, "log.csv", "back")


def test_text_in_a_number_column_is_refused(
    command: Command, plant_file: Path, long_log: pd.DataFrame, log_file: LogFile, tmp_path: Path
) -> None:
    text = long_log.assign(value=long_log["value"].astype(object))
    text.loc[text.index[long_log["tag"] == "LT1.PV"][10], "value"] = "shut down"
    refused(command, plant_file, log_file(text), tmp_path, "shut down", "log.csv: line ")


def test_a_tag_without_a_good_sample_is_named(
    command: Command, plant_file: Path, long_log: pd.DataFrame, log_file: LogFile, tmp_path: Path
) -> None:
    quality = long_log["quality"].where(long_log["tag"] != "LT1.PV", "Bad")
    refused(command, plant_file, log_file(long_log.assign(quality=quality)), tmp_path, "LT1.PV", "Good")


def test_frozen_mvs_cannot_be_identified(
    command: Command, plant_file: Path, long_log: pd.DataFrame, log_file: LogFile, tmp_path: Path
) -> None:
    frozen = long_log.assign(value=long_log["value"].where(long_log["tag"] != "P1.SP", 3.0))
    refused(command, plant_file, log_file(frozen), tmp_path, "P1.SP", "identif", code=1)


def test_a_log_cut_short_is_refused(command: Command, plant_file: Path, tmp_path: Path) -> None:
    log = tmp_path / "log.parquet"
    assert run(["simulate", "quadruple_tank", "--hours", "0.1", "--out", str(log)]) == 0
    command()
    log.write_bytes(log.read_bytes()[:-200])
    refused(command, plant_file, log, tmp_path, "log.parquet")


def test_a_log_that_is_not_there_is_named(command: Command, plant_file: Path, tmp_path: Path) -> None:
    refused(command, plant_file, tmp_path / "nowhere.parquet", tmp_path, "nowhere.parquet")


def test_a_mistake_in_the_plant_file_is_named(command: Command, plant_file: Path) -> None:
    plant_file.write_text(plant_file.read_text().replace("max_move", "maxmove", 1), encoding="utf-8")
    code, said = command("check", plant_file)
    assert code == 2
    assert one_sentence(said)
    assert "maxmove" in said
    assert "P1.SP" in said


def test_a_server_that_is_not_there_ends_a_recording_with_one_sentence(
    command: Command, plant_file: Path, tmp_path: Path
) -> None:
    text = plant_file.read_text().replace("127.0.0.1:4840", "127.0.0.1:9")
    plant_file.write_text(text, encoding="utf-8")
    code, said = command("record", plant_file, "--out", tmp_path / "log.parquet", "--hours", "0.01")
    assert code == 1
    assert one_sentence(said)
    assert "opc.tcp://127.0.0.1:9" in said
    assert [path.name for path in tmp_path.iterdir()] == ["plant.toml"]


def test_a_model_that_is_not_there_is_named(command: Command, tmp_path: Path) -> None:
    code, said = command("evaluate", tmp_path / "nowhere", tmp_path / "log.parquet")
    assert code == 2
    assert one_sentence(said)
    assert "nowhere" in said


@pytest.mark.parametrize(
    "arguments",
    [
        ("simulate", "quadruple_tank", "--out", "log.csv"),
        ("simulate", "quadruple_tank", "--hours", "long", "--out", "log.csv"),
        ("simulate", "no_such_plant", "--hours", "1", "--out", "log.csv"),
        ("plant", "no_such_plant"),
        ("bench", "no_such_bench", "--out", "out"),
        ("no-such-command",),
        ("view", "foo"),
        ("view", "opc.tcp://127.0.0.1"),
        ("serve", "quadruple_tank", "--endpoint", "127.0.0.1:4840"),
    ],
)
def test_wrong_usage_exits_with_two_and_one_sentence(command: Command, arguments: tuple[str, ...]) -> None:
    code, said = command(*arguments)
    assert code == 2
    assert one_sentence(said), said


def test_an_unknown_bench_is_answered_with_the_known_ones(command: Command) -> None:
    _, said = command("bench", "no_such_bench", "--out", "out")
    assert "control" in said
    assert "model" in said


def test_a_check_of_a_log_that_cannot_teach_says_so_and_exits_with_one(
    plant_file: Path, long_log: pd.DataFrame, log_file: LogFile, capsys: pytest.CaptureFixture[str]
) -> None:
    frozen = long_log.assign(value=long_log["value"].where(long_log["tag"] != "P1.SP", 3.0))
    assert run(["check", str(plant_file), str(log_file(frozen)), "--json"]) == 1
    found = json.loads(capsys.readouterr().out)
    assert not found["fit"]
    assert "P1.SP never moves" in " ".join(finding["sentence"] for finding in found["findings"])


def test_several_files_are_checked_as_the_one_log_that_training_makes_of_them(
    plant_file: Path, long_log: pd.DataFrame, log_file: LogFile, capsys: pytest.CaptureFixture[str]
) -> None:
    earlier = log_file(long_log).rename(plant_file.with_name("earlier.csv"))
    times = pd.to_datetime(long_log["time"], format="ISO8601") + pd.Timedelta(days=30)
    later = log_file(long_log.assign(time=times))
    run(["check", str(plant_file), str(earlier), str(later)])
    assert "1 gap without any measurement; the longest is 2" in capsys.readouterr().out


def test_warnings_of_adapters_are_seen_and_those_of_other_libraries_are_not(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(logging.getLogger(), "handlers", [])
    _configure_logging(debug=False)
    for name in ("procwm.runtime.loop", "procwm_adapters.opcua.link.opcua_link", "asyncua.client"):
        logging.getLogger(name).warning("from %s", name)
    assert (
        capsys.readouterr().err
        == "procwm: from procwm.runtime.loop\nprocwm: from procwm_adapters.opcua.link.opcua_link\n"
    )


def test_without_a_command_the_help_is_shown_as_it_is_laid_out(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    helped = capsys.readouterr().out
    assert run([]) == 2
    assert capsys.readouterr().out == helped
    assert run(["--version"]) == 0
    assert capsys.readouterr().out.startswith("procwm 0")
