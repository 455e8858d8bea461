"""Which effects of MVs a model's log shows at all, and which the plant file says are none."""

import numpy as np
from jaxtyping import Bool, Float

from procwm.plant.tags import PlantSpec
from procwm.world.linear import LinearDynamics
from procwm.world.model import WorldModel
from procwm.world.step_responses import step_responses

SURE = 2.0
"""Standard errors that a step response has to be away from nothing."""
_NONE = 20.0
"""Times an effect that is none by the plant file: with an error so large, moves on account of it are a third
or less. What the log does not show may be there, and other effects of the MV are: it is priced by how far its
interval goes. With ten standard errors an MV that was needed for one CV could hardly be moved, for the sake
of another on which it may do nothing (docs/experiments/patience.md)."""


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


def unknown_mvs(model: WorldModel, plant: PlantSpec) -> tuple[str, ...]:
    """MVs of which no effect is shown on any output that they move at all by the plant file."""
    used = (shown_effects(model) & ~_none(plant)).any(axis=1)
    return tuple(name for name, known in zip(plant.mv_names, used.tolist(), strict=True) if not known)


def planning_error(model: WorldModel, plant: PlantSpec) -> Float[np.ndarray, "horizon mv output"]:
    """Standard error of the step responses as plans reckon with it, engineering units.

    An effect that is not shown may be none, or twice itself: its error is as far as its interval goes.
    One that is none by the plant file is an error as a whole, and none where the model has none, too.
    """
    error = model.response_error
    found: np.ndarray = np.where(shown_effects(model), error, SURE * error)
    if (none := _none(plant)).any():
        found = np.where(none, _NONE * np.abs(model.per_unit(step_responses(model))), found)
    return found


def _none(plant: PlantSpec) -> Bool[np.ndarray, "mv output"]:
    """Effects that are none by the plant file."""
    return np.array([[output in tag.no_effect for output in plant.output_names] for tag in plant.mvs])
