"""What a model keeps of the log it was learned from, so that it knows that log again.

Errors on what a model was learned from say little of another day. Times alone do not tell: simulated logs may
all begin at one time. So a few samples are kept beside them.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from jaxtyping import Int64

from procwm.data.series import Log, iso_utc
from procwm.data.window import Grid

TRACES = "learned_from"
"""Key of a model's metrics."""
_SAMPLES = 64
"""Kept of a log, all tags together."""
_SAME = 0.5
"""Share of the kept samples within a log's time that it has to hold to be the same log."""


def traces(log: Log, rows: Grid, names: Sequence[str]) -> dict[str, Any]:
    """For JSON: the stretches of time that `rows` of `log` cover, and samples of the tags `names` in it.

    Jumps in time that are shorter than a window are passed over.
    """
    jumps = np.flatnonzero(np.diff(rows.time_ns) > rows.rule.span_ns + rows.rule.interval_ns)
    first, last = np.append(0, jumps + 1), np.append(jumps, len(rows) - 1)
    samples = {}
    for name in names:
        series = log.series[name].usable
        at = np.unique(np.linspace(0, len(series) - 1, math.ceil(_SAMPLES / len(names))).astype(np.int64))
        samples[name] = [
            [iso_utc(time), value]
            for time, value in zip(series.time_ns[at].tolist(), series.value[at].tolist(), strict=True)
        ]
    edges = zip(rows.time_ns[first].tolist(), rows.time_ns[last].tolist(), strict=True)
    return {"stretches": [[iso_utc(start), iso_utc(end)] for start, end in edges], "samples": samples}


def share_seen(kept: Mapping[str, Any] | None, log: Log, row_ns: Int64[np.ndarray, " row"]) -> float:
    """Share of rows of `log` that a model with the traces `kept` was learned from; NaN without traces."""
    if not kept:
        return math.nan
    if not _alike(kept["samples"], log):
        return 0.0
    inside = np.zeros(len(row_ns), dtype=np.bool_)
    for start, end in kept["stretches"]:
        inside |= (row_ns >= _ns(start)) & (row_ns <= _ns(end))
    return float(inside.mean())


def _alike(samples: Mapping[str, Sequence[Sequence[Any]]], log: Log) -> bool:
    """Whether `log` may hold those `samples`; nothing speaks against it where none is in its time."""
    found = []
    for name, kept in samples.items():
        series = log.series[name].usable
        for text, value in kept:
            time_ns = _ns(text)
            if log.start_ns <= time_ns <= log.end_ns:
                at = int(np.searchsorted(series.time_ns, time_ns))
                there = at < len(series) and int(series.time_ns[at]) == time_ns
                found.append(there and math.isclose(float(series.value[at]), value, rel_tol=1e-6))
    return not found or sum(found) >= _SAME * len(found)


def _ns(text: str) -> int:
    return int(np.datetime64(text.removesuffix("Z"), "ns").astype(np.int64))
