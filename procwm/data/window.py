"""The one windowing rule: samples onto the control grid, on the live stream and on logs alike.

At row time `t` a tag has the value of its last Good sample with `source_ns <= t`, if that sample is no older
than the tag's hold; otherwise it is invalid. Nothing after `t` is ever looked at.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise

import numpy as np
from jaxtyping import Bool, Float64, Int64

from procwm.data.series import Log, TagSeries
from procwm.errors import LogError, SpecError

_NS = 1_000_000_000
_FOREVER_NS = np.iinfo(np.int64).max
_PHASE_SAMPLES = 100_000
_GAP_SHARE, _GAP_INTERVALS = 0.2, 2
_SLACK_SHARE = 0.1
"""Of a window's length; a clock that is off by more than half of that is followed with jumps."""


@dataclass(frozen=True, kw_only=True)
class WindowRule:
    """How samples become rows; a trained model owns one.

    Attributes:
        tags: columns, by tag name.
        interval_s: time between rows, which is the control interval.
        history: count of rows in a window, the present included.
        hold_s: for how long a Good sample of each tag counts as the present value; `inf` is for ever.
        cyclic: tags whose instrument answers in cycles longer than an interval, an analyser or a laboratory:
            between two answers their value is held, and nothing was measured.
        due_s: age at which the next sample of each tag is overdue, `inf` where samples come irregularly;
            empty where nothing is known of it.
    """

    tags: tuple[str, ...]
    interval_s: float
    history: int
    hold_s: tuple[float, ...]
    cyclic: tuple[str, ...] = ()
    due_s: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        if not (math.isfinite(self.interval_s) and self.interval_ns > 0):
            raise SpecError(f"interval_s is {self.interval_s}; it must be a number above 0")
        if self.history < 1:
            raise SpecError(f"history is {self.history} rows; it must be at least 1")
        if len(self.hold_s) != len(self.tags):
            raise SpecError(f"{len(self.hold_s)} holds were given for {len(self.tags)} tags")
        if len(self.due_s) not in (0, len(self.tags)):
            raise SpecError(f"{len(self.due_s)} times to be due were given for {len(self.tags)} tags")
        for tag, hold_s in zip(self.tags, self.hold_s, strict=True):
            if not hold_s >= 0:
                raise SpecError(f"{tag}: its hold is {hold_s} s; it must be at least 0")

    @cached_property
    def interval_ns(self) -> int:
        """Time between rows."""
        return round(self.interval_s * _NS)

    @cached_property
    def span_ns(self) -> int:
        """Time from the first row of a window to the last."""
        return (self.history - 1) * self.interval_ns

    @cached_property
    def slack_ns(self) -> int:
        """By how much the first row may be earlier where steps come late, one after the other."""
        return round(_SLACK_SHARE * self.span_ns) + self.interval_ns

    @cached_property
    def longest_gap_ns(self) -> int:
        """The longest time without samples that leaves enough of a window to encode."""
        return round(max(_GAP_INTERVALS, _GAP_SHARE * self.history) * self.interval_ns)

    def row_times(self, end_ns: int, past: Sequence[int] = ()) -> Int64[np.ndarray, " history"]:
        """Row times of the window that ends at `end_ns`.

        Args:
            end_ns: the present.
            past: times of the rows before it, oldest first, as far as they are known not to be whole
                intervals apart.
        """
        known = [*past, end_ns][-self.history :]
        first_ns, unknown = known[0], self.history - len(known)
        before_ns = first_ns - self.interval_ns * np.arange(unknown, 0, -1, dtype=np.int64)
        return np.concatenate((before_ns, np.array(known, dtype=np.int64)))


@dataclass(frozen=True, eq=False)
class Window:
    """The recent past on the control grid.

    Attributes:
        end_ns: time of the last row, which is the present.
        values: engineering units; NaN where there is no valid measurement.
        valid: where there is one.
        measured: where it is new: for a cyclic tag only where its sample came after the row before.
    """

    end_ns: int
    values: Float64[np.ndarray, "history tag"]
    valid: Bool[np.ndarray, "history tag"]
    measured: Bool[np.ndarray, "history tag"]


