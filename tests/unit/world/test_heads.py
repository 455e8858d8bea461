import torch
from torch import nn

from procwm.world.heads import GuardHead


def test_the_margin_makes_a_guardrail_stricter() -> None:
    layer = nn.Linear(2, 1).double()
    with torch.no_grad():
        layer.weight.fill_(1.0)
        layer.bias.fill_(-3.0)
    head = GuardHead(name="overflow", network=nn.Sequential(layer), margin=0.5, coverage=0.9)
    assert head(torch.ones((4, 2), dtype=torch.float64)).tolist() == [[-0.5]] * 4
