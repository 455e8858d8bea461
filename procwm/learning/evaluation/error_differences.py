"""How much better or worse a model foresees a log than others, and how much of that may be chance."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from scipy.special import stdtrit
from torch import Tensor

from procwm.learning.evaluation.gains import LEAST_STRETCHES
from procwm.learning.evaluation.scoring import Scoring

_MOST_STRETCHES = 20
_CONFIDENCE = 0.95


@dataclass(frozen=True, kw_only=True)
class ErrorDifference:
    """The nRMSE of a model less that of another one on the same moments, mean over the CVs.

    Attributes:
        difference: below 0 where the model is better.
        chance: half-width of the 95 % interval of `difference`; NaN where the log is too short to know.
    """

    difference: float
    chance: float

    @property
    def told(self) -> bool:
        """Whether the log shows which of the two is better."""
        return abs(self.difference) > self.chance

    def as_dict(self) -> dict[str, float | None]:
        """For JSON: what is not known is `None`."""
        values = {"difference": self.difference, "chance": self.chance}
        return {name: value if math.isfinite(value) else None for name, value in values.items()}


def foreseen_beside(
    predictions: Mapping[str, Float[Tensor, "moment step output"]],
    held_to: Scoring,
    moments: Int[Tensor, " moment"],
    lead: int,
    cvs: int,
) -> dict[str, ErrorDifference]:
    """What `model` foresees of the CVs at `lead`, beside each of the others.

    Args:
        predictions: by model, made at `moments`.
        cvs: how many there are; the outputs begin with them.
    """
    found = {
        name: held_to.normalised(predicted[..., :cvs], lead, moments)
        for name, predicted in predictions.items()
    }
    errors = {name: error for name, (error, _) in found.items()}
    return error_differences(errors, found["model"][1], moments, lead)


def error_differences(
    errors: Mapping[str, Float[Tensor, "moment output"]],
    known: Float[Tensor, "moment output"],
    moments: Int[Tensor, " moment"],
    lead: int,
) -> dict[str, ErrorDifference]:
    """`model` beside each of the others.

    Neighbouring moments tell the same, so the deviation is that of differences that leave out one of up to
    20 stretches of the log (delete-a-group jackknife: Shao and Tu, The jackknife and bootstrap, 1995, 9.1).

    Args:
        errors: by model, normalised; 0 where nothing is `known`.
        moments: when they were made, in order of time.
        lead: intervals ahead.
    """
    rows = int(moments[-1] - moments[0]) + 1
    stretches = min(_MOST_STRETCHES, rows // lead)
    part = (moments - moments[0]) * max(stretches, 1) // rows
    own = errors["model"].square()
    found = {}
    for name, error in errors.items():
        if name == "model":
            continue
        other, chance = error.square(), math.nan
        if stretches >= LEAST_STRETCHES:
            without = [
                _difference(own[kept], other[kept], known[kept])
                for kept in (part != each for each in sorted(set(part.tolist())))
            ]
            chance = _chance(torch.stack(without))
        found[name] = ErrorDifference(difference=float(_difference(own, other, known)), chance=chance)
    return found


def _difference(
    own: Float[Tensor, "moment output"],
    other: Float[Tensor, "moment output"],
    known: Float[Tensor, "moment output"],
) -> Float[Tensor, ""]:
    """Of root mean squares, mean over the outputs."""
    count = known.sum(dim=0).clamp(min=1.0)
    return ((own.sum(dim=0) / count).sqrt() - (other.sum(dim=0) / count).sqrt()).mean()


def _chance(without: Float[Tensor, " stretch"]) -> float:
    """Half-width from what is left where each stretch is left out."""
    count = len(without)
    variance = (without - without.mean()).square().sum() * (count - 1) / count
    return float(stdtrit(count - 1, 0.5 + 0.5 * _CONFIDENCE)) * math.sqrt(float(variance))
