"""A pipe in place of a file is refused: whoever opened it would wait for a writer without end."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from linear_loop import START_NS, model_of, plant_spec

from procwm.control.controller import Controller
from procwm.data.log import read_log
from procwm.errors import ArtifactError, LogError, ProcwmError, SpecError
from procwm.plant.plantfile.specfile import load_plant
from procwm.plant.regular_files import check_regular
from procwm.runtime.audit import check_audit
from procwm.runtime.snapshot import Snapshot
from procwm.world.storage.approval import read_approval
from procwm.world.storage.artifact import read_artifact

pytestmark = pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
SAID = "a pipe, a socket or a device, not a file"


@pytest.fixture
def pipe(tmp_path: Path) -> Callable[[str], Path]:
    """Makes a pipe in a folder of its own, and gives its path."""

    def made(name: str) -> Path:
        path = tmp_path / name
        os.mkfifo(path)
        return path

    return made


@pytest.mark.parametrize(
    ("name", "read", "refused"),
    [
        ("plant.toml", load_plant, SpecError),
        ("log.csv", lambda path: read_log(path, plant_spec()), LogError),
        ("log.parquet", lambda path: read_log(path, plant_spec()), LogError),
        ("manifest.json", lambda path: read_artifact(path.parent), ArtifactError),
        ("approval.json", lambda path: read_approval(path.parent), ArtifactError),
        ("audit.jsonl", check_audit, LogError),
    ],
)
def test_a_pipe_is_refused_by_whoever_would_read_it(
    pipe: Callable[[str], Path], name: str, read: Callable[[Path], object], refused: type[ProcwmError]
) -> None:
    path = pipe(name)
    with pytest.raises(refused, match=rf"{name}: {SAID}"):
        read(path)


def test_a_run_that_finds_a_pipe_for_a_state_starts_anew(pipe: Callable[[str], Path]) -> None:
    plant = plant_spec()
    state, why = Snapshot(pipe("state")).taken_up(Controller(plant, model_of(plant)), START_NS)
    assert state is None
    assert SAID in why


def test_files_and_folders_are_regular_and_what_is_missing_is_for_its_reader_to_tell(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for path in (tmp_path, tmp_path / "file", tmp_path / "nowhere"):
        check_regular(path, SpecError)
