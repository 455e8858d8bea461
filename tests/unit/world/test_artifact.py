import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
from learning_cases import PLANT, trained

from procwm.errors import ArtifactError
from procwm.plant.tags import PlantSpec
from procwm.testing import exact_model
from procwm.world.composition import MODEL_HASH
from procwm.world.model import WorldModel
from procwm.world.storage import artifact
from procwm.world.storage.approval import model_hash
from procwm.world.storage.model_files import load_model

FILES = ("config.json", "metrics.json", "plant.toml", "scaler.json", "weights.safetensors")


@pytest.fixture
def saved(tmp_path: Path) -> Path:
    path = tmp_path / "model"
    trained().save(path)
    return path


def _rollout(model: WorldModel) -> torch.Tensor:
    latent = torch.linspace(-1.0, 1.0, model.predictor.shape.latent, dtype=torch.float64)[None]
    mv = torch.full((1, 5, 1), 0.3, dtype=torch.float64)
    return model.rollout(latent, mv, 0.5 * mv).cv


def _changed(plant: PlantSpec, name: str, changes: dict[str, object]) -> PlantSpec:
    tags = tuple(
        dataclasses.replace(tag, **changes) if tag.name == name else tag  # type: ignore[arg-type]
        for tag in plant.tags
    )
    return dataclasses.replace(plant, tags=tags)


def test_a_loaded_model_predicts_exactly_what_the_saved_one_did(saved: Path) -> None:
    loaded = load_model(saved, PLANT)
    assert torch.equal(_rollout(loaded), _rollout(trained()))
    assert loaded.rule == trained().rule
    assert loaded.metrics == json.loads(json.dumps(trained().metrics)) | {MODEL_HASH: model_hash(saved)}
    np.testing.assert_array_equal(loaded.scaler.center, trained().scaler.center)


def test_the_error_band_is_kept_with_the_weights(saved: Path) -> None:
    np.testing.assert_array_equal(load_model(saved).half_width, trained().half_width)
    assert np.isfinite(trained().half_width).all()


def test_the_standard_error_of_step_responses_is_kept_with_the_weights(saved: Path) -> None:
    np.testing.assert_array_equal(load_model(saved).response_error, trained().response_error)
    assert (trained().response_error > 0.0).any()


def test_what_surprises_a_model_is_kept_with_the_weights(saved: Path) -> None:
    mine, loaded = trained().surprise, load_model(saved).surprise
    assert mine is not None
    assert loaded is not None
    assert (loaded.tags, loaded.leads) == (mine.tags, mine.leads) == (("LT.PV", "PT.PV"), (1, 5, 7))
    for name, value in mine.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value)


def test_a_model_without_an_error_band_has_none_after_loading(tmp_path: Path) -> None:
    exact_model(PLANT, state_matrix=np.eye(2), input_matrix=np.ones((2, 1))).save(tmp_path / "exact")
    assert load_model(tmp_path / "exact").band is None


def test_the_plant_file_is_kept_beside_the_weights(saved: Path) -> None:
    assert load_model(saved).plant == PLANT


def test_nothing_but_the_model_lies_in_the_directory_or_beside_it(saved: Path) -> None:
    assert sorted(file.name for file in saved.iterdir()) == sorted((*FILES, artifact.MANIFEST))
    assert [file.name for file in saved.parent.iterdir()] == [saved.name]


def test_targets_and_limits_may_change_after_training(saved: Path) -> None:
    plant = _changed(PLANT, "LT.PV", {"setpoint": 8.0, "limits": (1.0, 18.0)})
    assert load_model(saved, plant).plant == plant


@pytest.mark.parametrize(
    ("name", "changes"),
    [("LT.PV", {"unit": "m"}), ("P.SP", {"range": (0.0, 12.0)}), ("TD.PV", {"name": "T2"})],
)
def test_a_model_for_another_plant_is_refused_by_tag(
    saved: Path, name: str, changes: dict[str, object]
) -> None:
    with pytest.raises(ArtifactError, match=f"trained for another plant: {name}"):
        load_model(saved, _changed(PLANT, name, changes))


