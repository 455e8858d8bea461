"""What the parts of a world model are to each other. Torch, scaled units."""

from dataclasses import dataclass
from typing import Protocol

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

    cv: Float[Tensor, "batch horizon cv"]
    guard: Float[Tensor, "batch horizon guard"]


class Encoder(Protocol):
    """A causal window becomes one latent state."""

    def __call__(self, window: ModelInput) -> Float[Tensor, "batch latent"]: ...


class Predictor(Protocol):
    """One control interval in latent space; memory, if any, lives inside the latent."""

    def __call__(
        self,
        latent: Float[Tensor, "batch latent"],
        mv: Float[Tensor, "batch mv"],
        dv: Float[Tensor, "batch dv"],
    ) -> Float[Tensor, "batch latent"]: ...


class Head(Protocol):
    """Outputs, or guardrails: safe where <= 0."""

    @property
    def names(self) -> tuple[str, ...]: ...

    def __call__(self, latent: Float[Tensor, "batch latent"]) -> Float[Tensor, "batch name"]: ...


class LatentDynamics(Protocol):
    """All that a sampling planner needs; `WorldModel` is one."""

    def encode(self, window: ModelInput) -> Float[Tensor, "batch latent"]: ...

    def rollout(
        self,
        latent: Float[Tensor, "batch latent"],
        mv: Float[Tensor, "batch horizon mv"],
        dv: Float[Tensor, "batch horizon dv"],
    ) -> Rollout: ...
