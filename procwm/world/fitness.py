"""What a model may be used for: the verdict that is kept beside its weights."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

VERDICT = "verdict"
"""Key of a model's metrics."""


class Fitness(StrEnum):
    """What a model may be used for."""

    CONTROL = "fit for control"
    ADVICE = "fit for advice"
    NOTHING = "not fit"


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """What a model may be used for, why, and what to do next.

    Attributes:
        fitness: what it may be used for.
        reason: why not for more, or what speaks for it, as a sentence.
        next: what to do now, as a sentence.
        tested: whether the log showed what the MVs do; where it did not, nothing is held against the model.
    """

    fitness: Fitness
    reason: str
    next: str
    tested: bool = True

    @property
    def sentence(self) -> str:
        """Verdict and reason."""
        return f"{self.fitness}: {self.reason}"

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {"verdict": self.fitness.value, "reason": self.reason, "next": self.next}


def kept_verdict(metrics: Mapping[str, Any]) -> Verdict | None:
    """The verdict among a model's `metrics`; `None` where it was never judged, or by an older version."""
    kept = metrics.get(VERDICT)
    if not isinstance(kept, Mapping):
        return None
    return Verdict(fitness=Fitness(kept["verdict"]), reason=str(kept["reason"]), next=str(kept["next"]))
