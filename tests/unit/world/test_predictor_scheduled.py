"""The scheduled predictor: linear at an operating point, and no more than its start until trained."""

from typing import cast

import numpy as np
import torch
from network_cases import check_against_torch
from torch import nn

from procwm.world.parts.specs import StepShape
from procwm.world.predictors.scheduled import ScheduledNetwork, ScheduledPredictor


def _network() -> ScheduledNetwork:
    torch.manual_seed(0)
    network = ScheduledNetwork(inputs=5, scheduling=2, gates=3, outputs=2).double()
    torch.nn.init.normal_(network.mix.weight)
    torch.nn.init.normal_(network.mix.bias)
    return network


def test_an_untrained_scheduled_predictor_is_persistence() -> None:
    shape = StepShape(latent=4, mv=2, dv=1, outputs=2)
    predictor = cast(nn.Module, ScheduledPredictor(gates=3).build(shape)).double()
    latent = torch.randn((5, 4), dtype=torch.float64)
    after = predictor(latent, torch.randn((5, 2)).double(), torch.randn((5, 1)).double())
    assert torch.equal(after, latent)


def test_between_equal_scheduling_inputs_the_products_are_nearly_linear() -> None:
    network = _network()
    schedule = torch.tensor([0.4, -0.7], dtype=torch.float64)

    def answer(*others: float) -> torch.Tensor:
        return network(torch.cat((schedule, torch.tensor(others, dtype=torch.float64)))[None])[0]

    rest, one, other, both = answer(0, 0, 0), answer(1, 0, 0.5), answer(0, -1, 1), answer(1, -1, 1.5)
    np.testing.assert_allclose(
        (both - rest).detach(), (one - rest + other - rest).detach(), rtol=0.02, atol=0.02
    )


def test_the_scheduling_inputs_change_what_the_others_do() -> None:
    network = _network()
    low, high = torch.zeros((1, 5)).double(), torch.zeros((1, 5)).double()
    low[0, :2], high[0, :2] = -1.5, 1.5
    moved = torch.tensor([[0.0, 0.0, 1.0, 0.0, 0.0]], dtype=torch.float64)
    effects = [network(at + moved) - network(at) for at in (low, high)]
    assert (effects[0] - effects[1]).abs().max() > 0.1


def test_programs_and_derivatives_agree_with_torch() -> None:
    check_against_torch(_network(), torch.randn((7, 5), dtype=torch.float64))
