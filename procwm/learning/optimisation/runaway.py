"""Whether a trained model, simulated for long without measurements, stays where its plant can be."""

import torch
from jaxtyping import Float
from torch import Tensor

from procwm.learning.dataset.parts import Part
from procwm.learning.dataset.tensors import LogTensors, scattered
from procwm.learning.optimisation.learning_objective import Trainee
from procwm.world.linear import LinearDynamics
from procwm.world.protocols import ModelInput

LONG = 10
"""Horizons that a model is left alone for."""
ALLOWED = 1.0
"""Of the range that an output had in the log: so far beyond it may go."""
_MOMENTS = 32


@torch.no_grad()
def runs_away(trainee: Trainee, reference: LinearDynamics, part: Part, horizon: int) -> bool:
    """Whether outputs leave for where neither the log nor its linear model has been.

    From moments all over the log MVs and DVs of another moment are held for `LONG` horizons. A linear part
    that is stable keeps the latent bounded, but not small: beside it a network may settle far away. Where
    the linear model leaves the log's range too, as a level does whose inflow exceeds its outflow, twice as
    far is allowed.
    """
    tensors, rows = part.tensors, LONG * horizon
    moments = scattered(part.moments, _MOMENTS)
    others = moments.roll(len(moments) // 2)
    mv, dv = (inputs[others][:, None].expand(-1, rows, -1) for inputs in (tensors.mv, tensors.dv))
    window = tensors.windows(moments)
    seen = ModelInput(window.values.double(), window.valid.double())
    trained = trainee.readout(trainee.imagine(trainee.encoder(window), mv, dv))
    allowed = ALLOWED + 2.0 * _beyond(reference.predict(seen, mv.double(), dv.double()), tensors)
    return not bool((_beyond(trained.double(), tensors) <= allowed).all())


def _beyond(outputs: Float[Tensor, "moment row output"], log: LogTensors) -> Float[Tensor, " output"]:
    """How far each output went beyond what was measured of it, over the range of that; NaN where it is."""
    measured = log.outputs_valid > 0
    low = torch.where(measured, log.outputs, torch.inf).amin(dim=0).double()
    high = torch.where(measured, log.outputs, -torch.inf).amax(dim=0).double()
    beyond = torch.maximum(outputs - high, low - outputs).clamp(min=0.0)
    return beyond.amax(dim=(0, 1)) / (high - low).clamp(min=1e-9)
