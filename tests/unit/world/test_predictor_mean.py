"""The mean of networks that learn beside each other, and plans through it."""

from typing import cast

import pytest
import torch
from network_cases import check_against_torch
from torch import nn

from procwm.errors import SpecError
from procwm.world.parts.specs import StepShape
from procwm.world.predictors.mean import MeanNetwork, MeanOfParts, MeanPredictor
from procwm.world.predictors.residual import PredictorSpec, ResidualPredictor
from procwm.world.predictors.rollout import alone

SHAPE = StepShape(latent=4, mv=2, dv=1, outputs=2)


def _predictor(*widths: int) -> MeanOfParts:
    torch.manual_seed(0)
    predictor = MeanPredictor(hidden=widths, gates=3).build(SHAPE)
    assert isinstance(predictor, MeanOfParts)
    predictor = predictor.double()
    for parameter in predictor.parameters():
        torch.nn.init.normal_(parameter)
    return predictor


def test_a_mean_is_half_of_what_each_part_does_alone() -> None:
    predictor = _predictor(5, 6)
    latent, mv, dv = (torch.randn((7, size), dtype=torch.float64) for size in (4, 2, 1))
    one, other = (part(latent, mv, dv) for part in predictor.parts())
    torch.testing.assert_close(predictor(latent, mv, dv), (one + other) / 2)
    assert not torch.allclose(one, other)


def test_a_part_alone_shares_its_weights_and_leaves_the_mean_as_it_is() -> None:
    predictor = _predictor(5)
    for kind in ("mlp", "scheduled"):
        part = alone(predictor, kind)
        assert isinstance(part, ResidualPredictor)
        assert part.spec.kind == kind
        assert part.linear is predictor.linear
        own = {id(parameter) for parameter in predictor.parameters()}
        assert all(id(parameter) in own for parameter in part.parameters())
        assert isinstance(part.spec, PredictorSpec)
        fresh = cast(nn.Module, part.spec.build(SHAPE)).double()
        fresh.load_state_dict(part.state_dict())
    assert predictor.spec.kind == "mean"
    assert isinstance(predictor.network, MeanNetwork)


def test_a_part_that_is_not_there_cannot_be_alone() -> None:
    with pytest.raises(SpecError, match="a predictor mlp has no part scheduled"):
        alone(alone(_predictor(5), "mlp"), "scheduled")


@pytest.mark.parametrize("widths", [(6,), (5, 6), (5, 6, 4)])
def test_programs_and_derivatives_agree_with_torch_whatever_the_depths(widths: tuple[int, ...]) -> None:
    check_against_torch(_predictor(*widths).network, torch.randn((5, 7), dtype=torch.float64))
