"""Tags that have their first value in a window: what the model is shown in place of what was before.

An encoder that is shown nothing before a value takes what follows for a change, and a plan would undo it.
"""

from dataclasses import replace

import numpy as np
from jaxtyping import Bool

from procwm.data.window import Window


def first_heard(window: Window) -> Bool[np.ndarray, " tag"]:
    """Which tags have a value in the last row, and in none before."""
    heard: Bool[np.ndarray, " tag"] = window.valid[-1] & ~window.valid[:-1].any(axis=0)
    return heard


def without(window: Window, news: Bool[np.ndarray, " tag"]) -> Window:
    """`window` as it would be if nothing were known of the tags that are `news`."""
    valid = window.valid & ~news
    return replace(
        window,
        values=np.where(valid, window.values, np.nan),
        valid=valid,
        measured=window.measured & ~news,
    )


def at_rest_before(window: Window) -> Window:
    """`window` with rows before the first value of each tag as that value."""
    first = window.valid.argmax(axis=0)
    rows = (np.arange(len(window.values))[:, None] < first) & window.valid.any(axis=0)
    held = window.values[first, np.arange(len(first))]
    return replace(window, values=np.where(rows, held, window.values), valid=window.valid | rows)
