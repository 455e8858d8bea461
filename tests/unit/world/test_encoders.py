"""What every architecture of the encoder promises."""

import copy
import json
from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from learning_cases import PLANT, QUICK, record
from torch import Tensor, nn

from procwm.data.window import Window
from procwm.errors import ArtifactError, SpecError, TrainingError
from procwm.learning.identification.preparation import Prepared, prepare
from procwm.learning.optimisation.gradient_descent import Optimisation
from procwm.testing import exact_model
from procwm.world.encoders.encoder import EncoderSpec, WindowEncoder
from procwm.world.encoders.features import window_features
from procwm.world.encoders.gru import GruEncoder
from procwm.world.encoders.mlp import MlpEncoder
from procwm.world.encoders.patch import PatchEncoder
from procwm.world.encoders.tcn import TcnNetwork
from procwm.world.model import WorldModel
from procwm.world.parts.specs import WindowShape
from procwm.world.protocols import ModelInput
from procwm.world.storage.artifact import read_artifact, write_artifact
from procwm.world.storage.catalogue import ENCODERS
from procwm.world.storage.model_files import load_model

HISTORY = 21


def _window(batch: int = 3, history: int = HISTORY) -> ModelInput:
    return ModelInput(torch.randn((batch, history, 2)), torch.ones((batch, history, 2)))


def _spec(kind: str) -> EncoderSpec:
    """Of small ones."""
    return MlpEncoder(hidden=(8,)) if kind == "mlp" else ENCODERS.read({"kind": kind, "width": 8})


def _untrained(kind: str, shape: WindowShape) -> WindowEncoder:
    encoder = _spec(kind).build(shape)
    assert isinstance(encoder, WindowEncoder)
    return encoder


def _encoder(kind: str, *, history: int = HISTORY, tags: int = 2, latent: int = 3) -> WindowEncoder:
    """Weights at random, those that start at zero too."""
    encoder = _untrained(kind, WindowShape(history=history, tags=tags, latent=latent))
    for parameter in encoder.parameters():
        nn.init.normal_(parameter, std=0.3)
    return encoder.eval().requires_grad_(False)


def test_a_complete_window_has_no_missing_feature() -> None:
    window = _window()
    features = window_features(window)
    assert torch.equal(features[:, : 2 * HISTORY], window.values.flatten(1))
    assert torch.equal(features[:, 2 * HISTORY :], torch.zeros((3, 2 * HISTORY)))


@pytest.mark.parametrize("kind", ENCODERS.kinds)
def test_an_untrained_network_adds_nothing_to_the_linear_part(kind: str) -> None:
    encoder = _untrained(kind, WindowShape(history=HISTORY, tags=2, latent=3))
    nn.init.normal_(encoder.linear.weight)
    window = _window()
    assert torch.equal(encoder(window), encoder.linear(window_features(window)))
    encoder(window).sum().backward()
    assert any(bool(weight.grad.any()) for weight in encoder.network.parameters() if weight.grad is not None)


@pytest.mark.parametrize("kind", ENCODERS.kinds)
def test_a_network_sees_every_row_and_tag(kind: str) -> None:
    window = _window(batch=4)
    window.values.requires_grad_(True)
    _encoder(kind).network(window).square().sum().backward()
    assert window.values.grad is not None
    assert (window.values.grad.abs().sum(dim=0) > 0).all()


@pytest.mark.parametrize("kind", ENCODERS.kinds)
def test_a_missing_value_is_told_from_a_measured_one(kind: str) -> None:
    window, network = _window(), _encoder(kind).network
    valid = window.valid.clone()
    valid[0, -1, 0] = 0.0
    whole, missing = network(window), network(ModelInput(window.values, valid))
    assert not torch.allclose(whole[0], missing[0])
    assert torch.allclose(whole[1:], missing[1:], atol=1e-6)


@pytest.mark.parametrize("kind", ENCODERS.kinds)
def test_what_stands_where_nothing_was_measured_does_not_matter(kind: str) -> None:
    model = _model(kind)
    rng = np.random.default_rng(1)
    values, valid = rng.uniform(1.0, 9.0, (HISTORY, 4)), rng.random((HISTORY, 4)) > 0.3
    latents = [
        model.encode(model.model_input([Window(0, np.where(valid, values, other), valid, valid)]))
        for other in (np.nan, -1e6)
    ]
    assert torch.equal(*latents)


def test_a_patch_in_which_nothing_was_measured_is_not_attended_to() -> None:
    network = _encoder("patch", history=24).network
    window = _window(history=24)
    valid = window.valid.clone()
    valid[:, 8:16] = 0.0
    other = window.values.clone()
    other[:, 8:16] = 5.0
    assert torch.allclose(network(ModelInput(window.values, valid)), network(ModelInput(other, valid)))
    assert not torch.allclose(network(window), network(ModelInput(other, window.valid)))


@pytest.mark.parametrize("kind", ENCODERS.kinds)
def test_a_window_of_which_nothing_is_known_has_a_finite_latent(kind: str) -> None:
    nothing = torch.zeros((2, HISTORY, 2))
    assert torch.isfinite(_encoder(kind)(ModelInput(nothing, nothing))).all()


