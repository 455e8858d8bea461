"""Serving, recording and running a plant from the command line, through real OPC UA on loopback."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from judged import judged_fit
from waiting import PATIENCE_S

from procwm.cli import run
from procwm.data.log import read_log
from procwm.data.segments import parts_of, segments
from procwm.plant import registry
from procwm.plant.plantfile.specfile import dump_plant, load_plant
from procwm.runtime.recorder import read_decisions
from procwm.testing import exact_model

SPEED = 50.0


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The plant file of a quadruple tank served by `procwm serve`, 50 times real time."""
    command = [sys.executable, "-c", "from procwm.cli import main; main()", "serve", "quadruple_tank"]
    process = subprocess.Popen(
        [*command, "--endpoint", "opc.tcp://127.0.0.1:0", "--speed", str(SPEED)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        # A test run in the background of a script ignores interrupts, and its children with it.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
    )
    assert process.stderr is not None
    said = process.stderr.readline()
    match = re.search(r"opc\.tcp://[\d.]+:\d+", said)
    assert match is not None, said
    text = dump_plant(registry.scenario("quadruple_tank").plant)
    plant_file = tmp_path_factory.mktemp("served") / "plant.toml"
    plant_file.write_text(re.sub(r"opc\.tcp://[\d.:]+", match[0], text), encoding="utf-8")
    yield plant_file
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=PATIENCE_S) == 0
    assert "Traceback" not in process.stderr.read()
    process.stderr.close()


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A crude model of the quadruple tank: each level a lag of the pump that fills it."""
    plant = registry.scenario("quadruple_tank").plant
    path = tmp_path_factory.mktemp("model") / "model"
    made = exact_model(
        plant,
        state_matrix=0.9 * np.eye(2),
        input_matrix=0.4 * np.eye(2),
    )
    judged_fit(made).save(path)
    return path


def test_a_served_plant_is_recorded(served: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "log.parquet"
    assert run(["record", str(served), "--out", str(out), "--hours", str(5.0 / 3600)]) == 0
    assert "samples" in capsys.readouterr().err
    log = read_log(out, load_plant(served))
    assert len(log.series["LT1.PV"]) >= 3


@pytest.mark.parametrize("interrupts", [signal.SIG_DFL, signal.SIG_IGN])
def test_a_recording_that_is_terminated_ends_as_by_ctrl_c(
    served: Path, tmp_path: Path, interrupts: signal.Handlers
) -> None:
    out = tmp_path / "log.parquet"
    command = [sys.executable, "-c", "from procwm.cli import main; main()", "record", str(served)]
    with subprocess.Popen(
        [*command, "--out", str(out)],
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, interrupts),
    ) as process:
        until(lambda: sum(len(rows) for rows in segments(out)) if parts_of(out).is_dir() else 0)
        process.terminate()
        assert process.wait(timeout=PATIENCE_S) == 0
        assert process.stderr is not None
        said = process.stderr.read()
    assert said.strip() == f"{out}: {pq.read_metadata(out).num_rows} samples"
    assert not parts_of(out).exists()


def until(happens: Callable[[], object]) -> None:
    for _ in range(round(PATIENCE_S / 0.05)):
        if happens():
            return
        time.sleep(0.05)
    raise TimeoutError("it does not happen")


def test_a_served_plant_is_controlled_and_every_cycle_kept(
    served: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    arguments = ["--clock", "served", "--mode", "auto", "--out", str(out), "--hours", str(6 * 10.0 / 3600)]
    assert run(["run", str(served), str(model), *arguments]) == 0
    assert "6 control cycles" in capsys.readouterr().err
    decisions = read_decisions(out)
    assert len(decisions) == 6
    assert decisions["mode"].iloc[0] == "auto"


def test_advice_is_printed_and_nothing_is_written(
    served: Path, model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "run"
    arguments = [
        "--clock",
        "served",
        "--mode",
        "advisory",
        "--out",
        str(out),
        "--hours",
        str(4 * 10.0 / 3600),
    ]
    assert run(["run", str(served), str(model), *arguments, "--setpoint", "LT1.PV=12.0"]) == 0
    lines = capsys.readouterr().out.strip().splitlines()
    assert len(lines) == 4
    assert all("advisory" in line for line in lines)
    decisions = read_decisions(out)
    assert decisions["setpoints"].isna().all()
    assert dict(decisions["target"].iloc[-1])["LT1.PV"] == 12.0


@pytest.mark.parametrize(
    ("setpoint", "said"),
    [("LT1.PV", "TAG=VALUE"), ("LT9.PV=1", "LT9.PV"), ("LT1.PV=99", "99"), ("P1.SP=3", "P1.SP")],
)
def test_a_wrong_setpoint_is_refused_before_anything_is_connected(
    served: Path, model: Path, setpoint: str, said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(["run", str(served), str(model), "--setpoint", setpoint]) == 2
    assert said in capsys.readouterr().err


def test_a_model_for_another_plant_is_refused_with_the_first_difference(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = dump_plant(registry.scenario("quadruple_tank").plant)
    other = tmp_path / "other.toml"
    other.write_text(text.replace('name = "LT2.PV"', 'name = "LT7.PV"'), encoding="utf-8")
    assert run(["run", str(other), str(model)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "LT2.PV" in said


def test_a_model_file_cut_short_is_refused(
    model: Path, served: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    cut = tmp_path / "cut"
    cut.mkdir()
    for file in model.iterdir():
        content = file.read_bytes()
        (cut / file.name).write_bytes(content[:-40] if file.suffix == ".safetensors" else content)
    assert run(["run", str(served), str(cut)]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "safetensors" in said


def test_a_server_that_is_not_there_ends_a_run_with_one_sentence(
    model: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = dump_plant(registry.scenario("quadruple_tank").plant)
    plant_file = tmp_path / "plant.toml"
    plant_file.write_text(re.sub(r"opc\.tcp://[\d.:]+", "opc.tcp://127.0.0.1:9", text), encoding="utf-8")
    assert run(["run", str(plant_file), str(model), "--out", str(tmp_path / "run")]) == 1
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "127.0.0.1:9" in said
    assert not (tmp_path / "run").exists()
