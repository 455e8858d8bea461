"""The page of a run's folder: what was kept and what was broken, beside setpoints that are equal."""

import asyncio
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hand_clock import HandClock
from linear_loop import HISTORY, LinearPlant, model_of, plant_spec

import procwm
from procwm.cli import run as command
from procwm.control.controller import Controller
from procwm.errors import LogError
from procwm.runtime.folder import RunFolder
from procwm.runtime.loop import run
from procwm.runtime.run_figures import breaches, equal_setpoints, mode_stretches
from procwm.runtime.run_record import RunRecord, read_run

CYCLES = HISTORY + 40


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run in auto with a guardrail, on a plant that a load pushes about."""
    directory, spec = tmp_path_factory.mktemp("run") / "monday", plant_spec()
    plant = LinearPlant(spec, noise=0.1, load=lambda tick: (4.0, 0.0) if tick > CYCLES // 2 else (0.0, 0.0))
    controller = Controller(spec, model_of(spec, guard_above=80.0), clock=HandClock())
    with RunFolder(directory, controller) as kept:
        kept.taken_up(0)
        asyncio.run(run(plant, plant, controller, intervals=CYCLES, recorder=kept))
    return directory


@pytest.fixture(scope="module")
def record(folder: Path) -> RunRecord:
    return read_run(folder)


def test_a_run_is_read_back_with_the_plant_that_it_had(record: RunRecord) -> None:
    assert record.plant == plant_spec()
    assert len(record.time_ns) == CYCLES
    assert record.guard_names == ("high level",)
    assert record.wrote.tolist() == [False] * 4 + [True] * (CYCLES - 4)
    assert not np.isnan(record.measured).any()
    written = np.flatnonzero(record.wrote)
    np.testing.assert_allclose(record.mv[written[1:]], record.proposed[written[:-1]], atol=1e-9)


def test_what_was_broken_is_counted_with_its_depth(record: RunRecord) -> None:
    measured = record.measured.copy()
    measured[10:13, 0], measured[20, 0] = 97.0, 96.5
    found = {breach.name: breach for breach in breaches(replace(record, measured=measured))}
    first = found["L1 within 5 to 95"]
    assert (first.times, first.cycles, first.deepest) == (2, 4, 2.0)
    assert found["L2 within 5 to 95"].times == 0
    guard = found["guardrail high level"]
    assert (guard.times, guard.deepest) == (0, 0.0)
    assert guard.known == record.wrote.sum()


def test_errors_are_compared_at_equal_setpoints_alone(record: RunRecord) -> None:
    target = record.target.copy()
    target[30:, 0] = 55.0
    wrote = record.wrote.copy()
    wrote[:20] = False
    found = {
        (one.tag, one.setpoint): one for one in equal_setpoints(replace(record, target=target, wrote=wrote))
    }
    first, second = found["L1", 50.0], found["L1", 55.0]
    assert first.cycles == (10, 20)
    assert np.isfinite(first.error).all()
    assert second.cycles == (CYCLES - 30, 0)
    assert np.isnan(second.error[1])


def test_modes_are_stretches_in_order(record: RunRecord) -> None:
    mode = ("shadow",) * 5 + record.mode[5:]
    found = mode_stretches(replace(record, mode=mode))
    assert [(one.mode, one.cycles) for one in found] == [("shadow", 5), ("auto", CYCLES - 5)]


def test_the_page_tells_of_modes_events_and_what_was_kept(folder: Path, tmp_path: Path) -> None:
    assert command(["report", str(folder), "--out", str(tmp_path / "page.html")]) == 0
    page = (tmp_path / "page.html").read_text(encoding="utf-8")
    for told in ("no limit and no guardrail was broken", "guardrail high level", "At equal setpoints",
                 "guardrails: high level", "of the cycles in auto"):  # fmt: skip
        assert told in page


def test_an_older_run_asks_for_its_plant_file(folder: Path, tmp_path: Path) -> None:
    for name in ("decisions.parquet", "samples.parquet"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    with pytest.raises(LogError, match="name it with --plant"):
        read_run(tmp_path)
    page = procwm.run_page(tmp_path, plant_spec())
    assert "guardrail 1" in page
    assert "There is no audit.jsonl" in page


def test_runs_and_models_are_put_side_by_side(
    folder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    page, models = tmp_path / "page.html", [tmp_path / "one", tmp_path / "other"]
    shutil.copytree(folder, tmp_path / "tuesday")
    assert command(["compare", str(folder), str(tmp_path / "tuesday"), "--out", str(page)]) == 0
    assert "L1 at 50 %" in page.read_text(encoding="utf-8")
    for model in models:
        model_of(plant_spec()).save(model)
    assert command(["compare", *map(str, models), "--out", str(page)]) == 0
    assert "L2 per V1" in page.read_text(encoding="utf-8")
    assert command(["compare", str(models[0]), str(folder)]) == 2
    assert "models or runs, not both" in capsys.readouterr().err
