"""What was known and done in the last intervals: from there it is foreseen again what moves brought."""

from dataclasses import dataclass, fields, replace

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, eq=False)
class Recollection:
    """Ticks one interval apart, the oldest first; `lead` and one of them where full.

    Attributes:
        latent: encoded then, scaled.
        bias: correction of what was foreseen for `lead` intervals later, engineering units.
        mv, dv: of the interval that ended then.
        planned: MVs that were to follow, for `lead` intervals; NaN where nothing was written by plan.
        learned: what `bias` would be if a move's answer were foreseen as none, by tag that answers.
    """

    latent: Float[np.ndarray, "tick latent"]
    bias: Float[np.ndarray, "tick output"]
    mv: Float[np.ndarray, "tick mv"]
    dv: Float[np.ndarray, "tick dv"]
    planned: Float[np.ndarray, "tick lead mv"]
    learned: Float[np.ndarray, "tick scale output"]

    @classmethod
    def nothing(cls, *, latent: int, output: int, mv: int, dv: int, lead: int) -> "Recollection":
        """Before the first tick."""
        sizes = ((latent,), (output,), (mv,), (dv,), (lead, mv), (mv + output, output))
        return cls(*(np.zeros((0, *size)) for size in sizes))

    @property
    def lead(self) -> int:
        """Intervals from the oldest tick to the present, where full."""
        return int(self.planned.shape[1])

    @property
    def full(self) -> bool:
        """Whether the oldest tick is `lead` intervals ago."""
        return len(self.latent) > self.lead

    def forgotten(self) -> "Recollection":
        """Nothing, after a gap in time."""
        return Recollection(*(getattr(self, field.name)[:0] for field in fields(self)))

    def ticked(
        self,
        latent: Float[np.ndarray, " latent"],
        bias: Float[np.ndarray, " output"],
        mv: Float[np.ndarray, " mv"],
        dv: Float[np.ndarray, " dv"],
    ) -> "Recollection":
        """This one interval later, with nothing planned yet."""
        unplanned = np.full(self.planned.shape[1:], np.nan)
        learned = self.learned[-1:] if len(self.learned) else np.zeros((1, *self.learned.shape[1:]))
        kept = -(self.lead + 1)
        return Recollection(
            np.concatenate((self.latent, latent[None]))[kept:],
            np.concatenate((self.bias, bias[None]))[kept:],
            np.concatenate((self.mv, mv[None]))[kept:],
            np.concatenate((self.dv, dv[None]))[kept:],
            np.concatenate((self.planned, unplanned[None]))[kept:],
            np.concatenate((self.learned, learned))[kept:],
        )

    def with_plan(self, mv: Float[np.ndarray, "horizon mv"]) -> "Recollection":
        """This with what is to follow the present tick."""
        planned = self.planned.copy()
        planned[-1] = mv[: self.lead]
        return replace(self, planned=planned)

    def with_answer(
        self, response: Float[np.ndarray, "scale output"], share: Float[np.ndarray, " output"]
    ) -> "Recollection":
        """This with the `response` at the present tick learned as a bias learns `share` of an error."""
        learned = self.learned.copy()
        learned[-1] += share * (response - learned[-1])
        return replace(self, learned=learned)
