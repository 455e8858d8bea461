"""A paired test of two versions of a model that run beside each other: which one foresees better?

At every tick both have errors at every lead, corrected as each would correct them. The logarithms of their
mean squares over a stretch are compared, so that a large move counts no more than a small one; stretches are
as long as neighbouring errors are alike. Only those count in which they differ at all: where nothing moves,
versions of a scale foresee the same.
"""

from dataclasses import dataclass, replace
from math import log, sqrt

import numpy as np
from jaxtyping import Float

_CLIPPED = 16.0
"""Squared error beyond which it counts no more: one false reading must not decide."""
_DIFFERS = 0.02
"""Mean difference in a stretch, in units of an ordinary squared error, that is one."""


@dataclass(frozen=True)
class Contest:
    """What the test has come to; values are means over leads and outputs of errors in ordinary ones.

    Attributes:
        stretches: how many counted, each less the older it is.
        gain: sum over them of the logarithm of how much larger the mean squared error in force was.
        squared: sum of squares of the same.
        held, challenging: sums of their mean squared errors.
        ticks, lost, won: of the stretch that goes on: its ticks, and the sums of both.
    """

    stretches: float = 0.0
    gain: float = 0.0
    squared: float = 0.0
    held: float = 0.0
    challenging: float = 0.0
    ticks: int = 0
    lost: float = 0.0
    won: float = 0.0

    def ticked(
        self,
        held: Float[np.ndarray, "origin output"],
        challenging: Float[np.ndarray, "origin output"],
        usual: Float[np.ndarray, "origin output"],
        *,
        length: int,
        kept: int,
    ) -> "Contest":
        """The test with the errors of one more tick.

        Args:
            held, challenging: of the version in force and of the other, by lead; NaN where not measured.
            usual: standard deviation of errors, by lead.
            length: ticks of a stretch.
            kept: stretches that count; older ones fade.
        """
        both = np.isfinite(held) & np.isfinite(challenging)
        if not both.any():
            return self
        lost, won = (
            float(np.minimum((error[both] / usual[both]) ** 2, _CLIPPED).mean())
            for error in (held, challenging)
        )
        going = replace(self, ticks=self.ticks + 1, lost=self.lost + lost, won=self.won + won)
        return going if going.ticks < length else going._closed(1.0 - 1.0 / kept)

    def _closed(self, fade: float) -> "Contest":
        lost, won = self.lost / self.ticks, self.won / self.ticks
        begun = replace(self, ticks=0, lost=0.0, won=0.0)
        if abs(lost - won) < _DIFFERS:
            return begun
        gain = log(max(lost, _DIFFERS) / max(won, _DIFFERS))
        return replace(
            begun,
            stretches=fade * self.stretches + 1.0,
            gain=fade * self.gain + gain,
            squared=fade * self.squared + gain**2,
            held=fade * self.held + lost,
            challenging=fade * self.challenging + won,
        )

    @property
    def t(self) -> float:
        """How sure it is that the challenger foresees better: mean over standard error; below 0, worse."""
        if self.stretches < 2.0:
            return 0.0
        mean = self.gain / self.stretches
        variance = max(self.squared / self.stretches - mean**2, 1e-12)
        return mean / sqrt(variance / (self.stretches - 1.0))

    @property
    def better(self) -> float:
        """Share of the mean squared error that the challenger takes away; below 0 where it adds."""
        return 1.0 - self.challenging / self.held if self.held > 0.0 else 0.0
