"""A multilayer perceptron over the flattened window."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from jaxtyping import Float
from torch import Tensor, nn

from procwm.world.encoders.encoder import EncoderSpec
from procwm.world.encoders.features import window_features
from procwm.world.parts.perceptron import smooth_network
from procwm.world.parts.specs import WindowShape, check_count
from procwm.world.protocols import ModelInput


class MlpNetwork(nn.Sequential):
    """`Linear, Tanh, ..., Linear`, starting at zero."""

    def __init__(self, *, history: int, tags: int, latent: int, hidden: Sequence[int]) -> None:
        super().__init__(*smooth_network(2 * history * tags, hidden, latent))

    def forward(self, window: ModelInput) -> Float[Tensor, "batch latent"]:
        """What the network adds to the latent at the end of each window."""
        latent: Tensor = super().forward(window_features(window))  # type: ignore[no-untyped-call]
        return latent


@dataclass(frozen=True, kw_only=True)
class MlpEncoder(EncoderSpec):
    """An encoder with a perceptron whose hidden layers have these widths."""

    kind: ClassVar[str] = "mlp"

    hidden: tuple[int, ...] = (16,)

    def __post_init__(self) -> None:
        for width in self.hidden:
            check_count(self.kind, "a width", width)

    def network(self, shape: WindowShape) -> nn.Module:
        """What is added to the linear part."""
        return MlpNetwork(history=shape.history, tags=shape.tags, latent=shape.latent, hidden=self.hidden)
