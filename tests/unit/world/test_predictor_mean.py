"""The mean of networks that learn beside each other, and plans through it."""

import pytest
import torch
from network_cases import check_against_torch

from procwm.errors import SpecError
from procwm.world.predictors.mean import MeanNetwork
from procwm.world.predictors.residual import ALONE, MEAN, ResidualPredictor


def _predictor(*widths: int) -> ResidualPredictor:
    torch.manual_seed(0)
    predictor = ResidualPredictor(latent=4, mv=2, dv=1, hidden=(*widths, 3), kind=MEAN, scheduling=2).double()
    for parameter in predictor.parameters():
        torch.nn.init.normal_(parameter)
    return predictor


def test_a_mean_is_half_of_what_each_part_does_alone() -> None:
    predictor = _predictor(5, 6)
    latent, mv, dv = (torch.randn((7, size), dtype=torch.float64) for size in (4, 2, 1))
    alone = [predictor.only(kind)(latent, mv, dv) for kind in predictor.parts]
    torch.testing.assert_close(predictor(latent, mv, dv), (alone[0] + alone[1]) / 2)
    assert not torch.allclose(alone[0], alone[1])


def test_a_part_alone_shares_its_weights_and_leaves_the_mean_as_it_is() -> None:
    predictor = _predictor(5)
    for kind in ALONE:
        part = predictor.only(kind)
        assert part.kind == kind
        assert part.linear is predictor.linear
        own = {id(parameter) for parameter in predictor.parameters()}
        assert all(id(parameter) in own for parameter in part.parameters())
        fresh = ResidualPredictor(latent=4, mv=2, dv=1, hidden=part.hidden, kind=kind, scheduling=2).double()
        fresh.load_state_dict(part.state_dict())
    assert predictor.kind == MEAN
    assert isinstance(predictor.network, MeanNetwork)


def test_a_part_that_is_not_there_cannot_be_alone() -> None:
    with pytest.raises(SpecError, match="a predictor mlp has no part scheduled"):
        _predictor(5).only("mlp").only("scheduled")


@pytest.mark.parametrize("widths", [(6,), (5, 6), (5, 6, 4)])
def test_programs_and_derivatives_agree_with_torch_whatever_the_depths(widths: tuple[int, ...]) -> None:
    check_against_torch(_predictor(*widths).network, torch.randn((5, 7), dtype=torch.float64))
