"""Which change is worth a trial, and what a trial comes to."""

import numpy as np
from jaxtyping import Float

from procwm.control.adaptation.contest import Contest
from procwm.control.adaptation.gain_estimate import GainEstimate
from procwm.control.adaptation.tag_scales import KnownRange, TagScales

_SURE = 4.0
"""Standard deviations that a change must be away from none before it is tried."""
_WORTH = 0.2
"""Change of a gain that is worth a trial; feedback makes good for less."""
_SMALLEST, _LARGEST = -0.5, 1.0
"""Changes that are tried at once."""
_ESTABLISHED, _FEWEST, _SHARE = 3.0, 8.0, 0.1
"""Of a candidate's contest: `t`, stretches, and share of the error that it takes away, at the least."""
_LONGEST = 30.0
"""Stretches after which a candidate that was not shown to be better is dropped."""
_BACK, _BACK_FEWEST, _BACK_SHARE = 2.0, 3.0, 0.3
"""The same for the way back to the model as trained, by shorter stretches."""


def suggested(
    estimate: GainEstimate, scales: TagScales, known: KnownRange, reading: Float[np.ndarray, " scale"]
) -> tuple[int, TagScales] | None:
    """The tag whose gain is most surely otherwise, and the scales that say so; `None` where none is.

    Args:
        estimate: beside `scales`.
        scales: in force.
        known: what the plant file lets them be.
        reading: of each tag at present, which goes on to mean what it means.
    """
    change, sure = estimate.change, np.abs(estimate.change) / estimate.deviation
    for index in np.argsort(-sure).tolist():
        if sure[index] < _SURE:
            return None
        if abs(change[index]) < _WORTH or not known.free(index) or not np.isfinite(reading[index]):
            continue
        wished = scales.factor[index] * (1.0 + float(np.clip(change[index], _SMALLEST, _LARGEST)))
        factor = known.clipped(scales, index, wished)
        if abs(factor / scales.factor[index] - 1.0) >= 0.5 * _WORTH:
            return index, scales.with_factor(index, factor, float(reading[index]))
    return None


def established(contest: Contest) -> bool:
    """Whether the challenger foresees better by more than noise."""
    return contest.stretches >= _FEWEST and contest.t >= _ESTABLISHED and contest.better >= _SHARE


def not_shown(contest: Contest) -> bool:
    """Whether a challenger had its time."""
    return contest.stretches >= _LONGEST and not established(contest)


def back(contest: Contest) -> bool:
    """Whether the model as trained, which challenges, is to be in force again."""
    return contest.stretches >= _BACK_FEWEST and contest.t >= _BACK and contest.better >= _BACK_SHARE
