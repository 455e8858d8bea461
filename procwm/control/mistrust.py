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


def mistrust(
    count: int, surprise: float, output: Float[np.ndarray, " output"], plant: PlantSpec, targets: Targets
) -> int:
    """Control intervals that speak against the model, less those that speak for it.

    Args:
        count: the same one interval ago.
        surprise: of the present; above 1 is more than ordinary operation brings; NaN where unknown.
        output: as measured, NaN where it is not.
        plant: whose limits count.
        targets: with limits in force.
    """
    limits = np.array([targets.soft_limits(tag) for tag in plant.outputs])
    broken = bool(((output < limits[:, 0]) | (output > limits[:, 1])).any())
    return count + 1 if broken and surprise > 1.0 else max(count - 1, 0)


def mistrusted(count: int, horizon: int) -> bool:
    """Whether `count` is enough to give the plant back, with a model of that horizon."""
    return count >= max(_FEWEST, round(_SHARE * horizon))
