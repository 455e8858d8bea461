"""Stretches of a log that surprised a model: when, by how much, and which tag told most of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64


@dataclass(frozen=True, kw_only=True)
class SurprisedStretch:
    """Rows with a surprise above 1 that are close to each other.

    Attributes:
        start_ns, end_ns: time of the first and the last of them.
        peak: the largest surprise.
        tag: that told most of it there.
    """

    start_ns: int
    end_ns: int
    peak: float
    tag: str


def surprised_stretches(
    time_ns: Int64[np.ndarray, " row"],
    surprise: Float[np.ndarray, " row"],
    told_by: Sequence[str | None],
    *,
    apart_ns: int,
) -> tuple[SurprisedStretch, ...]:
    """The stretches that surprised a model, the most surprising first.

    Args:
        time_ns: of each row.
        surprise: of each row; NaN where it is not known.
        told_by: the tag that told most of it, where it is above 1.
        apart_ns: rows further from each other are of different stretches.
    """
    above = np.flatnonzero(np.nan_to_num(surprise) > 1.0)
    if not len(above):
        return ()
    apart = np.diff(time_ns[above]) > apart_ns
    found = []
    for part in np.split(above, np.flatnonzero(apart) + 1):
        peak = int(part[np.argmax(surprise[part])])
        found.append(
            SurprisedStretch(
                start_ns=int(time_ns[part[0]]),
                end_ns=int(time_ns[part[-1]]),
                peak=float(surprise[peak]),
                tag=told_by[peak] or "",
            )
        )
    return tuple(sorted(found, key=lambda stretch: -stretch.peak))
