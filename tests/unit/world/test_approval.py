"""Which model may be used: pinned by its hash, or signed; what was altered by hand is neither."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from linear_loop import model_of, plant_spec

from procwm.control.clearance import unfit
from procwm.control.controller import Controller
from procwm.errors import ArtifactError, SpecError
from procwm.plant.contract import ControlSettings
from procwm.plant.tags import PlantSpec
from procwm.world.lineage import guardrails_told
from procwm.world.storage.approval import APPROVAL, Approval, approve, model_hash, read_approval
from procwm.world.storage.model_files import load_model


@pytest.fixture
def model(tmp_path: Path) -> Path:
    model_of(plant_spec(), guard_above=90.0).save(tmp_path / "model")
    return tmp_path / "model"


def key(path: Path) -> Path:
    private = Ed25519PrivateKey.generate()
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    return path


def asking(**control: str) -> PlantSpec:
    return replace(plant_spec(), control=ControlSettings(**control))  # type: ignore[arg-type]


def with_mended_hashes(model: Path, file: str, change: bytes, to: bytes) -> None:
    """Alter a file of the model by hand, and the manifest so that nobody sees it there."""
    content = (model / file).read_bytes()
    assert change in content
    (model / file).write_bytes(content.replace(change, to))
    manifest = json.loads((model / "manifest.json").read_text())
    manifest["sha256"][file] = hashlib.sha256((model / file).read_bytes()).hexdigest()
    (model / "manifest.json").write_text(json.dumps(manifest))


def test_only_the_pinned_model_is_read(model: Path) -> None:
    pinned = asking(approved_model=model_hash(model))
    assert load_model(model, pinned).guard_names == ("high level",)
    with_mended_hashes(model, "config.json", b'"margin": 0.0', b'"margin": -1000.0')
    assert load_model(model, plant_spec()).guard_heads[0].margin == -1000.0, "without a pin nobody can tell"
    with pytest.raises(ArtifactError, match="it is another model, or was altered"):
        load_model(model, pinned)


def test_a_controller_takes_the_model_that_the_plant_file_approves_and_no_other(
    model: Path, tmp_path: Path
) -> None:
    signed = approve(model, key(tmp_path / "ann.pem"), by="ann")
    pinned, asked = asking(approved_model=model_hash(model)), asking(approved_by=signed.key)
    read = load_model(model)
    for plant in (pinned, asked):
        assert Controller(plant, read).guard_names == ("high level",)
        for other in (
            model_of(plant_spec()),
            read.with_metrics(note="x"),
            read.with_guard(read.guard_heads[0]),
        ):
            with pytest.raises(ArtifactError, match=r"^the model: "):
                Controller(plant, other)


@pytest.mark.parametrize(
    "content", ["{}", '{"seed": 0}', '{"verdict": 0}', '{"verdict": {}}', "0", "[]", "null"]
)
def test_a_model_from_files_without_a_verdict_is_not_let_into_auto(model: Path, content: str) -> None:
    with_mended_hashes(model, "metrics.json", (model / "metrics.json").read_bytes(), content.encode())
    if content in ("{}", '{"seed": 0}', '{"verdict": 0}'):
        assert "nobody has judged the model" in unfit(load_model(model), plant_spec())
    else:
        with pytest.raises(ArtifactError, match="no model that this version can read"):
            load_model(model)


def test_what_is_known_by_files_is_not_taken_from_them(model: Path) -> None:
    forged = json.dumps({"approved_by": "ann", "approving_key": "x", "model_hash": "y"}).encode()
    with_mended_hashes(model, "metrics.json", (model / "metrics.json").read_bytes(), forged)
    assert load_model(model).metrics == {"model_hash": model_hash(model)}


@pytest.mark.parametrize("file", ["metrics.json", "scaler.json", "plant.toml", "weights.safetensors"])
def test_every_file_of_a_model_is_inside_its_hash(model: Path, file: str) -> None:
    pinned = asking(approved_model=model_hash(model))
    (model / file).write_bytes((model / file).read_bytes() + b" ")
    manifest = json.loads((model / "manifest.json").read_text())
    manifest["sha256"][file] = hashlib.sha256((model / file).read_bytes()).hexdigest()
    (model / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="it is another model, or was altered"):
        load_model(model, pinned)


def test_only_a_model_that_the_right_person_has_signed_is_read(model: Path, tmp_path: Path) -> None:
    signed = approve(model, key(tmp_path / "ann.pem"), by="ann")
    asked = asking(approved_by=signed.key)
    assert load_model(model, asked).guard_names == ("high level",)
    approve(model, key(tmp_path / "eve.pem"), by="ann")
    with pytest.raises(ArtifactError, match="and the plant file's approved_by is"):
        load_model(model, asked)
    (model / APPROVAL).unlink()
    with pytest.raises(ArtifactError, match="nobody has approved this model"):
        load_model(model, asked)


def test_a_signature_holds_for_one_model_and_one_name(model: Path, tmp_path: Path) -> None:
    signed = approve(model, key(tmp_path / "ann.pem"), by="ann")
    for change in ({"by": "bob"}, {"at": "2020-01-01"}, {"signature": "x"}):
        (model / APPROVAL).write_text(json.dumps(vars(signed) | change))
        with pytest.raises(ArtifactError, match="the signature does not hold"):
            read_approval(model)
    (model / APPROVAL).write_text(json.dumps(vars(signed)))
    with_mended_hashes(model, "config.json", b'"margin": 0.0', b'"margin": -1000.0')
    with pytest.raises(ArtifactError, match="ann approved another model, or this one was altered since"):
        load_model(model, asking(approved_by=signed.key))


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"model": 1}', "{" * 50])
def test_an_approval_that_cannot_be_read_is_none(model: Path, content: str) -> None:
    (model / APPROVAL).write_text(content)
    with pytest.raises(ArtifactError, match="the signature does not hold"):
        read_approval(model)


def test_a_margin_that_is_no_number_is_refused_with_the_file(model: Path) -> None:
    with_mended_hashes(model, "config.json", b'"margin": 0.0', b'"margin": NaN')
    with pytest.raises(ArtifactError, match="margin"):
        load_model(model)


def test_what_is_no_key_is_said(model: Path, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    with pytest.raises(SpecError, match="not an Ed25519 private key"):
        approve(model, tmp_path / "notes.txt", by="ann")
    with pytest.raises(SpecError, match="cannot be read"):
        approve(model, tmp_path / "nowhere.pem", by="ann")
    with pytest.raises(SpecError, match="64 hexadecimal digits"):
        asking(approved_model="abc")
    with pytest.raises(SpecError, match="32 bytes in base64"):
        asking(approved_by="abc")


def test_an_approval_changes_nothing_of_the_model_and_is_told_with_its_guardrails(
    model: Path, tmp_path: Path
) -> None:
    before = model_hash(model)
    assert isinstance(approve(model, key(tmp_path / "ann.pem"), by="ann"), Approval)
    assert model_hash(model) == before
    read = load_model(model)
    assert guardrails_told(read)[0].endswith("; approved by ann")
    read.save(tmp_path / "copy")
    assert "approved by" not in guardrails_told(load_model(tmp_path / "copy"))[0]
