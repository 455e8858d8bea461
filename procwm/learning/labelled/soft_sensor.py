"""A soft sensor from a handful of values, on a frozen latent state, with a conformal band."""

import numpy as np
import torch

from procwm.data.series import CODES, Log, TagSeries
from procwm.data.window import grid
from procwm.errors import TrainingError
from procwm.learning.dataset.moments import predicted
from procwm.learning.dataset.tensors import log_tensors
from procwm.learning.labelled.guardrail import default_coverage, fitted_head, refuse_too_few
from procwm.learning.labelled.labels import Labels
from procwm.learning.labelled.quadratic_form import as_network
from procwm.plant.samples import Quality
from procwm.world.conformal import symmetric_margin
from procwm.world.heads import SensorHead
from procwm.world.model import WorldModel

_CHUNK = 4096
"""Windows held at once."""


def learn_soft_sensor(
    model: WorldModel, log: Log, labels: Labels, *, name: str, coverage: float | None = None
) -> WorldModel:
    """`model` with a soft sensor learned from known values at moments of `log`.

    It is made as a guardrail is (`guardrail.learn_guardrail`), but no value matters more than another, and
    the band lies on both sides.

    Args:
        log: holds the moments and a window before them.
        name: of the quantity; a soft sensor of the same name is replaced.
        coverage: share of true values that the band is to hold; `None` for 0.9, 0.8 where labels are fewer
            than that takes.

    Raises:
        TrainingError: too few labels, or no values.
        LogError: a label stands where the log has no window.
    """
    if not name.strip():
        raise TrainingError("a soft sensor needs a name")
    if not labels.graded:
        raise TrainingError(f"{name}: a soft sensor learns from values; these labels say unsafe or safe only")
    # Half of what the band leaves out lies on either side of it.
    sided = default_coverage(labels) if coverage is None else 0.5 + 0.5 * coverage
    refuse_too_few(labels, len(labels), sided, name)
    head = fitted_head(model, log, labels, limited=False)
    residuals = (head.values[:, None] - head.held_out).numpy()
    half_width = symmetric_margin(residuals, sided, head.typical.numpy())
    # Layers draw their first weights when built; the caller's random state is not ours to move.
    with torch.random.fork_rng(devices=[]):
        network = as_network(head.form, head.latents)
    return model.with_sensor(
        SensorHead(name=name, network=network, half_width=half_width, coverage=2.0 * sided - 1.0)
    )


def sensed(model: WorldModel, log: Log) -> dict[str, TagSeries]:
    """What the soft sensors of `model` read over `log`, by name, at every row with a whole window."""
    rows = grid(log, model.rule)
    moments = np.flatnonzero(rows.ready)
    tensors = log_tensors(rows, model.plant, model.scaler, torch.float64)
    parts = torch.split(torch.as_tensor(moments), _CHUNK)
    values = torch.cat([model.sense(predicted(model, tensors, part, 0)) for part in parts]).numpy()
    good = np.full(len(moments), CODES[Quality.GOOD], dtype=np.int8)
    return {
        head.name: TagSeries(rows.time_ns[moments], column, good)
        for head, column in zip(model.sensor_heads, values.T, strict=True)
    }