@pytest.mark.parametrize("history", [1, 2, 7, 16])
def test_strides_give_what_dilated_causal_convolutions_give(history: int) -> None:
    network = TcnNetwork(history=history, tags=2, latent=3, width=8)
    nn.init.normal_(network.last.weight)
    window = _window(history=history)
    rows = torch.cat((window.values, 1.0 - window.valid), dim=-1).transpose(1, 2)
    for number, level in enumerate(network.levels):
        assert isinstance(level, nn.Conv1d)
        dilation = 2**number
        padded = nn.functional.pad(rows, (2 * dilation, 0))
        told = torch.tanh(nn.functional.conv1d(padded, level.weight, level.bias, dilation=dilation))
        rows = told if number == 0 else told + rows
    assert torch.allclose(network(window), network.last(rows[..., -1]), atol=1e-5)


@pytest.mark.parametrize("kind", ENCODERS.kinds)
def test_latents_do_not_hang_on_what_comes_later(kind: str) -> None:
    tensors, encoder = _prepared().whole.part.tensors, _encoder(kind, history=8, tags=4)
    moments = torch.tensor([30, 31, 40])
    later = replace(tensors, values=tensors.values.clone(), valid=tensors.valid.clone())
    later.values[41:], later.valid[41:] = 99.0, 0.0
    assert torch.equal(encoder(tensors.windows(moments)), encoder(later.windows(moments)))
    later.values[40] += 1.0
    assert not torch.equal(encoder(tensors.windows(moments)), encoder(later.windows(moments)))


@pytest.mark.parametrize("kind", ENCODERS.kinds)
def test_a_window_is_encoded_alike_alone_and_among_others(kind: str) -> None:
    encoder, window = _encoder(kind).double(), _window(batch=5)
    values, valid = window.values.double(), window.valid.double()
    valid[2, :9] = 0.0
    together = encoder(ModelInput(values, valid))
    alone = [encoder(ModelInput(values[row, None], valid[row, None])) for row in range(5)]
    assert torch.allclose(together, torch.cat(alone), atol=1e-12)


@pytest.mark.parametrize("kind", ENCODERS.kinds)
def test_a_loaded_encoder_is_the_saved_one(kind: str, tmp_path: Path) -> None:
    model = _model(kind)
    model.save(tmp_path / "model")
    loaded = load_model(tmp_path / "model")
    window = ModelInput(torch.randn((3, HISTORY, 4)).double(), torch.ones((3, HISTORY, 4)).double())
    assert loaded.encoder.spec == _spec(kind)
    assert torch.equal(loaded.encode(window), model.encode(window))


def test_a_saved_encoder_of_an_unknown_kind_is_refused(tmp_path: Path) -> None:
    _rewritten(tmp_path / "model", lambda config: config["encoder"].update(kind="lstm"))
    with pytest.raises(
        ArtifactError,
        match=r"config.json: there is no encoder lstm; there are mlp, gru.* call procwm.register",
    ):
        load_model(tmp_path / "model")


def test_an_unknown_kind_is_refused_before_training() -> None:
    config = copy.copy(QUICK)
    # As nobody checks its type, and the tests do.
    object.__setattr__(config, "encoder", "lstm")
    with pytest.raises(TrainingError, match="encoder is 'lstm'; it must be a spec"):
        config.__post_init__()


def test_sizes_that_are_nonsense_are_refused_where_they_are_given_and_where_they_are_read() -> None:
    with pytest.raises(SpecError, match="gru: width is 0; it must be at least 1"):
        GruEncoder(width=0)
    with pytest.raises(SpecError, match="patch: width is 7; it must be a multiple of 2"):
        PatchEncoder(width=7)
    with pytest.raises(SpecError, match="mlp: a width is 0"):
        ENCODERS.read({"kind": "mlp", "hidden": [0]})
    with pytest.raises(SpecError, match="mlp: width: Unexpected keyword argument"):
        ENCODERS.read({"kind": "mlp", "width": 3})


@pytest.mark.parametrize("kind", ENCODERS.kinds)
def test_the_same_seed_trains_the_same_encoder(kind: str) -> None:
    one, same, other = (_taught(kind, seed) for seed in (3, 3, 4))
    assert any(bool(weight.any()) for name, weight in one.items() if name.startswith("last") or kind == "mlp")
    assert all(torch.equal(one[name], same[name]) for name in one)
    assert not all(torch.equal(one[name], other[name]) for name in one)


@cache
def _prepared() -> Prepared:
    return prepare(PLANT, record(400).log, QUICK)


def _taught(kind: str, seed: int) -> dict[str, Tensor]:
    """The encoder's network after a few steps."""
    run = Optimisation(_prepared().training, replace(QUICK, encoder=_spec(kind)), seed)
    for _ in range(3):
        run.advance()
    encoder = run.average.encoder
    assert isinstance(encoder, WindowEncoder)
    return encoder.network.state_dict()


def _model(kind: str) -> WorldModel:
    model = exact_model(PLANT, state_matrix=np.eye(2), input_matrix=np.ones((2, 1)), history=HISTORY)
    encoder = _encoder(kind, history=HISTORY, tags=4, latent=2)
    dynamics = replace(model.parts.dynamics, encoder=encoder)
    return WorldModel(replace(model.parts, dynamics=dynamics)).finished()


def _rewritten(path: Path, change: object) -> None:
    """A saved model, its configuration changed."""
    _model("mlp").save(path)
    files = read_artifact(path)
    config = json.loads(files["config.json"])
    assert callable(change)
    change(config)
    write_artifact(path, files | {"config.json": json.dumps(config).encode()}, {})
