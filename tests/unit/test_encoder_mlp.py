import torch

from procwm.world.encoders.mlp import MlpEncoder, window_features
from procwm.world.protocols import ModelInput


def _window(batch: int = 3) -> ModelInput:
    return ModelInput(torch.randn((batch, 4, 2)), torch.ones((batch, 4, 2)))


def test_a_complete_window_has_no_missing_feature() -> None:
    window = _window()
    features = window_features(window)
    assert torch.equal(features[:, :8], window.values.flatten(1))
    assert torch.equal(features[:, 8:], torch.zeros((3, 8)))


def test_a_missing_value_is_told_from_a_measured_one() -> None:
    window = _window()
    valid = window.valid.clone()
    valid[0, -1, 0] = 0.0
    encoder = MlpEncoder(history=4, tags=2, latent=3, hidden=(5,))
    torch.nn.init.normal_(encoder.linear.weight)
    whole, missing = encoder(window), encoder(ModelInput(window.values, valid))
    assert not torch.equal(whole[0], missing[0])
    assert torch.equal(whole[1:], missing[1:])


def test_the_output_is_not_normalised() -> None:
    encoder = MlpEncoder(history=4, tags=2, latent=3, hidden=(5,))
    torch.nn.init.normal_(encoder.linear.weight)
    window = _window()
    doubled = encoder(ModelInput(2.0 * window.values, window.valid)) - encoder.linear.bias
    assert torch.allclose(doubled, 2.0 * (encoder(window) - encoder.linear.bias), atol=1e-5)
