"""A plant file drafted on the command line."""

from pathlib import Path

import pytest

from procwm.cli import run
from procwm.plant.plantfile.specfile import load_plant


def log(path: Path) -> Path:
    rows = ["Zeit;LIC7.PV [%];V7 [%];Schicht"]
    level = 50.0
    for row in range(800):
        valve = 40.0 + (row // 40) ** 3 * 7 % 23
        rows.append(f"0{1 + row // 600}.05.2024 {row // 60 % 10:02}:{row % 60:02};{level:.4f};{valve};früh")
        level += 0.1 * (valve - level)
    path.write_text("\n".join(rows) + "\n", encoding="utf-8")
    return path


def test_three_commands_lead_from_a_file_to_what_it_is_worth(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = log(tmp_path / "history.csv"), tmp_path / "plant.toml"
    assert run(["init", str(source), "--out", str(out), "--time-zone", "Europe/Berlin"]) == 0
    said = capsys.readouterr().out
    assert "1 CV, 1 MV" in said
    assert "left out: Schicht: it holds 800 texts" in said
    assert "decide: V7: may procwm write it?" in said
    assert said.rstrip().endswith(f"`procwm check {out} {source}`")
    plant = load_plant(out)
    assert (plant.log.time_format, plant.log.time_zone) == ("%d.%m.%Y %H:%M", "Europe/Berlin")
    assert run(["check", str(out), str(source)]) == 0
    assert "can teach a model of it" in capsys.readouterr().out


def test_a_plant_file_that_is_there_is_written_over_only_by_force(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    source, out = log(tmp_path / "history.csv"), tmp_path / "plant.toml"
    out.write_text("mine", encoding="utf-8")
    assert run(["init", str(source), "--out", str(out)]) == 2
    assert "is there already" in capsys.readouterr().err
    assert out.read_text(encoding="utf-8") == "mine"
    assert run(["init", str(source), "--out", str(out), "--force"]) == 0
    assert load_plant(out).name == "history"


def test_a_log_that_cannot_be_read_leaves_no_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, out = tmp_path / "history.csv", tmp_path / "plant.toml"
    source.write_text("time,A\n2024-01-01,1\n", encoding="utf-8")
    assert run(["init", str(source), "--out", str(out)]) == 2
    assert "1 tags with numbers" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [source]
