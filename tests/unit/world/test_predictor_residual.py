import pytest
import torch

from procwm.errors import SpecError
from procwm.world.parts.specs import StepShape
from procwm.world.predictors.mlp_predictor import MlpPredictor
from procwm.world.predictors.residual import ResidualPredictor
from procwm.world.storage.catalogue import PREDICTORS


def _predictor() -> ResidualPredictor:
    predictor = MlpPredictor(hidden=(8, 8)).build(StepShape(latent=3, mv=2, dv=1, outputs=2))
    assert isinstance(predictor, ResidualPredictor)
    return predictor.double()


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
    predictor = MlpPredictor(hidden=()).build(StepShape(latent=2, mv=1, dv=0, outputs=1))
    assert predictor(torch.zeros((4, 2)), torch.zeros((4, 1)), torch.zeros((4, 0))).shape == (4, 2)


@pytest.mark.parametrize(
    ("config", "said"),
    [
        ({"kind": "lstm"}, "no predictor lstm; there are mlp, scheduled"),
        ({"kind": "scheduled", "gates": 0}, "scheduled: gates is 0; it must be at least 1"),
        ({"kind": "scheduled", "gates": "many"}, "scheduled: gates: Input should be a valid integer"),
    ],
)
def test_a_predictor_that_there_is_not_is_refused(config: dict[str, object], said: str) -> None:
    with pytest.raises(SpecError, match=said):
        PREDICTORS.read(config)
