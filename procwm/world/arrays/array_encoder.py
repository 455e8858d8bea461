"""A short history of arrays and of moves becomes one latent state."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from procwm.world.arrays.array_views import ArrayViews
from procwm.world.parts.perceptron import zero_linear

KERNELS = ((9, 4), (5, 4))
"""Width and stride of the convolutions over channels."""
WIDTHS = (8, 16)
"""What each of them makes of a place."""
HIDDEN = 32
"""Of the network that looks back."""


class ArrayEncoder(nn.Module):
    """`z = e(now) + linear(window) + network(window)`, `e` being a linear map of an array and a convolution.

    The window holds `e` of the last arrays and the moves that were made meanwhile: what single arrays show
    with much noise, several of them show with less, if it is known what was done to the plant between them.

    Attributes:
        views: what an array is looked at in.
        identified: the linear map of an array, which an identification sets.
    """

    def __init__(self, views: ArrayViews, *, history: int, mvs: int, latent: int) -> None:
        super().__init__()
        self.history = history
        self.views = views
        self.identified = nn.Linear(2 * views.channels, latent)
        self._see = nn.Sequential(*_convolutions(), nn.Flatten())
        places = self._see(torch.zeros(1, 2, views.channels)).shape[1]
        self._add = zero_linear(places, latent)
        window = history * (latent + mvs)
        self._back = zero_linear(window, latent)
        self._bend = nn.Sequential(nn.Linear(window, HIDDEN), nn.GELU(), zero_linear(HIDDEN, latent))

    def frames(self, views: Float[Tensor, "row 2 channel"]) -> Float[Tensor, "row latent"]:
        """What every array shows by itself."""
        seen: Tensor = self.identified(views.flatten(1)) + self._add(self._see(views))
        return seen

    def forward(
        self, frames: Float[Tensor, "batch row latent"], mv: Float[Tensor, "batch row mv"]
    ) -> Float[Tensor, "batch moment latent"]:
        """The latent state at every row that has a whole window behind it.

        Args:
            frames: of consecutive rows.
            mv: in force during the interval that ended at each row, scaled.
        """
        both = torch.cat((frames, mv), dim=2)
        window = both.unfold(1, self.history, 1).flatten(2)
        latent: Tensor = frames[:, self.history - 1 :] + self._back(window) + self._bend(window)
        return latent


def _convolutions() -> list[nn.Module]:
    layers: list[nn.Module] = []
    before = 2
    for (kernel, stride), width in zip(KERNELS, WIDTHS, strict=True):
        layers += [nn.Conv1d(before, width, kernel, stride, padding=kernel // 2), nn.GELU()]
        before = width
    return layers