@dataclass(frozen=True, eq=False)
class Grid:
    """A log on the control grid. Rows where no instrument is heard are left out, so time may jump.

    Attributes:
        rule: the rule it was made by.
        time_ns: row times, a whole number of intervals apart.
        values: engineering units; NaN where there is no valid measurement.
        valid: where there is one.
        measured: where it is new; see `Window`.
    """

    rule: WindowRule
    time_ns: Int64[np.ndarray, " row"]
    values: Float64[np.ndarray, "row tag"]
    valid: Bool[np.ndarray, "row tag"]
    measured: Bool[np.ndarray, "row tag"]

    def __len__(self) -> int:
        return len(self.time_ns)

    @cached_property
    def stretches(self) -> tuple[slice, ...]:
        """The runs of rows exactly one interval apart."""
        cuts = np.flatnonzero(np.diff(self.time_ns) != self.rule.interval_ns) + 1
        edges = [0, *cuts.tolist(), len(self)] if len(self) else []
        return tuple(slice(first, last) for first, last in pairwise(edges))

    def column(self, tag: str) -> Float64[np.ndarray, " row"]:
        """Values of one tag, a view."""
        return self.values[:, self.rule.tags.index(tag)]

    def columns(self, tags: Sequence[str]) -> Int64[np.ndarray, " column"]:
        """Column numbers of `tags`."""
        return np.array([self.rule.tags.index(tag) for tag in tags], dtype=np.int64)

    def slice(self, start: int, stop: int) -> "Grid":
        """Rows `start` to `stop`, the latter excluded, as views."""
        part = slice(start, stop)
        return Grid(self.rule, self.time_ns[part], self.values[part], self.valid[part], self.measured[part])

    def where(self, kept: Bool[np.ndarray, " row"]) -> "Grid":
        """The rows that are `kept`; time jumps over the others."""
        if kept.all():
            return self
        return Grid(self.rule, self.time_ns[kept], self.values[kept], self.valid[kept], self.measured[kept])

    def only(self, tags: Sequence[str]) -> "Grid":
        """The columns of `tags`, in the order of the rule."""
        kept = [column for column, tag in enumerate(self.rule.tags) if tag in tags]
        rule = replace(
            self.rule,
            tags=tuple(self.rule.tags[column] for column in kept),
            hold_s=tuple(self.rule.hold_s[column] for column in kept),
            cyclic=tuple(tag for tag in self.rule.cyclic if tag in tags),
            due_s=tuple(self.rule.due_s[column] for column in kept) if self.rule.due_s else (),
        )
        return Grid(rule, self.time_ns, self.values[:, kept], self.valid[:, kept], self.measured[:, kept])

    def between(self, start_ns: int, end_ns: int) -> "Grid":
        """Rows with `start_ns <= time < end_ns`, as views."""
        first, last = np.searchsorted(self.time_ns, (start_ns, end_ns), side="left")
        return self.slice(int(first), int(last))

    @cached_property
    def ready(self) -> Bool[np.ndarray, " row"]:
        """Rows that end a whole window without a jump in time."""
        ready = np.zeros(len(self), dtype=np.bool_)
        for stretch in self.stretches:
            ready[stretch.start + self.rule.history - 1 : stretch.stop] = True
        return ready

    def window(self, row: int) -> Window:
        """The window that ends at `row`, as a view; `LogError` where the log has too little before it."""
        if not (0 <= row < len(self) and self.ready[row]):
            raise LogError(
                f"row {row} of {len(self)} does not end {self.rule.history} rows without a jump in time"
            )
        part = slice(row + 1 - self.rule.history, row + 1)
        return Window(int(self.time_ns[row]), self.values[part], self.valid[part], self.measured[part])

    def windows(self, rows: Iterable[int]) -> list[Window]:
        """The windows that end at `rows`, as views."""
        return [self.window(int(row)) for row in rows]


def held(series: TagSeries, row_ns: Int64[np.ndarray, " row"], hold_s: float) -> Float64[np.ndarray, " row"]:
    """The rule itself: at each row the last of the Good samples `series`, NaN where older than `hold_s`."""
    if not len(series):
        return np.full(len(row_ns), np.nan)
    last = np.searchsorted(series.time_ns, row_ns, side="right") - 1
    age_ns = row_ns - series.time_ns[last]
    return np.where((last >= 0) & (age_ns <= hold_ns(hold_s)), series.value[last], np.nan)


