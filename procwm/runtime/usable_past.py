"""What of a plant's past a controller may be started with: samples without a gap up to the present.

A row of the past counts where some output has a valid value and every MV has one, and no longer stretch lies
between it and the present than a window can be encoded without. What an MV was is never assumed: where the
past does not tell how the value that is in force now came about, nothing of it is used.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool

from procwm.control.admission import NO_STEADY, admitted
from procwm.control.measurement import rows_wanted
from procwm.data.series import TagSeries, series_of
from procwm.data.window import WindowRule, on_rows
from procwm.plant.samples import Quality, Sample, Setpoints, readable
from procwm.plant.tags import PlantSpec

_SAME_SHARE = 1e-3
"""Of an MV's span: values further apart are two."""
_SAMPLES_A_ROW = 10
"""Of one tag, at most; a controller looks at one of them."""


@dataclass(frozen=True, eq=False)
class UsablePast:
    """What a source has to offer.

    Attributes:
        samples: to start the controller with; none where nothing is usable.
        rows: of the window that ends now, how many they fill.
        wanted: how many a first plan takes.
        since_ns: time of the first row, UTC.
        refusal: why nothing is usable, a sentence without a subject; else empty.
    """

    samples: tuple[Sample, ...]
    rows: int
    wanted: int
    since_ns: int = 0
    refusal: str = ""


def usable_past(
    offered: Sequence[Sample],
    live: Sequence[Sample],
    in_force: Setpoints,
    *,
    plant: PlantSpec,
    rule: WindowRule,
    memory: int,
    now_ns: int,
) -> UsablePast:
    """What of the samples `offered` may be used.

    Args:
        live: samples that the plant has reported to this run.
        in_force: MVs as read back.
        memory: rows that the controller lives through at most.
        now_ns: the present.
    """
    wanted = rows_wanted(rule.history)
    told = {(sample.tag, sample.source_ns) for sample in live}
    offered = [one for one in readable(tuple(offered)) if (one.tag, one.source_ns) not in told]
    past = [sample for sample in offered if sample.source_ns <= now_ns]
    refusal = _refusal(offered, past, plant, rule, now_ns) or _unexplained(past, live, in_force, plant)
    if refusal:
        return UsablePast((), 0, wanted, refusal=refusal)
    row_ns = now_ns - rule.interval_ns * np.arange(memory, -1, -1, dtype=np.int64)
    values, _ = on_rows(_series((*past, *live), plant, now_ns), row_ns, rule)
    outputs, mvs = ([rule.tags.index(tag.name) for tag in tags] for tags in (plant.outputs, plant.mvs))
    heard = np.isfinite(values[:, outputs]).any(axis=1)
    known = np.isfinite(values[:, mvs]).all(axis=1)
    first = _first(heard, known, rule.longest_gap_ns // rule.interval_ns)
    if first is None or first == memory:
        return UsablePast((), 0, wanted, refusal="has no row before now with an output and every MV in it")
    filled = int(heard[max(first, len(heard) - rule.history) :].sum())
    kept = _thinned(_since(past, int(row_ns[first])), rule.interval_ns // _SAMPLES_A_ROW)
    return UsablePast(kept, filled, wanted, int(row_ns[first]))


def _refusal(
    offered: Sequence[Sample], past: Sequence[Sample], plant: PlantSpec, rule: WindowRule, now_ns: int
) -> str:
    """Why samples with such times are not used; empty where they may be."""
    newest_ns = max((sample.source_ns for sample in offered), default=now_ns)
    ahead_s = (newest_ns - now_ns) / 1e9
    if ahead_s > (plant.control.clock_skew_s or plant.interval_s):
        return f"goes on to {ahead_s:.3g} s ahead of our clock; compare the clocks"
    if not past:
        return "has nothing from before"
    age_ns = now_ns - max(sample.source_ns for sample in past)
    if age_ns > rule.longest_gap_ns:
        return f"ends {age_ns / 1e9:.4g} s ago; {rule.longest_gap_ns / 1e9:g} s are the most"
    return ""


def _series(samples: Sequence[Sample], plant: PlantSpec, now_ns: int) -> Mapping[str, TagSeries]:
    """What a controller would believe of `samples`, by tag."""
    believed, _, _ = admitted(samples, plant, NO_STEADY, now_ns)
    by_tag: dict[str, list[Sample]] = {}
    for sample in believed:
        by_tag.setdefault(sample.tag, []).append(sample)
    return {tag: series_of(received).usable for tag, received in by_tag.items()}


def _unexplained(
    past: Sequence[Sample], live: Sequence[Sample], in_force: Setpoints, plant: PlantSpec
) -> str:
    """Why it is not known since when MVs have been what is in force; empty where it is."""
    last = {sample.tag: sample for sample in _ordered(past) if sample.quality is Quality.GOOD}
    unknown = []
    for tag in plant.mvs:
        known = last.get(tag.name)
        since_ns = -1 if known is None else known.source_ns
        reported = any(sample.tag == tag.name and sample.source_ns > since_ns for sample in live)
        same = known is not None and abs(known.value - in_force[tag.name]) <= _SAME_SHARE * tag.span
        if not (reported or same):
            unknown.append(tag.name)
    return f"does not tell since when {', '.join(unknown)} has been what is in force" if unknown else ""


def _first(heard: Bool[np.ndarray, " row"], known: Bool[np.ndarray, " row"], longest: int) -> int | None:
    """The first row of the last stretch with no more than `longest` rows unheard at once; `None`: no row."""
    first, silent = None, 0
    for row in range(len(heard) - 1, -1, -1):
        silent = 0 if heard[row] else silent + 1
        if silent > longest or not known[row]:
            break
        first = row if heard[row] else first
    return first


def _since(past: Sequence[Sample], first_ns: int) -> list[Sample]:
    """Samples that a row at `first_ns` or later can see, in order of time."""
    ordered = _ordered(past)
    before = {sample.tag: sample for sample in ordered if sample.source_ns <= first_ns}
    return [*before.values(), *(sample for sample in ordered if sample.source_ns > first_ns)]


def _thinned(samples: Sequence[Sample], apart_ns: int) -> tuple[Sample, ...]:
    """The last sample of each tag, quality and stretch of `apart_ns`."""
    kept = {(sample.tag, sample.quality, sample.source_ns // apart_ns): sample for sample in samples}
    return tuple(_ordered(kept.values()))


def _ordered(samples: Iterable[Sample]) -> list[Sample]:
    return sorted(samples, key=lambda sample: sample.source_ns)
