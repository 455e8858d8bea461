"""Stretches of a log that surprised a model: when, by how much, and which tag told most of it."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from procwm.data.window import Grid


@dataclass(frozen=True, kw_only=True)
class SurprisedStretch:
    """Rows with a surprise above 1, less than a window apart.

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
    rows: Grid,
    surprise: Float[np.ndarray, " row"],
    told_by: Sequence[str | None],
) -> tuple[SurprisedStretch, ...]:
    """The stretches that surprised a model, the most surprising first.

    Args:
        rows: of the log.
        surprise: of each row; NaN where it is not known.
        told_by: the tag that told most of it, where it is above 1.
    """
    above = np.flatnonzero(np.nan_to_num(surprise) > 1.0)
    if not len(above):
        return ()
    apart = np.diff(rows.time_ns[above]) > rows.rule.span_ns + rows.rule.interval_ns
    found = []
    for part in np.split(above, np.flatnonzero(apart) + 1):
        peak = int(part[np.argmax(surprise[part])])
        found.append(
            SurprisedStretch(
                start_ns=int(rows.time_ns[part[0]]),
                end_ns=int(rows.time_ns[part[-1]]),
                peak=float(surprise[peak]),
                tag=told_by[peak] or "",
            )
        )
    return tuple(sorted(found, key=lambda stretch: -stretch.peak))
