"""Long curves with fewer points, of which none of the extremes is lost."""

import numpy as np
from jaxtyping import Float, Int

_KEPT = 4
"""Points of a stretch: its first and last, its lowest and its highest."""


def thinned(value: Float[np.ndarray, " row"], most: int) -> Int[np.ndarray, " kept"]:
    """Rows to draw of a long curve, ascending, about `most`; all of them where there are no more.

    Of every stretch the first and the last row are kept, the lowest and the highest, and one where nothing
    is known, so that a line is broken where the curve is.
    """
    if len(value) <= most:
        return np.arange(len(value))
    length = -(-_KEPT * len(value) // most)
    count = -(-len(value) // length)
    padded = np.full(count * length, np.nan)
    padded[: len(value)] = value
    stretches = padded.reshape(count, length)
    known = np.isfinite(stretches)
    begins = length * np.arange(count)
    places = [
        begins,
        np.minimum(begins + length, len(value)) - 1,
        begins + np.argmin(np.where(known, stretches, np.inf), axis=1),
        begins + np.argmax(np.where(known, stretches, -np.inf), axis=1),
        begins + np.argmin(known, axis=1),
    ]
    kept: Int[np.ndarray, " kept"] = np.unique(np.concatenate(places))
    return kept[kept < len(value)]
