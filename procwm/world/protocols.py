"""What the parts of a world model hand to each other. Torch, scaled units."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True, eq=False)
class ModelInput:
    """A batch of windows: scaled values, and 1 where valid, else 0.

    An invalid value is the last valid one before it in its window, 0 where there is none.

    Row -1 is the present. The MV columns hold what was in force during the interval that ended there.
    """

    values: Float[Tensor, "batch history tag"]
    valid: Float[Tensor, "batch history tag"]


@dataclass(frozen=True, eq=False)
class Rollout:
    """Predicted outputs (scaled) and guardrails (safe where <= 0, margin included)."""

    cv: Float[Tensor, "batch horizon output"]
    guard: Float[Tensor, "batch horizon guard"]
