"""The mean of networks that learn beside each other."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

from procwm.world.parts.layers import Affine, Layers, affine, read_layers, side_by_side
from procwm.world.parts.perceptron import zero_linear
from procwm.world.parts.specs import StepShape
from procwm.world.predictors.mlp_predictor import MlpPredictor
from procwm.world.predictors.residual import PredictorSpec, ResidualPredictor
from procwm.world.predictors.scheduled import ScheduledPredictor
from procwm.world.protocols import Predictor


class MeanNetwork(nn.Module):
    """`mean_i networks_i(v)`.

    Each learns to foresee by itself. Where the log was their errors are alike; where it was not they differ,
    and the mean errs less than most of them (Lakshminarayanan, Pritzel and Blundell, Simple and scalable
    predictive uncertainty estimation using deep ensembles, NeurIPS 2017).
    """

    def __init__(self, networks: Iterable[nn.Module]) -> None:
        super().__init__()
        self.networks = nn.ModuleList(networks)

    def forward(self, inputs: Float[Tensor, "*batch in"]) -> Float[Tensor, "*batch out"]:
        """The outputs at each row."""
        return torch.stack([network(inputs) for network in self.networks]).mean(dim=0)

    def layers(self) -> Layers:
        """All networks side by side, and their mean."""
        each = [read_layers(network) for network in self.networks]
        first = [affine(layers[0]) for layers in each]
        together = side_by_side(
            each,
            Affine(np.vstack([part.weight for part in first]), np.concatenate([part.bias for part in first])),
        )
        outputs = len(affine(each[0][-1]).bias)
        mean = Affine(np.tile(np.eye(outputs) / len(each), len(each)), np.zeros(outputs))
        return *together, mean


class MeanOfParts(ResidualPredictor):
    """A predictor whose network is a mean, and the predictors that each of its networks is by itself."""

    spec: "MeanPredictor"
    network: MeanNetwork

    def parts(self) -> Sequence[Predictor]:
        """One for each network; the weights are the same tensors."""
        return [
            ResidualPredictor(spec=spec, shape=self.shape, linear=self.linear, network=network)
            for spec, network in zip(self.spec.parts, self.network.networks, strict=True)
        ]


@dataclass(frozen=True, kw_only=True)
class MeanPredictor(PredictorSpec):
    """A predictor with the mean of a perceptron and a scheduled network, which learn beside each other.

    Attributes:
        hidden: widths of the perceptron's hidden layers.
        gates: of the scheduled network.
    """

    kind: ClassVar[str] = "mean"

    hidden: tuple[int, ...] = (64, 64)
    gates: int = 4

    @property
    def parts(self) -> tuple[PredictorSpec, ...]:
        """What each network would be alone."""
        return MlpPredictor(hidden=self.hidden), ScheduledPredictor(gates=self.gates)

    def __post_init__(self) -> None:
        # Each part refuses sizes that are nonsense.
        _ = self.parts

    def network(self, shape: StepShape) -> MeanNetwork:
        """What is added to the linear part."""
        return MeanNetwork(part.network(shape) for part in self.parts)

    def build(self, shape: StepShape) -> Predictor:
        """An untrained predictor."""
        linear = zero_linear(shape.inputs, shape.latent)
        return MeanOfParts(spec=self, shape=shape, linear=linear, network=self.network(shape))
