"""When a limit stays broken while the plant does not do what the model expects: the model is not believed.

A load breaks limits too, and a model that is right brings the CV back within its horizon. One whose MVs act
the other way round drives it further, and its plans say all the while that it is coming back.
"""

import numpy as np
from jaxtyping import Float

from procwm.control.targets import Targets
from procwm.plant.tags import PlantSpec

MISTRUSTED = (
    "a limit has stayed broken while the plant did what the model did not expect: the model is not believed; "
    "evaluate it on a log of this time before it is in auto again"
)
_SHARE, _FEWEST = 0.5, 5
"""Of the horizon, and control intervals at the least, that this lasts before the plant is given back."""
_SURPRISED = 0.25
"""What an interval within limits speaks for a model that is surprised in it: a swing goes beyond and back."""


def mistrust(
    count: float, surprise: float, output: Float[np.ndarray, " output"], plant: PlantSpec, targets: Targets
) -> float:
    """Control intervals that speak against the model, less those that speak for it.

    Args:
        count: the same one interval ago.
        surprise: of the present; above 1 is more than ordinary operation brings; NaN where unknown.
        output: as measured, NaN where it is not; then the others speak for the model no more than it does.
        plant: whose limits count.
        targets: with limits in force.
    """
    limits = np.array([targets.soft_limits(tag) for tag in plant.outputs])
    broken = bool(((output < limits[:, 0]) | (output > limits[:, 1])).any())
    if broken and surprise > 1.0:
        return count + 1.0
    # An instrument at its end says nothing, and a tank that runs over is where it does so.
    if np.isnan(output).any() and not broken:
        return count
    return max(count - (_SURPRISED if surprise > 1.0 else 1.0), 0.0)


def mistrusted(count: float, horizon: int) -> bool:
    """Whether `count` is enough to give the plant back, with a model of that horizon."""
    return count >= max(_FEWEST, round(_SHARE * horizon))
