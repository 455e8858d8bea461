"""Control interval, ranges, limits and largest moves that suit what a log shows."""

from collections.abc import Iterable

import numpy as np
from jaxtyping import Float64

from procwm.data.anchors import LONGEST_HORIZON
from procwm.data.checks.check import SHORTEST_INTERVALS
from procwm.data.drafting.step_answers import StepAnswer
from procwm.plant.tags import Interval

_PER_CONSTANT = 8
"""Control intervals in the fastest time constant."""
_EXTREMES = (0.001, 0.999)
"""What is beyond may be spikes."""
_AROUND = 0.5
"""Of the width of what was seen: how much further an instrument is taken to read."""
_PERCENT = (0.0, 100.0)
_MOST_AT_ONCE = 0.2
"""Of an MV's limits: the largest move that is suggested."""


def suggested_interval(apart_s: float, rows: int, answers: Iterable[StepAnswer]) -> tuple[float, str]:
    """A control interval in seconds, and why.

    Args:
        apart_s: between rows, as the fastest tag is sampled.
        rows: of the log.
        answers: of the CVs.
    """
    known = list(answers)
    if not known:
        return apart_s, f"{apart_s:g} s: how often tags are sampled; the log shows no answer to go by"
    fastest = min(answer.constant_rows for answer in known)
    slowest = max(answer.settled_rows for answer in known)
    seen = -(-slowest // LONGEST_HORIZON)
    most = max(1, rows // SHORTEST_INTERVALS)
    count = min(max(1, fastest // _PER_CONSTANT, seen), most)
    reason = (
        f"{count * apart_s:g} s: the fastest CV takes {fastest * apart_s:g} s to go 63 % of its way, the "
        f"slowest {slowest * apart_s:g} s to settle"
    )
    if count == most > 1:
        reason += f"; longer intervals would leave fewer than {SHORTEST_INTERVALS} of them"
    return float(f"{count * apart_s:.6g}"), reason


def suggested_range(value: Float64[np.ndarray, " sample"], unit: str) -> tuple[Interval, str]:
    """What an instrument of these Good values can be taken to read, and why."""
    low, high = (float(edge) for edge in np.quantile(value, _EXTREMES))
    width = high - low or abs(high) or 1.0
    seen = f"the log has {low:.4g} to {high:.4g}"
    if unit.strip() == "%" and low >= -1.0 and high <= 101.0:
        return _PERCENT, f"range: of percent; {seen}"
    step = 10.0 ** np.floor(np.log10(width))
    bottom, top = low - _AROUND * width, high + _AROUND * width
    if low >= 0.0:
        bottom = max(0.0, bottom)
    return _outward(bottom, top, step), f"range: {seen}, and half as much around it"


def suggested_limits(value: Float64[np.ndarray, " sample"]) -> Interval:
    """Where an MV was in the log, rounded outward."""
    low, high = float(value.min()), float(value.max())
    return _outward(low, high, 10.0 ** (np.floor(np.log10(high - low or 1.0)) - 2))


def suggested_move(column: Float64[np.ndarray, " row"], limits: Interval) -> float:
    """The usual step of an MV from row to row, at most a fifth of its limits."""
    moves = np.abs(np.diff(column[np.isfinite(column)]))
    moves = moves[moves > 1e-9 * (limits[1] - limits[0])]
    usual = float(np.median(moves)) if len(moves) else np.inf
    return float(f"{min(usual, _MOST_AT_ONCE * (limits[1] - limits[0])):.2g}")


def _outward(low: float, high: float, step: float) -> Interval:
    bottom, top = np.floor(low / step + 1e-9) * step, np.ceil(high / step - 1e-9) * step
    return float(f"{bottom:.6g}"), float(f"{top if top > bottom else bottom + step:.6g}")
