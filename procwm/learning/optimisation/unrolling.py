"""Latents ahead with gradients by hand, for predictors whose networks are known.

Backpropagation through time (Werbos, Backpropagation through time: what it does and how to do it, Proceedings
of the IEEE 78 (1990), 1550-1560). A graph that torch records has two dozen nodes a step, each of which costs
more than the few numbers in it. Here every step is done in place, only the gradient by the latent is followed
from step to step, and those by the weights, which are sums over the steps, are one product each.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from procwm.learning.optimisation.perceptron_steps import PerceptronSteps
from procwm.learning.optimisation.scheduled_steps import ScheduledSteps
from procwm.learning.optimisation.step_sums import over_steps
from procwm.world.disagreement import imagine_each
from procwm.world.predictors.mean import MeanNetwork, MeanOfParts
from procwm.world.predictors.residual import ResidualPredictor
from procwm.world.predictors.rollout import imagined
from procwm.world.predictors.scheduled import ScheduledNetwork
from procwm.world.protocols import Predictor


@dataclass(frozen=True)
class _Known:
    """A network, or a part of a mean, whose gradients are known.

    Attributes:
        steps: what takes it along a rollout.
        count: of its weights.
        share: of its output that counts.
    """

    steps: type[PerceptronSteps] | type[ScheduledSteps]
    count: int
    share: float


def unrolled(
    predictor: Predictor,
    latent: Float[Tensor, "batch latent"],
    mv: Float[Tensor, "batch step mv"],
    dv: Float[Tensor, "batch step dv"],
) -> Float[Tensor, "batch step latent"]:
    """`imagined`, with cheaper gradients where the predictor's network is known."""
    if _networks(predictor) is None:
        return imagined(predictor, latent, mv, dv)
    weights = {name: weight[None] for name, weight in predictor.named_parameters()}
    return unrolled_each(predictor, weights, latent[None], mv[None], dv[None])[0]


def unrolled_each(
    predictor: Predictor,
    weights: Mapping[str, Tensor],
    latent: Float[Tensor, "member batch latent"],
    mv: Float[Tensor, "member batch step mv"],
    dv: Float[Tensor, "member batch step dv"],
) -> Float[Tensor, "member batch step latent"]:
    """`imagine_each`, with cheaper gradients where the members' network is known."""
    known = _networks(predictor)
    if known is None:
        return imagine_each(predictor, weights, latent, mv, dv)
    inputs = torch.cat((mv, dv), dim=-1).permute(2, 0, 1, 3).contiguous()
    own = [weights[name] for name, _ in predictor.named_parameters()]
    states: Tensor = _Unrolled.apply(known, latent, inputs, *own)  # type: ignore[no-untyped-call]
    return states.permute(1, 2, 0, 3)


def _networks(predictor: Predictor) -> list[_Known] | None:
    """The networks beside the linear part; `None` where one, or the predictor itself, is not known."""
    if isinstance(predictor, ResidualPredictor) and type(predictor) in (ResidualPredictor, MeanOfParts):
        return _known(predictor.network)
    return None


def _known(network: nn.Module, share: float = 1.0) -> list[_Known] | None:
    """The parts of `network` in the order of its weights; `None` where one is not known."""
    if isinstance(network, MeanNetwork) and type(network) is MeanNetwork:
        parts = [_known(part, share / len(network.networks)) for part in network.networks]
        return None if None in parts else [known for part in parts if part for known in part]
    if type(network) is ScheduledNetwork:
        return [_Known(ScheduledSteps, 4, share)]
    if _is_perceptron(network):
        return [_Known(PerceptronSteps, len(list(network.parameters())), share)]
    return None


def _is_perceptron(network: nn.Module) -> bool:
    """Whether it is `Linear, Tanh, ..., Linear` with a hidden layer, and biases everywhere."""
    layers = list(network) if isinstance(network, nn.Sequential) else []
    kinds = [nn.Linear, nn.Tanh] * (len(layers) // 2) + [nn.Linear]
    biased = all(layer.bias is not None for layer in layers[::2] if isinstance(layer, nn.Linear))
    return len(layers) > 1 and [type(layer) for layer in layers] == kinds and biased


class _Unrolled(torch.autograd.Function):
    """`z' = z + linear(v) + sum_i share_i network_i(v)`, many steps and members at once."""

    @staticmethod
    def forward(
        ctx: Any,
        known: list[_Known],
        latent: Float[Tensor, "member batch latent"],
        inputs: Float[Tensor, "step member batch input"],
        weight: Float[Tensor, "member latent seen"],
        bias: Float[Tensor, "member latent"],
        *weights: Tensor,
    ) -> Float[Tensor, "step member batch latent"]:
        """The states, row 0 being the end of the first interval."""
        size = latent.shape[-1]
        given = iter(weights)
        networks = [part.steps(list(_next(given, part.count)), inputs, size, part.share) for part in known]
        transition = weight[..., :size] + torch.eye(size, dtype=weight.dtype, device=weight.device)
        constant = bias + sum(network.constant for network in networks)
        states = inputs @ weight[..., size:].mT + constant[:, None]
        now = latent
        for step, following in enumerate(states.unbind()):
            following.baddbmm_(now, transition.mT)
            for network in networks:
                network.add(step, now, following)
            now = following
        ctx.networks = networks
        ctx.save_for_backward(latent, inputs, transition, states)
        return states

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor | None, ...]:
        """From the last step to the first."""
        latent, inputs, transition, states = ctx.saved_tensors
        flows = torch.cat((torch.zeros_like(latent)[None], gradients[0]))
        rows = flows.unbind()
        for network in ctx.networks:
            network.turn()
        for step in reversed(range(len(states))):
            rows[step].baddbmm_(rows[step + 1], transition)
            for network in ctx.networks:
                network.back(step, rows[step + 1], rows[step])
        seen = torch.cat((torch.cat((latent[None], states[:-1])), inputs), dim=-1)
        following = flows[1:]
        found = [over_steps(following, seen), following.sum(dim=(0, 2))]
        for network in ctx.networks:
            found += network.gradients(seen, following)
        return None, flows[0], None, *found


def _next(given: Iterator[Tensor], count: int) -> Iterator[Tensor]:
    return (next(given) for _ in range(count))
