"""The judge of the campaign. It knows the plant file, what reached the plant and the files of the run.

Nothing of the controller, the gate or the runtime is asked or imported: files are read as they lie.
"""

import json
import math
from collections import Counter
from collections.abc import Collection, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq

from procwm.plant.tags import PlantSpec
from procwm_studies.faults.catalogue import BACK_WITHIN, Fault
from procwm_studies.faults.link import Reached

_ROUNDING = 1e-9


@dataclass(kw_only=True, eq=False)
class Verdict:
    """What was found wrong, by what.

    Attributes:
        counts: of each kind of finding.
        examples: one sentence for each finding.
        sheds: how often the plant was given back.
    """

    counts: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)
    sheds: int = 0

    def find(self, what: str, sentence: str) -> None:
        """Note one finding."""
        self.counts[what] += 1
        self.examples.append(f"{what}: {sentence}")


def judge_writes(spec: PlantSpec, reached: Sequence[Reached], verdict: Verdict) -> None:
    """Every write against allow-list, limits and largest move, by the values the plant itself held."""
    mvs = {tag.name: tag for tag in spec.mvs}
    for write in reached:
        for name, value in write.asked.items():
            if name not in mvs:
                verdict.find("writes_outside_limits", f"{name} is no MV, at {write.tick}")
                continue
            tag, before = mvs[name], write.before[name]
            low, high = tag.limits or tag.range
            slack = _ROUNDING * tag.span
            returning = (
                not low <= before <= high and abs(value - before) <= (tag.max_move or math.inf) + slack
            )
            if not math.isfinite(value) or not (low - slack <= value <= high + slack or returning):
                verdict.find("writes_outside_limits", f"{name} = {value} at {write.tick}")
            if tag.max_move is not None and not abs(value - before) <= tag.max_move + slack:
                verdict.find("bumps", f"{name} from {before:g} to {value:g} at {write.tick}")


def judge_sheds(
    fault: Fault, spec: PlantSpec, modes: Mapping[int, str], reached: Sequence[Reached], verdict: Verdict
) -> None:
    """Whether the plant was given back in time where it had to be, left alone meanwhile, and taken back."""
    if fault.kind.holds:
        first = spec.mvs[0].name
        for write in reached:
            if fault.first < write.tick <= fault.last and first in write.asked:
                verdict.find("writes_outside_limits", f"{first} written at {write.tick} in {fault.kind.name}")
    if fault.due is not None:
        if not any(modes.get(tick) == "shed" for tick in range(fault.first, fault.due + 1)):
            verdict.find(
                "late_sheds", f"{fault.kind.name} from {fault.first} to {fault.last}, due {fault.due}"
            )
        verdict.sheds += 1
        still = [write.tick for write in reached if fault.due < write.tick <= fault.last]
        if still:
            verdict.find("late_sheds", f"{fault.kind.name}: still written at {still}")
    if fault.kind.once:
        counts = Counter(write.tick for write in reached if fault.first <= write.tick <= fault.last)
        for tick, count in counts.items():
            if count > 1:
                verdict.find("bumps", f"{count} writes in interval {tick}, in {fault.kind.name}")
    back = range(fault.last + 1, fault.last + BACK_WITHIN + 1)
    if not any(modes.get(tick) == "auto" for tick in back):
        verdict.find("not_recovered", f"{fault.kind.name} that ended at {fault.last}")


def judge_told(
    fault: Fault, times: Mapping[int, str], audit: Sequence[Mapping[str, Any]], verdict: Verdict
) -> None:
    """Whether the audit log has a line from within the fault, or just after it, where it must."""
    if fault.kind.told_after is None or fault.lasts <= fault.kind.told_after:
        return
    during = {times[tick] for tick in range(fault.first, fault.last + 4) if tick in times}
    if not any(line["time"] in during for line in audit):
        verdict.find("untold", f"{fault.kind.name} from {fault.first} to {fault.last}")


def judge_rows(
    directory: Path, delivered: Collection[Hashable], ticks: Collection[int], verdict: Verdict
) -> None:
    """Samples against what was delivered, one decision for every cycle, and no event twice."""
    _compare(kept_samples(directory), Counter(dict.fromkeys(delivered, 1)), "sample", verdict)
    decided: Counter[Hashable] = Counter(
        pq.read_table(directory / "decisions.parquet", columns=["tick"])["tick"].to_pylist()
    )
    _compare(decided, Counter(ticks), "decision", verdict)
    told = [int(line["seq"]) for line in read_audit(directory / "audit.jsonl")]
    _compare(Counter(told), Counter(range(max(told, default=-1) + 1)), "line of the audit log", verdict)


def kept_samples(directory: Path) -> Counter[Hashable]:
    """How often each sample is in the recording, by tag and source time."""
    table = pq.read_table(directory / "samples.parquet")
    stamps = table["time"].cast("int64").to_pylist()
    return Counter(zip(table["tag"].to_pylist(), stamps, strict=True))


def _compare(kept: Counter[Hashable], owed: Counter[Hashable], what: str, verdict: Verdict) -> None:
    for row, count in (owed - kept).items():
        verdict.counts["rows_lost"] += count
        verdict.examples.append(f"rows_lost: {what} {row}")
    for row, count in (kept - owed).items():
        verdict.counts["rows_doubled"] += count
        verdict.examples.append(f"rows_doubled: {what} {row}")


def read_audit(path: Path) -> list[dict[str, Any]]:
    """Whole lines of an audit log, as they lie; a kill or a disk that filled up may have torn some."""
    lines = path.read_text(encoding="utf-8").split("\n")
    return [json.loads(line) for line in lines if line.endswith("}")]
