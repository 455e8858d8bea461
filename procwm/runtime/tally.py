"""What a run counts while it goes on; it takes no more room the longer it lasts."""

import re
import statistics
from collections import Counter, deque
from dataclasses import dataclass
from typing import Any

from procwm.control.decision import Decision

_STEPS_TIMED = 100_000
"""Last steps that a summary's times are of."""
_KINDS = 100
"""Kinds of reasons that are told apart."""
_OTHERS = "other reasons"
_NUMBER = re.compile(r"(?<![\w.])[-+]?\d+(?:\.\d+)?(?:e[-+]?\d+)?(?!\.?\w)")


@dataclass(frozen=True, kw_only=True, eq=False)
class RunSummary:
    """A run in numbers.

    Attributes:
        cycles: control cycles run.
        written: writes that the plant accepted.
        failed: writes that it did not.
        unknown: writes whose outcome could not be read back.
        deaf: cycles in which the link could not be drained.
        reconnects: attempts to open the link again.
        rungs: how often each rung of the ladder decided.
        reasons: how often each kind of reason was given for writing nothing; `#` stands for its numbers.
        step_ms_median, step_ms_p99: wall time of the controller's last steps.
        state: of the controller, to go on from; `None` where it never started.
    """

    cycles: int
    written: int
    failed: int
    unknown: int
    deaf: int
    reconnects: int
    rungs: Counter[str]
    reasons: Counter[str]
    step_ms_median: float
    step_ms_p99: float
    state: Any


class Tally:
    """Counts decisions.

    Attributes:
        rungs, reasons: as in `RunSummary`.
    """

    def __init__(self) -> None:
        self.rungs = Counter[str]()
        self.reasons = Counter[str]()
        self._step_s = deque[float](maxlen=_STEPS_TIMED)

    def add(self, decision: Decision) -> None:
        """Count one cycle's decision."""
        self._step_s.append(decision.step_s)
        if decision.rung:
            self.rungs[decision.rung] += 1
        if decision.setpoints is None:
            kind = _NUMBER.sub("#", decision.reason)
            known = kind in self.reasons or len(self.reasons) < _KINDS
            self.reasons[kind if known else _OTHERS] += 1

    @property
    def step_ms(self) -> tuple[float, float]:
        """Median and 99th percentile of the wall time of the last steps."""
        times = sorted(1e3 * step for step in self._step_s) or [0.0]
        return statistics.median(times), times[min(len(times) - 1, int(0.99 * len(times)))]
