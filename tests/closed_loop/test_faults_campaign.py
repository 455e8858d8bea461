"""A short fault campaign, and a judge that would notice."""

import json
import sys
from dataclasses import replace
from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from linear_loop import plant_spec

from procwm.errors import SpecError
from procwm_studies.faults import faults, opcua
from procwm_studies.faults.catalogue import FIRST, KINDS, SERVED_KINDS, Fault, accelerated, schedule
from procwm_studies.faults.faults import campaign, run_faults, served_campaign, summary
from procwm_studies.faults.judge import Verdict, judge_rows, judge_sheds, judge_told, judge_writes
from procwm_studies.faults.kills import PHASES
from procwm_studies.faults.link import Reached
from procwm_studies.faults.states import STATES

HELD = {"V1": 50.0, "V2": 50.0}


def kind(name: str) -> Fault:
    found = next(kind for kind in KINDS if kind.name == name)
    return Fault(kind=found, first=20, last=28)


def write(tick: int = 22, **asked: float) -> Reached:
    return Reached(tick=tick, before=HELD, asked=asked)


def test_a_short_campaign_finds_nothing_wrong(unchecked) -> None:
    """Unchecked, as what links and operators hand over is of the wrong type on purpose."""
    result = summary(campaign(["quadruple_tank"], [5], rounds=1, kills=1))
    assert result["injected"] == len(KINDS) + len(PHASES) + len(STATES)
    found = {
        name: count for name, count in result.items() if name not in ("injected", "sheds_due", "by_fault")
    }
    assert not any(found.values()), result


@pytest.mark.parametrize(
    ("reached", "finding"),
    [
        (write(V1=57.9, V2=50.0), None),
        (write(V1=58.1), "bumps"),
        (write(V1=float("nan")), "writes_outside_limits"),
        (write(L1=50.0), "writes_outside_limits"),
        (Reached(tick=1, before={"V1": 89.0}, asked={"V1": 91.0}), "writes_outside_limits"),
        (Reached(tick=1, before={"V1": 99.0}, asked={"V1": 95.0}), None),
    ],
)
def test_the_judge_knows_what_must_not_reach_a_plant(reached: Reached, finding: str | None) -> None:
    verdict = Verdict()
    judge_writes(plant_spec(), [reached], verdict)
    assert (finding in verdict.counts) if finding else not verdict.counts


def test_the_judge_notices_what_is_shed_too_late_or_not_left_alone() -> None:
    fault, spec = kind("value Bad"), plant_spec()
    assert fault.due == 25
    auto = dict.fromkeys(range(50), "auto")
    for shed_at, finding in ((25, 0), (26, 1)):
        verdict = Verdict()
        judge_sheds(fault, spec, {**auto, shed_at: "shed"}, [], verdict)
        assert verdict.counts["late_sheds"] == finding
    verdict = Verdict()
    judge_sheds(fault, spec, {**auto, 23: "shed"}, [write(tick, V1=50.0) for tick in range(24, 29)], verdict)
    assert verdict.counts["late_sheds"] == 1
    verdict = Verdict()
    judge_sheds(fault, spec, {23: "shed"}, [], verdict)
    assert verdict.counts["not_recovered"] == 1
    verdict = Verdict()
    judge_sheds(kind("MV read-back Bad"), spec, auto, [write(V1=50.0)], verdict)
    assert verdict.counts["writes_outside_limits"] == 1
    verdict = Verdict()
    judge_sheds(kind("control ticks doubled"), spec, auto, [write(V1=50.0)] * 2, verdict)
    assert verdict.counts == {"bumps": 1}


def test_the_judge_notices_silence_in_the_audit_log() -> None:
    fault = kind("value Bad")
    times = {tick: f"t{tick}" for tick in range(50)}
    for told_at, finding in (("t21", 0), ("t40", 1)):
        verdict = Verdict()
        judge_told(fault, times, [{"time": told_at}], verdict)
        assert verdict.counts["untold"] == finding


def test_the_judge_counts_rows_that_are_lost_or_doubled(tmp_path: Path) -> None:
    stamps = pa.array([1, 2, 2], pa.timestamp("ns", tz="UTC"))
    pq.write_table(pa.table({"time": stamps, "tag": ["L1"] * 3}), tmp_path / "samples.parquet")
    pq.write_table(pa.table({"tick": [0, 1, 1]}), tmp_path / "decisions.parquet")
    (tmp_path / "audit.jsonl").write_text('{"seq": 0}\n{"seq": 1}\n{"seq": 1, "te\n{"seq": 1}\n{"seq": 3}\n')
    verdict = Verdict()
    judge_rows(tmp_path, {("L1", 1), ("L1", 2), ("L1", 3)}, range(3), verdict)
    assert verdict.counts == {"rows_lost": 3, "rows_doubled": 3}


def test_faults_leave_room_for_each_other() -> None:
    faults = schedule(KINDS, np.random.default_rng(0))
    assert faults[0].first >= FIRST
    assert min(b.first - a.last for a, b in pairwise(faults)) > 14


def test_a_fault_of_a_slow_analyser_begins_with_a_report_and_is_told_with_a_later_one() -> None:
    for fault in schedule(KINDS, np.random.default_rng(0), every=3):
        assert fault.first % 3 == 0
        assert fault.kind.told_after is None or fault.kind.told_after % 3 == 0


def test_a_plant_in_shorter_intervals_keeps_its_times_in_proportion() -> None:
    spec = plant_spec()
    tags = [replace(tag, max_hold_s=4.0 * spec.interval_s) for tag in spec.tags]
    faster = accelerated(replace(spec, tags=tuple(tags)), 0.5)
    assert faster.interval_s == 0.5
    assert [tag.max_hold_s for tag in faster.tags] == [2.0] * len(tags)


@pytest.mark.skipif(sys.platform == "win32", reason="ending and freezing a process needs POSIX signals")
def test_a_server_that_gets_another_certificate_leaves_the_plant_alone_and_loses_no_row(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # On a busy machine a server may start for minutes, and end seconds after the last value that it sent.
    monkeypatch.setattr(opcua, "_LONGEST", 60)
    monkeypatch.setattr(opcua, "_UNSENT_NS", 3_000_000_000)
    kinds = [kind for kind in SERVED_KINDS if "certificate" in kind.name]
    tallies: dict[str, faults.Tally] = {}
    served_campaign(["quadruple_tank"], [3], rounds=1, kinds=kinds, tallies=tallies)
    (tally,) = tallies.values()
    # How late it sheds on a busy machine is for the campaign to measure.
    unsafe = {"writes_outside_limits", "bumps", "exceptions", "rows_lost", "rows_doubled"}
    assert tally.injected == 1
    assert not unsafe & set(tally.counts), tally.examples


def test_an_interrupted_campaign_keeps_what_it_has_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, tallies: dict[str, faults.Tally], **__: object) -> None:
        tallies["server killed"] = faults.Tally(injected=3)
        raise KeyboardInterrupt

    monkeypatch.setattr(faults, "served_campaign", interrupted)
    result = json.loads(run_faults(tmp_path).read_text())
    assert result["injected"] == 3
    assert "| server killed | 3 |" in (tmp_path / "faults.md").read_text()


def test_a_campaign_counts_faults_and_not_hours(tmp_path: Path) -> None:
    with pytest.raises(SpecError, match="takes no --hours"):
        run_faults(tmp_path, hours=1.0)
