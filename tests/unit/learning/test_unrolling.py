"""Gradients by hand are those of the graph that torch records."""

from collections.abc import Sequence

import pytest
import torch
from torch import nn

from procwm.learning.optimisation.unrolling import unrolled, unrolled_each
from procwm.world.disagreement import imagine_each, stacked
from procwm.world.parts.specs import StepShape
from procwm.world.predictors.mean import MeanPredictor
from procwm.world.predictors.mlp_predictor import MlpPredictor
from procwm.world.predictors.residual import PredictorSpec, ResidualPredictor
from procwm.world.predictors.rollout import imagined
from procwm.world.predictors.scheduled import ScheduledPredictor

SHAPE = StepShape(latent=4, mv=2, dv=1, outputs=2)
SPECS = (MlpPredictor(hidden=(7, 6)), ScheduledPredictor(gates=3), MeanPredictor(hidden=(7,), gates=3))


def _predictor(spec: PredictorSpec, seed: int = 0) -> ResidualPredictor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        found = spec.build(SHAPE)
        assert isinstance(found, ResidualPredictor)
        found = found.double()
        for weight in found.parameters():
            nn.init.normal_(weight, std=0.2)
    return found


def _inputs(*axes: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    latent, mv, dv = (
        torch.randn((*axes, *rest), generator=generator, dtype=torch.float64)
        for rest in ((4,), (5, 2), (5, 1))
    )
    return latent.requires_grad_(), mv, dv


def _gradients(states: torch.Tensor, by: Sequence[torch.Tensor]) -> Sequence[torch.Tensor]:
    weights = torch.linspace(-1.0, 1.0, states.numel(), dtype=torch.float64).reshape(states.shape)
    return torch.autograd.grad((states.square() * weights).sum(), list(by))


@pytest.mark.parametrize("spec", SPECS)
def test_states_and_gradients_are_those_of_the_recorded_graph(spec: PredictorSpec) -> None:
    predictor, (latent, mv, dv) = _predictor(spec), _inputs(3)
    by = [latent, *predictor.parameters()]
    theirs, ours = imagined(predictor, latent, mv, dv), unrolled(predictor, latent, mv, dv)
    torch.testing.assert_close(ours, theirs)
    for our, their in zip(_gradients(ours, by), _gradients(theirs, by), strict=True):
        torch.testing.assert_close(our, their)


@pytest.mark.parametrize("spec", SPECS)
def test_members_side_by_side_have_the_gradients_of_each(spec: PredictorSpec) -> None:
    members = [_predictor(spec, seed) for seed in range(3)]
    weights, (latent, mv, dv) = stacked(members), _inputs(3, 2)
    by = [latent, *weights.values()]
    theirs = imagine_each(members[0], weights, latent, mv, dv)
    ours = unrolled_each(members[0], weights, latent, mv, dv)
    torch.testing.assert_close(ours, theirs)
    for our, their in zip(_gradients(ours, by), _gradients(theirs, by), strict=True):
        torch.testing.assert_close(our, their)


def test_a_network_that_is_not_known_is_left_to_torch() -> None:
    predictor, (latent, mv, dv) = _predictor(MlpPredictor(hidden=(7,))), _inputs(3)
    predictor.network = nn.Sequential(nn.Linear(7, 6), nn.SiLU(), nn.Linear(6, 4)).double()
    ours = unrolled(predictor, latent, mv, dv)
    torch.testing.assert_close(ours, imagined(predictor, latent, mv, dv))
    assert all(found is not None for found in _gradients(ours, [latent, *predictor.parameters()]))
