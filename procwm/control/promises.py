"""A limit that stays broken for some horizons, while CVs are never where plans said they would be.

A model that expects nothing of its moves takes what comes of them for loads, and is not surprised from one
interval to the next: its correction follows. What it foretells for the end of its horizon fails all the same.
So a plan is remembered for as long as it looks ahead, and then held to what the plant has done; then the next
one is. A load brings a CV out of its limits and away from what was foretold once, and a model that is right
has it back a horizon later, or knows that it cannot be had back.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from procwm.control.targets import Targets
from procwm.plant.tags import PlantSpec

UNKEPT = (
    "a limit has stayed broken for some horizons, and no CV beyond it was where plans had said: the model "
    "is not believed; evaluate it on a log of this time before it is in auto again"
)
_MOST = 3.0
"""Plans in a row that failed at a broken limit before the plant is given back."""
_OFF = 0.05
"""Of a CV's span: by less than that nothing is foretold wrong, however narrow the error band."""
_WITHIN = 0.25
"""What a plan that failed with every CV within its limits speaks for the model; one that came true, 1."""


@dataclass(frozen=True, kw_only=True)
class Promise:
    """What a plan said of the end of its horizon; a value.

    Attributes:
        due: control intervals until then; 0 where no plan is remembered.
        output: as foretold, engineering units, over the axis `output`.
        unkept: plans that failed at a broken limit, less those that came true.
    """

    due: int = 0
    output: tuple[float, ...] = ()
    unkept: float = 0.0

    @property
    def broken(self) -> bool:
        """Whether the model is not to be believed any more."""
        return self.unkept >= _MOST

    @property
    def released(self) -> "Promise":
        """What is left where the controller no longer does as it planned: its plan is held to nothing."""
        return replace(self, due=0, output=())


def promised(
    promise: Promise,
    output: Float[np.ndarray, " output"],
    plan: Float[np.ndarray, "horizon output"] | None,
    half_width: Float[np.ndarray, " output"],
    plant: PlantSpec,
    targets: Targets,
) -> Promise:
    """`promise` one control interval later.

    Args:
        output: as measured, NaN where it is not; that neither keeps nor breaks a promise.
        plan: outputs as the present plan foretells them, engineering units; `None` without a usable one.
        half_width: of the model's error band at the end of its horizon, engineering units; +inf where nothing
            is known of it.
        plant: whose limits count.
        targets: with limits in force.
    """
    if promise.due > 1:
        return replace(promise, due=promise.due - 1)
    if promise.due == 1:
        promise = replace(promise, due=0, unkept=_judged(promise, output, half_width, plant, targets))
    if plan is None:
        return promise
    return replace(promise, due=len(plan), output=tuple(plan[-1].tolist()))


def _judged(
    promise: Promise,
    output: Float[np.ndarray, " output"],
    half_width: Float[np.ndarray, " output"],
    plant: PlantSpec,
    targets: Targets,
) -> float:
    limits = np.array([targets.soft_limits(tag) for tag in plant.outputs])
    least = _OFF * np.array([tag.span for tag in plant.outputs])
    known = np.where(np.isfinite(half_width), half_width, 0.0)
    off = np.abs(output - np.array(promise.output)) > np.maximum(known, least)
    beyond = (output < limits[:, 0]) | (output > limits[:, 1])
    if (off & beyond).any():
        return promise.unkept + 1.0
    return max(promise.unkept - (_WITHIN if off.any() else 1.0), 0.0)
