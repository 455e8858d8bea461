"""Which effects of MVs a model's log shows at all."""

import numpy as np
from jaxtyping import Bool, Float

from procwm.plant.tags import names_of
from procwm.world.linear import LinearDynamics
from procwm.world.model import WorldModel

SURE = 2.0
"""Standard errors that a step response has to be away from nothing."""
_UNUSED = 3.0
"""Times an effect that is not shown: so large an error makes a move on its account a tenth of what it was."""


def shown_effects(model: WorldModel) -> Bool[np.ndarray, "mv output"]:
    """Whether the interval of an output's step response to an MV, within the horizon, leaves out zero.

    The root mean squares over the rows of the response and of its standard error are compared. Where nothing
    is known of the errors, every effect is taken to be shown.
    """
    shape = (len(model.plant.mvs), len(model.output_names))
    known = model.response_standard_error
    if known is None or not isinstance(model.reference, LinearDynamics):
        return np.ones(shape, dtype=np.bool_)
    response = model.reference.step_response(shape[0], model.horizon)
    size, error = (part.square().mean(dim=0).sqrt() for part in (response, known))
    shown: Bool[np.ndarray, "mv output"] = (size > SURE * error).cpu().numpy()
    return shown


def unknown_mvs(model: WorldModel) -> tuple[str, ...]:
    """MVs of which no effect on any output is shown."""
    shown = [bool(row.any()) for row in shown_effects(model)]
    return tuple(name for name, known in zip(names_of(model.plant.mvs), shown, strict=True) if not known)


def planning_error(model: WorldModel) -> Float[np.ndarray, "horizon mv output"]:
    """Standard error of the step responses as plans reckon with it, engineering units.

    An effect that is not shown may as well be none: planning reckons with an error of several times its size.
    """
    error = model.response_error
    return np.where(shown_effects(model), error, _UNUSED * error)