@pytest.mark.parametrize("name", FILES)
def test_a_file_cut_short_is_refused(saved: Path, name: str) -> None:
    content = (saved / name).read_bytes()
    (saved / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(ArtifactError, match=f"{name} is cut short or altered"):
        load_model(saved)


@pytest.mark.parametrize("name", FILES)
def test_an_altered_file_is_refused(saved: Path, name: str) -> None:
    content = bytearray((saved / name).read_bytes())
    content[len(content) // 2] ^= 1
    (saved / name).write_bytes(bytes(content))
    with pytest.raises(ArtifactError, match=f"{name} is cut short or altered"):
        load_model(saved)


def test_a_guardrail_that_was_made_more_lenient_in_its_file_is_refused_with_what_to_do(
    tmp_path: Path,
) -> None:
    guards = {"too high": (np.array([1.0, 0.0]), 15.0)}
    model = exact_model(PLANT, state_matrix=np.eye(2), input_matrix=np.ones((2, 1)), guards=guards)
    model.save(tmp_path / "model")
    config = tmp_path / "model" / "config.json"
    sizes = json.loads(config.read_text())
    assert [guard["name"] for guard in sizes["guards"]] == ["too high"]
    sizes["guards"][0]["margin"] -= 1.0
    config.write_text(json.dumps(sizes))
    with pytest.raises(
        ArtifactError, match=r"altered: its hash .*; copy the model again from where it was made"
    ):
        load_model(tmp_path / "model")


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(saved: Path, name: str) -> None:
    (saved / name).unlink()
    with pytest.raises(ArtifactError, match=f"{name} is missing"):
        load_model(saved)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"format": 1}', '{"format": 1, "sha256": 3}'])
def test_a_damaged_manifest_is_refused(saved: Path, text: str) -> None:
    (saved / artifact.MANIFEST).write_text(text)
    with pytest.raises(ArtifactError, match=r"manifest\.json is cut short or altered"):
        load_model(saved)


def test_a_manifest_without_the_files_of_a_model_is_refused(saved: Path) -> None:
    artifact.write_artifact(saved, {"notes.txt": b"nothing"}, {})
    with pytest.raises(ArtifactError, match="no model that this version can read"):
        load_model(saved)


def test_a_format_of_the_future_is_named(saved: Path) -> None:
    manifest = json.loads((saved / artifact.MANIFEST).read_text()) | {"format": 99}
    (saved / artifact.MANIFEST).write_text(json.dumps(manifest))
    with pytest.raises(ArtifactError, match="format 99 is not known"):
        load_model(saved)


def test_a_directory_without_a_manifest_is_no_model(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="is not a model directory"):
        load_model(tmp_path)


def test_a_directory_that_holds_something_else_is_left_as_it_is(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("years of work")
    with pytest.raises(ArtifactError, match="left as it is"):
        trained().save(tmp_path)
    assert (tmp_path / "thesis.txt").read_text() == "years of work"


def test_saving_again_replaces_the_old_model(saved: Path) -> None:
    (saved / "weights.safetensors").write_bytes(b"")
    trained().save(saved)
    assert torch.equal(_rollout(load_model(saved)), _rollout(trained()))


def test_a_save_that_fails_half_way_leaves_the_old_model(
    saved: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    written: list[Path] = []

    def full_disk(path: Path, content: bytes) -> None:
        written.append(path)
        if len(written) > 2:
            raise OSError(28, "No space left on device")
        path.write_bytes(content)

    monkeypatch.setattr(artifact, "_write", full_disk)
    with pytest.raises(ArtifactError, match="No space left"):
        trained().save(saved)
    assert [file.name for file in saved.parent.iterdir()] == [saved.name]
    assert torch.equal(_rollout(load_model(saved)), _rollout(trained()))


def test_a_rename_that_fails_puts_the_old_model_back(saved: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rename = Path.rename

    def refuse(self: Path, target: Path) -> Path:
        if self.name.endswith(".new"):
            raise OSError(13, "Permission denied")
        return rename(self, target)

    monkeypatch.setattr(Path, "rename", refuse)
    with pytest.raises(ArtifactError, match="Permission denied"):
        trained().save(saved)
    assert torch.equal(_rollout(load_model(saved)), _rollout(trained()))
    assert [file.name for file in saved.parent.iterdir()] == [saved.name]
