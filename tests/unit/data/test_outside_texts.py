"""Texts from outside are data: in tables, files and folders they command nothing."""

import os
from dataclasses import replace
from pathlib import Path

import pandas as pd
import pytest

from procwm.data.files import without_links, write_text
from procwm.data.log import read_log, write_log
from procwm.data.segments import parts_of
from procwm.data.series import Log
from procwm.data.writer import LogWriter
from procwm.errors import ArtifactError, LogError
from procwm.plant.samples import Quality, Sample
from procwm.plant.tags import PlantSpec, Role, Tag
from procwm.world.storage.artifact import read_artifact, write_artifact

NAMES = ("=A1-K3", "+T2", "-T3", "@T4", "'quoted", "plain")
PLANT = PlantSpec(
    name="p",
    interval_s=1.0,
    tags=tuple(
        Tag(name=name, role=Role.MV if name == "plain" else Role.CV, range=(0.0, 10.0)) for name in NAMES
    ),
)
LOG = Log.from_samples([Sample(name, 1.5, Quality.GOOD, 10**18) for name in NAMES], PLANT)


def test_no_text_of_a_log_is_a_formula_to_a_spreadsheet_and_each_is_read_back(tmp_path: Path) -> None:
    long, wide = tmp_path / "long.csv", tmp_path / "wide.csv"
    write_log(long, LOG)
    frame = pd.DataFrame({name: [1.5] for name in NAMES})
    frame.insert(0, "time", pd.to_datetime([10**18], utc=True))
    write_log(wide, frame.assign(note=["=1+1"]))
    for path in (long, wide):
        cells = [cell.strip('"') for line in path.read_text().splitlines() for cell in line.split(",")]
        assert not [cell for cell in cells if cell[:1] in ("=", "+", "-", "@", "\t", "\r")]
        log = read_log(path, PLANT)
        assert [series.value.tolist() for series in log.series.values()] == [[1.5]] * len(NAMES)


def test_what_is_written_does_not_go_where_a_link_leads(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    link = tmp_path / "report.html"
    link.symlink_to(elsewhere)
    write_text(link, "new")
    assert (link.read_text(), link.is_symlink(), elsewhere.read_text()) == ("new", False, "mine")
    log = tmp_path / "audit.jsonl"
    log.symlink_to(elsewhere)
    with pytest.raises(OSError, match="symbolic"), open(log, "a", opener=without_links):
        pass
    assert elsewhere.read_text() == "mine"


def test_a_temporary_file_that_lies_there_already_is_not_written_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("secrets.token_hex", lambda _: "known")
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("mine")
    (tmp_path / f".report.html.{os.getpid()}.known.partial").symlink_to(elsewhere)
    with pytest.raises(FileExistsError):
        write_text(tmp_path / "report.html", "new")
    assert elsewhere.read_text() == "mine"


def test_a_file_keeps_the_permissions_that_the_process_gives(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "a", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "a").stat().st_mode & 0o777 == 0o640


def test_a_recording_goes_to_no_folder_that_a_link_leads_to(tmp_path: Path) -> None:
    path = tmp_path / "log.parquet"
    (tmp_path / "elsewhere").mkdir()
    parts_of(path).symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LogError, match=r"log\.parquet\.parts: is a link to another place"):
        LogWriter(path, replace(PLANT))
    assert not list((tmp_path / "elsewhere").iterdir())


@pytest.mark.parametrize("name", ["../secret", "/etc/hostname", "sub/../../secret", "..", "", "a\0b"])
def test_a_manifest_names_no_file_outside_its_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "secret").write_text("mine")
    model = tmp_path / "model"
    write_artifact(model, {"weights": b"1"}, {})
    manifest = model / "manifest.json"
    manifest.write_text(manifest.read_text().replace('"weights"', f'"{name}"'.replace("\0", "\\u0000")))
    with pytest.raises(ArtifactError, match="is no file of the model directory"):
        read_artifact(model)


def test_a_file_of_a_model_that_is_a_link_is_not_followed(tmp_path: Path) -> None:
    model = tmp_path / "model"
    write_artifact(model, {"weights": b"1"}, {})
    (tmp_path / "secret").write_bytes(b"1")
    (model / "weights").unlink()
    (model / "weights").symlink_to(tmp_path / "secret")
    with pytest.raises(ArtifactError, match="'weights' is no file of the model directory"):
        read_artifact(model)


def test_a_model_is_not_saved_where_a_link_leads(tmp_path: Path) -> None:
    write_artifact(tmp_path / "model", {"weights": b"1"}, {})
    (tmp_path / "link").symlink_to(tmp_path / "model")
    with pytest.raises(ArtifactError, match="is a link to another place"):
        write_artifact(tmp_path / "link", {"weights": b"2"}, {})
    assert read_artifact(tmp_path / "model") == {"weights": b"1"}
