"""What is known of the plant at a tick."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Float

from procwm.control.decision import NOTHING
from procwm.control.measurement import Measurements


@dataclass(frozen=True, eq=False)
class Seen:
    """What is known at a tick.

    Attributes:
        time_ns: of the tick.
        measured: the present of the window.
        latent: the model's state; `None` where this interval had its step already.
        doubts: why reported values are not believed, a sentence each.
        surprise: how far readings are from what was expected (`world.surprise`); NaN where unknown.
        surprised: what surprises most, a sentence; empty where ordinary operation could bring it.
        sensed: what the model's soft sensors read, by name.
        came: outputs measured in this very interval; NaN where none was.
    """

    time_ns: int
    measured: Measurements
    latent: Float[np.ndarray, " latent"] | None
    doubts: tuple[str, ...] = ()
    surprise: float = math.nan
    surprised: str = ""
    sensed: Mapping[str, float] = field(default_factory=lambda: NOTHING)
    came: Float[np.ndarray, " output"] = field(default_factory=lambda: np.zeros(0))

    @property
    def notes(self) -> tuple[str, ...]:
        """What an operator should know of it, a sentence each."""
        return (*self.measured.notes, *self.doubts, *filter(None, (self.surprised,)))
