"""A residual step in latent space: a linear part plus a small smooth network of some architecture."""

from abc import abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from procwm.world.parts.layers import Affine, Layers, affine, read_layers
from procwm.world.parts.perceptron import zero_linear
from procwm.world.parts.specs import PartSpec, StepShape
from procwm.world.protocols import Predictor


class ResidualPredictor(nn.Module):
    """`z' = z + linear([z, mv, dv]) + network([z, mv, dv])`, smooth everywhere.

    Both parts start at zero, so an untrained predictor is persistence. `linear` gives a change, so its
    state matrix is `I + A`. Where the network is bounded, as sums of tangents are, and that matrix is stable,
    no inputs within limits can drive the latent without end; where it integrates, no faster than a ramp.

    Attributes:
        linear: the part that a linear identification can set.
        network: what is added to it.
    """

    def __init__(self, *, spec: PartSpec, shape: StepShape, linear: nn.Linear, network: nn.Module) -> None:
        super().__init__()
        self.spec, self.shape, self.linear, self.network = spec, shape, linear, network

    @property
    def identified(self) -> nn.Linear:
        """The linear part."""
        return self.linear

    def forward(
        self,
        latent: Float[Tensor, "batch latent"],
        mv: Float[Tensor, "batch mv"],
        dv: Float[Tensor, "batch dv"],
    ) -> Float[Tensor, "batch latent"]:
        """The latent state one control interval later."""
        inputs = torch.cat((latent, mv, dv), dim=-1)
        step: Tensor = self.linear(inputs) + self.network(inputs)
        return latent + step

    def parts(self) -> Sequence[Predictor]:
        """Itself: it learns to foresee as a whole."""
        return (self,)

    def change(self) -> tuple[Affine, Layers]:
        """`linear` and `network` as planners take them.

        Raises:
            SpecError: the network has a layer that no plan can be computed through.
        """
        return affine(read_layers(self.linear)[0]), read_layers(self.network)


@dataclass(frozen=True, kw_only=True)
class PredictorSpec(PartSpec):
    """Kind and sizes of a predictor; a new one says what its network is.

    A predictor that is something else than a linear map and a network beside it overrides `build`; what that
    returns keeps the Protocol `Predictor`.
    """

    @abstractmethod
    def network(self, shape: StepShape) -> nn.Module:
        """What maps `batch input` to an addition to the latent, `batch latent`; at first it adds 0.

        Plans are computed through `Linear`, `Tanh`, `SiLU`, `Sequential` and whatever is `Layered`.
        The first latents are what the outputs are read from, as many as there are outputs.
        """

    def build(self, shape: StepShape) -> Predictor:
        """An untrained predictor."""
        linear = zero_linear(shape.inputs, shape.latent)
        return ResidualPredictor(spec=self, shape=shape, linear=linear, network=self.network(shape))
