import pytest
import torch

from procwm.errors import SpecError
from procwm.world.predictors.residual import ResidualPredictor


def _predictor() -> ResidualPredictor:
    return ResidualPredictor(latent=3, mv=2, dv=1, hidden=(8, 8)).double()


def test_an_untrained_predictor_is_persistence() -> None:
    latent = torch.randn((5, 3), dtype=torch.float64)
    after = _predictor()(latent, torch.randn((5, 2)).double(), torch.randn((5, 1)).double())
    assert torch.equal(after, latent)


def test_linear_part_and_network_add_up() -> None:
    predictor = _predictor()
    with torch.no_grad():
        predictor.linear.bias.fill_(0.25)
        predictor.network[-1].bias.fill_(0.5)
    zeros = torch.zeros((1, 3), dtype=torch.float64)
    after = predictor(zeros, torch.zeros((1, 2)).double(), torch.zeros((1, 1)).double())
    assert torch.allclose(after, torch.full((1, 3), 0.75, dtype=torch.float64))


def test_a_plant_without_disturbances_has_an_empty_axis() -> None:
    predictor = ResidualPredictor(latent=2, mv=1, dv=0, hidden=())
    assert predictor(torch.zeros((4, 2)), torch.zeros((4, 1)), torch.zeros((4, 0))).shape == (4, 2)


@pytest.mark.parametrize(
    ("kind", "hidden", "said"),
    [
        ("lstm", (8,), "no predictor lstm; there are mlp, scheduled"),
        ("scheduled", (8, 8), "one count of gates"),
    ],
)
def test_a_predictor_that_there_is_not_is_refused(kind: str, hidden: tuple[int, ...], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        ResidualPredictor(latent=2, mv=1, dv=0, hidden=hidden, kind=kind, scheduling=1)
