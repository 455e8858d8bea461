"""How much more than foreseen MVs do, and outputs answer: estimated as the plant runs, with its error.

Where feedback acts, moves answer to loads, and the least-squares gain of a model that errs by a load comes
out too low: what the moves brought was taken away by what they were made against. What was *planned* does not
know the loads to come. So planned responses `z` are instruments for the responses `x` to the moves that were
made (Soederstroem and Stoica, Instrumental Variable Methods for System Identification, 1983), and with errors
`e` of variance `r`

    D = sum(z e / r) / sum(z x / r),   1 / Var(D) = sum(z x / r)^2 / sum(z^2 / r)

is by how much the responses are larger than foreseen. Each tag has sums of its own. Without movement they
stay as they are: what is known is forgotten only as fast as more is learned.
"""

from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

_KNOWN = 0.1
"""Standard deviation at which what was seen begins to give way to what is new."""


@dataclass(frozen=True, eq=False)
class GainEstimate:
    """Weighted sums by tag, MVs first, then outputs.

    Attributes:
        error: of instruments and errors.
        response: of instruments and responses.
        instrument: of squared instruments.
        prior: standard deviation of a change before anything was seen.
    """

    error: Float[np.ndarray, " scale"]
    response: Float[np.ndarray, " scale"]
    instrument: Float[np.ndarray, " scale"]
    prior: Float[np.ndarray, " scale"]

    @classmethod
    def before(cls, prior: Float[np.ndarray, " scale"]) -> "GainEstimate":
        """That of a plant that has not moved."""
        none = np.zeros_like(prior)
        return cls(none, none, none, prior)

    def learned(
        self,
        instrument: Float[np.ndarray, "scale output"],
        response: Float[np.ndarray, "scale output"],
        error: Float[np.ndarray, " output"],
        variance: Float[np.ndarray, " output"],
    ) -> "GainEstimate":
        """The estimate with one more error.

        Args:
            instrument: what planned moves were foreseen to bring, by tag.
            response: what the moves that were made were foreseen to bring.
            error: measured less foreseen; NaN where not measured.
            variance: of such an error, larger the more alike neighbouring ones are.
        """
        known = np.isfinite(error)
        weight = known / variance
        sums = GainEstimate(
            self.error + (instrument * np.where(known, error, 0.0)) @ weight,
            self.response + (instrument * response) @ weight,
            self.instrument + instrument**2 @ weight,
            self.prior,
        )
        kept = np.minimum(1.0, _KNOWN**-2 / np.maximum(sums.information, 1e-300))
        return replace(
            sums, error=kept * sums.error, response=kept * sums.response, instrument=kept * sums.instrument
        )

    @property
    def information(self) -> Float[np.ndarray, " scale"]:
        """`1 / Var(D)`, the prior left out."""
        some = np.where(self.instrument > 0.0, self.instrument, 1.0)
        found: Float[np.ndarray, " scale"] = self.response**2 / some
        return found

    @property
    def change(self) -> Float[np.ndarray, " scale"]:
        """`D`, drawn to 0 where little was seen: 1 is twice as much as foreseen."""
        some = np.where(self.response != 0.0, self.response, 1.0)
        found: Float[np.ndarray, " scale"] = self.information * self.error / some * self.deviation**2
        return found

    @property
    def deviation(self) -> Float[np.ndarray, " scale"]:
        """Standard deviation of `change`."""
        found: Float[np.ndarray, " scale"] = (self.information + self.prior**-2) ** -0.5
        return found
