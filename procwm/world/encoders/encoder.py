"""A causal window becomes one latent state: a linear part plus a network of some architecture."""

from abc import abstractmethod
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor, nn

from procwm.world.encoders.features import window_features
from procwm.world.parts.perceptron import zero_linear
from procwm.world.parts.specs import PartSpec, WindowShape
from procwm.world.protocols import Encoder, ModelInput


class WindowEncoder(nn.Module):
    """`z = linear(w) + network(w)`, `w` being the window's values beside what is missing in it.

    The output is linear: a normalisation at the end would keep the latents from becoming Gaussian.

    Attributes:
        linear: the part that a linear identification can set.
        network: what is added to it, whose last layer starts at zero.
    """

    def __init__(self, *, spec: PartSpec, shape: WindowShape, linear: nn.Linear, network: nn.Module) -> None:
        super().__init__()
        self.spec, self.shape, self.linear, self.network = spec, shape, linear, network

    @property
    def identified(self) -> nn.Linear:
        """The linear part."""
        return self.linear

    def forward(self, window: ModelInput) -> Float[Tensor, "batch latent"]:
        """The latent state at the end of each window."""
        latent: Tensor = self.linear(window_features(window)) + self.network(window)
        return latent


@dataclass(frozen=True, kw_only=True)
class EncoderSpec(PartSpec):
    """Kind and sizes of an encoder; a new one says what its network is.

    An encoder that is something else than a linear map and a network beside it overrides `build`; what that
    returns keeps the Protocol `Encoder`.
    """

    @abstractmethod
    def network(self, shape: WindowShape) -> nn.Module:
        """What maps a `ModelInput` to an addition to the latent, `batch latent`; at first it adds 0."""

    def build(self, shape: WindowShape) -> Encoder:
        """An untrained encoder."""
        linear = zero_linear(shape.features, shape.latent)
        return WindowEncoder(spec=self, shape=shape, linear=linear, network=self.network(shape))
