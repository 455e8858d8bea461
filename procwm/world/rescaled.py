"""A model that reads some of its tags by another scale: what it learned of the plant's shape stays."""

from dataclasses import replace

import numpy as np
from jaxtyping import Float

from procwm.world.model import WorldModel


def rescaled(
    model: WorldModel, width: Float[np.ndarray, " scale"], about: Float[np.ndarray, " scale"]
) -> WorldModel:
    """`model` with the widths of its MVs and outputs times `width`, about readings that mean what they did.

    The scaler is the only door to a model, so perception, plans and what is expected change together. Where
    the width of an MV is halved, every move counts twice: encoder, predictor and guardrails see the move that
    the plant feels. Where that of an output is doubled, it answers twice as much.

    Args:
        width: over MVs, then outputs, above 0; 1 leaves a tag as it is.
        about: readings, engineering units, that stand for the same state as before.
    """
    plant, scaler = model.plant, model.scaler
    center, widths = scaler.center.copy(), scaler.width.copy()
    for name, times, at in zip((*plant.mv_names, *plant.output_names), width, about, strict=True):
        row = scaler.tags.index(name)
        center[row] = at + (center[row] - at) * times
        widths[row] *= times
    changed = replace(scaler, center=center, width=widths)
    return WorldModel(replace(model.parts, scaler=changed)).finished()
