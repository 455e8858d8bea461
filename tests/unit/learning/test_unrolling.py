"""Gradients by hand are those of the graph that torch records."""

from collections.abc import Sequence

import pytest
import torch
from torch import nn

from procwm.learning.optimisation.unrolling import unrolled, unrolled_each
from procwm.world.disagreement import imagine_each, stacked
from procwm.world.predictors.residual import ResidualPredictor

KINDS = {"mlp": (7, 6), "scheduled": (3,), "mean": (7, 3)}


def _predictor(kind: str, hidden: Sequence[int], seed: int = 0) -> ResidualPredictor:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        found = ResidualPredictor(latent=4, mv=2, dv=1, hidden=hidden, kind=kind, scheduling=2).double()
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


@pytest.mark.parametrize("kind", KINDS)
def test_states_and_gradients_are_those_of_the_recorded_graph(kind: str) -> None:
    predictor, (latent, mv, dv) = _predictor(kind, KINDS[kind]), _inputs(3)
    by = [latent, *predictor.parameters()]
    theirs, ours = predictor.imagine(latent, mv, dv), unrolled(predictor, latent, mv, dv)
    torch.testing.assert_close(ours, theirs)
    for our, their in zip(_gradients(ours, by), _gradients(theirs, by), strict=True):
        torch.testing.assert_close(our, their)


@pytest.mark.parametrize("kind", KINDS)
def test_members_side_by_side_have_the_gradients_of_each(kind: str) -> None:
    members = [_predictor(kind, KINDS[kind], seed) for seed in range(3)]
    weights, (latent, mv, dv) = stacked(members), _inputs(3, 2)
    by = [latent, *weights.values()]
    theirs = imagine_each(members[0], weights, latent, mv, dv)
    ours = unrolled_each(members[0], weights, latent, mv, dv)
    torch.testing.assert_close(ours, theirs)
    for our, their in zip(_gradients(ours, by), _gradients(theirs, by), strict=True):
        torch.testing.assert_close(our, their)


def test_a_network_that_is_not_known_is_left_to_torch() -> None:
    predictor, (latent, mv, dv) = _predictor("mlp", (7,)), _inputs(3)
    predictor.network = nn.Sequential(nn.Linear(7, 6), nn.SiLU(), nn.Linear(6, 4)).double()
    ours = unrolled(predictor, latent, mv, dv)
    torch.testing.assert_close(ours, predictor.imagine(latent, mv, dv))
    assert all(found is not None for found in _gradients(ours, [latent, *predictor.parameters()]))
