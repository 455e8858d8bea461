"""An error band that is wider where the ensemble disagrees and where the log seldom was."""

import copy

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn


class Uncertainty(nn.Module):
    """Half-widths `band * sqrt(1 + a (disagreement / usual)^2 + b distance)`, by lead and output, scaled.

    Attributes:
        usual: root mean squared disagreement on held-out time.
        weights: `a` and `b`.
        band: half-widths for a factor of 1; +inf where too little was held out to show it.
    """

    def __init__(self, *, horizon: int, outputs: int) -> None:
        super().__init__()
        self.usual: Tensor
        self.weights: Tensor
        self.band: Tensor
        self.register_buffer("usual", torch.ones((horizon, outputs)))
        self.register_buffer("weights", torch.zeros(2))
        self.register_buffer("band", torch.full((horizon, outputs), torch.inf))

    def factor(
        self, disagreement: Float[Tensor, "batch horizon output"], distance: Float[Tensor, "batch horizon"]
    ) -> Float[Tensor, "batch horizon output"]:
        """What widths are multiplied by."""
        by_disagreement, by_distance = self.weights
        relative = (disagreement / self.usual).square()
        found: Tensor = (1.0 + by_disagreement * relative + by_distance * distance[..., None]).sqrt()
        return found

    def times(self, scale: Float[np.ndarray, " output"]) -> "Uncertainty":
        """The same where every output's numbers are `scale` times as large."""
        found = copy.deepcopy(self)
        factor = torch.as_tensor(scale, dtype=self.band.dtype)
        found.usual, found.band = self.usual * factor, self.band * factor
        return found
