"""What the parts of a world model promise and hand to each other. Torch, scaled units.

Every part is an `nn.Module` that a spec builds; `procwm.world.storage.catalogue` says how to offer one from
outside.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor, nn

from procwm.world.parts.layers import Affine, Layers
from procwm.world.parts.specs import PartSpec, StepShape, WindowShape


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


@runtime_checkable
class Encoder(Protocol):
    """Perception: a causal window of tags to one latent state."""

    @property
    def identified(self) -> nn.Linear:
        """Its linear part, from `window_features`, which a training starts at the identified linear model.

        What is added to it gives 0 until trained.
        """
        ...

    @property
    def spec(self) -> PartSpec:
        """What it was built from."""
        ...

    @property
    def shape(self) -> WindowShape:
        """Sizes that it was built for."""
        ...

    def __call__(self, window: ModelInput, /) -> Float[Tensor, "batch latent"]:
        """The latent state at the end of each window."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]:
        """All weights, those of `identified` among them."""
        ...


@runtime_checkable
class Predictor(Protocol):
    """World model: latent state, MVs and DVs to the latent state one control interval later.

    Memory, if any, lives inside the latent.
    """

    @property
    def identified(self) -> nn.Linear:
        """Its linear part, from `[latent, mv, dv]` to a change of the latent.

        A training starts it at the identified linear model; what is added to it gives 0 until trained.
        """
        ...

    @property
    def spec(self) -> PartSpec:
        """What it was built from."""
        ...

    @property
    def shape(self) -> StepShape:
        """Sizes that it was built for."""
        ...

    def parts(self) -> Sequence["Predictor"]:
        """Predictors of the same weights that each learn to foresee alone; most often just itself."""
        ...

    def __call__(
        self,
        latent: Float[Tensor, "batch latent"],
        mv: Float[Tensor, "batch mv"],
        dv: Float[Tensor, "batch dv"],
        /,
    ) -> Float[Tensor, "batch latent"]:
        """The latent state one control interval later."""
        ...

    def named_parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        """All weights by name, those of `identified` among them."""
        ...

    def change(self) -> tuple[Affine, Layers]:
        """The change of the latent as planners take it: an affine map and a network of `[latent, mv, dv]`."""
        ...

    def parameters(self) -> Iterator[nn.Parameter]:
        """All weights, those of `identified` among them."""
        ...


@runtime_checkable
class Head(Protocol):
    """A small read-out of the latent state: one number of its own meaning.

    Attributes:
        name: of what is read.
        coverage: share of moments that its margin or band was calibrated for.
    """

    name: str
    coverage: float

    @property
    def spec(self) -> PartSpec:
        """What it is built from again."""
        ...

    def __call__(self, latent: Float[Tensor, "batch latent"], /) -> Float[Tensor, "batch 1"]:
        """What is read of each latent."""
        ...


@runtime_checkable
class PlannedHead(Head, Protocol):
    """A guardrail: safe where its value, margin included, is `<= 0`, at every step of a plan."""

    def layers(self) -> Layers:
        """The same function as planners take it, margin included."""
        ...


@runtime_checkable
class BandedHead(Head, Protocol):
    """A soft sensor: a quantity that nothing measures, in its own unit.

    Attributes:
        half_width: of the band about it that holds the share `coverage` of true values.
    """

    half_width: float


@runtime_checkable
class LatentDynamics(Protocol):
    """All that a sampling planner needs of a model: `WorldModel` is one."""

    def encode(self, window: ModelInput) -> Float[Tensor, "batch latent"]:
        """The latent state at the end of each window."""
        ...

    def rollout(
        self,
        latent: Float[Tensor, "batch latent"],
        mv: Float[Tensor, "batch horizon mv"],
        dv: Float[Tensor, "batch horizon dv"],
    ) -> Rollout:
        """Predicted outputs and guardrails under the given MVs and DVs (scaled)."""
        ...
