"""What encoders see of a window."""

import torch
from jaxtyping import Float
from torch import Tensor

from procwm.world.protocols import ModelInput


def window_features(window: ModelInput) -> Float[Tensor, "batch feature"]:
    """Values, then 1 where a value is missing; both flattened row by row."""
    return torch.cat((window.values.flatten(1), 1.0 - window.valid.flatten(1)), dim=-1)


def window_rows(window: ModelInput) -> Float[Tensor, "batch history channel"]:
    """Every row's values, then 1 where a value is missing."""
    return torch.cat((window.values, 1.0 - window.valid), dim=-1)
