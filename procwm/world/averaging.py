"""The exponential filter of prediction errors that gives the disturbance estimate."""

import numpy as np
from jaxtyping import Float


def gain(
    share: Float[np.ndarray, "*axes"] | float, count: Float[np.ndarray, "*axes"]
) -> Float[np.ndarray, "*axes"]:
    """What goes into an average of a new value, `average += gain * (value - average)`.

    The first values are all that is known, and are averaged: `1 / (count + 1)` for as long as that is more.

    Args:
        share: of a new value in the long run: an exponential filter.
        count: values that the average is made of so far.
    """
    weight: np.ndarray = np.maximum(share, 1.0 / (count + 1.0))
    return weight
