"""The optimiser on flat weights takes the steps of torch's own."""

import torch
from torch import nn

from procwm.learning.optimisation.adamw import LARGEST_GRADIENT, AdamW, RateGroup, flattened


def _network(seed: int = 0) -> nn.Sequential:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return nn.Sequential(nn.Linear(3, 5), nn.Tanh(), nn.Linear(5, 2)).double()


def _loss(network: nn.Sequential, step: int) -> torch.Tensor:
    inputs = torch.linspace(-1.0, 1.0 + step, 12, dtype=torch.float64).reshape(4, 3)
    loss: torch.Tensor = 30.0 * (network(inputs) - 0.3).square().mean()
    return loss


def _groups(network: nn.Sequential) -> list[RateGroup]:
    return [
        RateGroup(list(network[0].parameters()), 3e-2, 0.1),
        RateGroup(list(network[2].parameters()), 1e-3, 0.0),
    ]


def test_the_steps_are_those_of_torch_with_clipped_gradients() -> None:
    ours, theirs = _network(), _network()
    optimizer = AdamW(_groups(ours))
    reference = torch.optim.AdamW(
        [
            {"params": group.weights, "peak": group.rate, "weight_decay": group.decay}
            for group in _groups(theirs)
        ],
        betas=(0.9, 0.99),
    )
    for step in range(20):
        share = 1.0 - step / 40.0
        for group in reference.param_groups:
            group["lr"] = group["peak"] * share
        reference.zero_grad()
        _loss(theirs, step).backward()
        torch.nn.utils.clip_grad_norm_(theirs.parameters(), LARGEST_GRADIENT)
        reference.step()
        _loss(ours, step).backward()
        optimizer.step(share)
    for our, their in zip(ours.parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(our, their, rtol=1e-10, atol=1e-12)


def test_a_restored_optimiser_continues_alike() -> None:
    one, other = _network(), _network()
    first, second = AdamW(_groups(one)), AdamW(_groups(other))
    for step in range(3):
        _loss(one, step).backward()
        first.step(1.0)
    other.load_state_dict(one.state_dict())
    second.restore(first.tensors())
    for network, optimizer in ((one, first), (other, second)):
        _loss(network, 3).backward()
        optimizer.step(0.5)
    assert torch.equal(first.weights, second.weights)


def test_flattened_weights_follow_the_flat_ones() -> None:
    network = _network()
    before = [weight.clone() for weight in network.parameters()]
    flat = flattened(list(network.parameters()))
    flat.mul_(2.0)
    for weight, was in zip(network.parameters(), before, strict=True):
        assert torch.equal(weight, 2.0 * was)
