"""A sensor of many channels on a plant of two states, of which one is moved and one drifts."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

CHANNELS = 32


@dataclass(frozen=True, kw_only=True, eq=False)
class SensedPlant:
    """Arrays, moves and what they hang on, row by row."""

    arrays: Float[np.ndarray, "row channel"]
    mv: Float[np.ndarray, "row mv"]
    moved: Float[np.ndarray, " row"]
    drift: Float[np.ndarray, " row"]


def sensed_plant(rows: int = 700, *, flicker: float = 3.0, seed: int = 0) -> SensedPlant:
    """A first-order state under steps of an MV, seen under a drift and a flicker that are larger than it."""
    rng = np.random.default_rng(seed)
    mv = np.repeat(rng.uniform(-1.0, 1.0, -(-rows // 15)), 15)[:rows, None]
    moved, drift = np.zeros(rows), np.zeros(rows)
    for row in range(1, rows):
        moved[row] = 0.8 * moved[row - 1] + 0.2 * mv[row, 0]
        drift[row] = 0.99 * drift[row - 1] + 0.1 * rng.standard_normal()
    axis = np.linspace(0.0, 1.0, CHANNELS)
    shapes = np.stack([np.exp(-(((axis - place) / 0.1) ** 2)) for place in (0.3, 0.5, 0.6)])
    states = np.stack((moved, 2.0 * drift, flicker * rng.standard_normal(rows)), axis=1)
    arrays = 5.0 + states @ shapes + 0.01 * rng.standard_normal((rows, CHANNELS))
    return SensedPlant(arrays=arrays, mv=mv, moved=moved, drift=drift)
