"""The commands about simulated plants."""

import json
import re
from pathlib import Path

import pytest

from procwm.cli import run
from procwm.data.log import read_log
from procwm.plant.plantfile.specfile import load_plant, parse_plant

COMMANDS = (
    "approve", "bench", "certificate", "check", "compare", "demo", "evaluate", "guardrail", "import", "init",
    "plant", "record", "rehearse", "replay", "report", "run", "scenarios", "serve", "simulate", "soft-sensor",
    "train", "view",
)  # fmt: skip


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert run([command, "--help"]) == 0
    said = capsys.readouterr().out
    assert said.startswith(f"Usage: procwm {command}")
    assert "Options:" in said
    assert not re.search(r"<[a-z]", said), "a type of the program"


def test_the_help_lists_every_command(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["--help"]) == 0
    said = capsys.readouterr().out
    listed = {
        line.split()[0]
        for line in said.split("Commands:")[1].splitlines()
        if line.startswith("  ") and line[2] != " "
    }
    assert listed == set(COMMANDS)


def test_scenarios_are_listed_as_one_json_object(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scenarios", "--json"]) == 0
    listed = {item["name"]: item for item in json.loads(capsys.readouterr().out)["scenarios"]}
    assert listed["quadruple_tank"]["mvs"] == ["P1.SP", "P2.SP"]
    assert listed["cstr"]["guardrails"]
    assert all(item["source"] for item in listed.values())


def test_scenarios_are_listed_as_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["scenarios"]) == 0
    assert "quadruple_tank" in capsys.readouterr().out


def test_the_plant_file_of_a_scenario_is_printed_and_read_back(capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["plant", "quadruple_tank"]) == 0
    plant = parse_plant(capsys.readouterr().out)
    assert plant.name == "quadruple tank"
    assert plant.opcua is not None


@pytest.mark.parametrize("suffix", ["parquet", "csv"])
def test_a_simulated_log_is_read_back(
    tmp_path: Path, suffix: str, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / f"log.{suffix}"
    assert run(["simulate", "quadruple_tank", "--hours", "0.5", "--out", str(out)]) == 0
    plant_file = tmp_path / "plant.toml"
    capsys.readouterr()
    run(["plant", "quadruple_tank"])
    plant_file.write_text(capsys.readouterr().out, encoding="utf-8")
    log = read_log(out, load_plant(plant_file))
    assert log.hours == pytest.approx(0.5)


def test_the_same_seed_gives_the_same_log(tmp_path: Path) -> None:
    logs = [tmp_path / name for name in ("a.csv", "b.csv", "c.csv")]
    for out, seed in zip(logs, ("1", "1", "2"), strict=True):
        assert run(["simulate", "quadruple_tank", "--hours", "0.1", "--seed", seed, "--out", str(out)]) == 0
    assert logs[0].read_bytes() == logs[1].read_bytes()
    assert logs[0].read_bytes() != logs[2].read_bytes()


def test_a_log_of_ordinary_operators_has_fewer_moves(tmp_path: Path) -> None:
    moves = []
    for habits in ("lively", "ordinary"):
        out = tmp_path / f"{habits}.csv"
        assert run(["simulate", "cstr", "--hours", "3", "--habits", habits, "--out", str(out)]) == 0
        setpoints = [line for line in out.read_text("utf-8").splitlines() if '"TC1.SP"' in line]
        moves.append(len({line.split(",")[2] for line in setpoints}))
    assert moves[1] < moves[0] / 2
