"""A predictor whose network is a perceptron of the whole latent, MVs and DVs."""

from dataclasses import dataclass
from typing import ClassVar

from torch import nn

from procwm.world.parts.perceptron import smooth_network
from procwm.world.parts.specs import StepShape, check_count
from procwm.world.predictors.residual import PredictorSpec


@dataclass(frozen=True, kw_only=True)
class MlpPredictor(PredictorSpec):
    """A predictor with a perceptron whose hidden layers have these widths."""

    kind: ClassVar[str] = "mlp"

    hidden: tuple[int, ...] = (64, 64)

    def __post_init__(self) -> None:
        for width in self.hidden:
            check_count(self.kind, "a width", width)

    def network(self, shape: StepShape) -> nn.Module:
        """What is added to the linear part."""
        return smooth_network(shape.inputs, self.hidden, shape.latent)