def grid(log: Log, rule: WindowRule) -> Grid:
    """`log` on the control grid, by the same rule as the live stream."""
    measured = [tag for tag in rule.tags if tag not in log.mv_names] or list(rule.tags)
    for tag in rule.tags:
        if tag not in log.series:
            raise LogError(f"the log has no tag {tag}; its tags are {', '.join(log.series)}")
    holds = dict(zip(rule.tags, rule.hold_s, strict=True))
    phase_ns = phase((log.series[tag].usable for tag in measured), rule.interval_ns)
    rows = [np.zeros(0, dtype=np.int64)]
    for start_ns, end_ns in heard_stretches((log.series[tag].usable, holds[tag]) for tag in measured):
        first = -((phase_ns - start_ns) // rule.interval_ns)
        last = (min(end_ns, log.end_ns) - phase_ns) // rule.interval_ns
        rows.append(phase_ns + rule.interval_ns * np.arange(first, last + 1, dtype=np.int64))
    time_ns = np.concatenate(rows)
    values, new = on_rows(log.series, time_ns, rule)
    return Grid(rule, time_ns, values, np.isfinite(values), new)


def on_rows(
    series: Mapping[str, TagSeries], row_ns: Int64[np.ndarray, " row"], rule: WindowRule
) -> tuple[Float64[np.ndarray, "row tag"], Bool[np.ndarray, "row tag"]]:
    """Values of every tag of `rule` at each row, and where they are new."""
    values = np.full((len(row_ns), len(rule.tags)), np.nan)
    measured = np.zeros(values.shape, dtype=np.bool_)
    for column, (tag, hold_s) in enumerate(zip(rule.tags, rule.hold_s, strict=True)):
        if tag in series:
            usable = series[tag].usable
            values[:, column] = held(usable, row_ns, hold_s)
            measured[:, column] = np.isfinite(values[:, column])
            if tag in rule.cyclic:
                measured[:, column] &= _new(usable, row_ns, rule.interval_ns)
    return values, measured


def _new(series: TagSeries, row_ns: Int64[np.ndarray, " row"], interval_ns: int) -> Bool[np.ndarray, " row"]:
    """Where the last sample of `series` came after the row before; after a jump in time, an interval ago."""
    apart_ns = np.diff(row_ns, prepend=row_ns[:1] - interval_ns)
    before_ns = row_ns - np.where(apart_ns < 2 * interval_ns, apart_ns, interval_ns)
    heard = (np.searchsorted(series.time_ns, ns, side="right") for ns in (row_ns, before_ns))
    now, before = heard
    return np.asarray(now > before)


def hold_ns(hold_s: float) -> int:
    """`hold_s` in nanoseconds; the largest number there is where it is for ever."""
    return int(min(hold_s * _NS, _FOREVER_NS))


def phase(heard: Iterable[TagSeries], interval_ns: int) -> int:
    """When in an interval rows see the measurements freshest on average.

    With `n` sorted phases, rows at the `j`-th see a mean age of
    `phase_j - mean(phase) + interval * (n - j) / n`.
    """
    thinned = [series.time_ns[:: 1 + len(series) // _PHASE_SAMPLES].copy() for series in heard]
    phases = np.sort(np.concatenate(thinned) % interval_ns)
    if not len(phases):
        raise LogError("the log has no Good sample of any instrument")
    later = 1.0 - np.arange(1, len(phases) + 1) / len(phases)
    return int(phases[np.argmin(phases / interval_ns + later)])


def heard_stretches(heard: Iterable[tuple[TagSeries, float]]) -> list[tuple[int, int]]:
    """The stretches of time in which a series, each held so long, has a value, in order, none touching."""
    starts: list[np.ndarray] = []
    ends: list[np.ndarray] = []
    for series, hold_s in heard:
        if len(series):
            longest_ns = hold_ns(hold_s)
            breaks = np.flatnonzero(np.diff(series.time_ns) > longest_ns)
            starts.append(series.time_ns[np.append(0, breaks + 1)])
            last = series.time_ns[np.append(breaks, len(series) - 1)]
            ends.append(last + np.minimum(longest_ns, _FOREVER_NS - last))
    start, end = np.concatenate(starts), np.concatenate(ends)
    order = np.argsort(start, kind="stable")
    start, end = start[order], np.maximum.accumulate(end[order])
    new = np.append(True, start[1:] > end[:-1])
    return list(zip(start[new].tolist(), end[np.append(new[1:], True)].tolist(), strict=True))
