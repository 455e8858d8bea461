"""What a model's own confidence says before anything is seen: of its errors, and of its gains."""

import numpy as np
from jaxtyping import Float

from procwm.world.conformal import BAND_DEVIATIONS
from procwm.world.model import WorldModel
from procwm.world.step_responses import step_responses

_UNKNOWN = 0.02
"""Of the span of an output: standard deviation of its errors where no log shows them."""
_LEAST, _MOST = 0.3, 1.0
"""Standard deviation of a change of gain: plants change, whatever their log said, and not beyond measure."""


def usual_errors(model: WorldModel) -> Float[np.ndarray, "horizon output"]:
    """Standard deviation of the errors by lead, as time that training did not see has shown it."""
    unknown = _UNKNOWN * np.array([tag.span for tag in model.plant.outputs])
    found: np.ndarray = np.where(np.isfinite(model.half_width), model.half_width / BAND_DEVIATIONS, unknown)
    return np.asarray(np.maximum(found, 1e-3 * unknown))


def prior_deviation(model: WorldModel) -> Float[np.ndarray, " scale"]:
    """Standard deviation of the relative change of each tag's gain: MVs, then outputs."""
    response = model.per_unit(step_responses(model))
    span = np.array([tag.span for tag in model.plant.outputs])
    size, error = ((part / span) ** 2 for part in (response, model.response_error))
    by_mv = error.sum(axis=(0, 2)) / np.maximum(size.sum(axis=(0, 2)), 1e-12)
    by_output = error.sum(axis=(0, 1)) / np.maximum(size.sum(axis=(0, 1)), 1e-12)
    relative = np.sqrt(np.concatenate((by_mv, by_output)))
    return np.asarray(np.clip(np.hypot(_LEAST, relative), _LEAST, _MOST))
