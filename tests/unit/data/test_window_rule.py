"""The windowing rule at its edges: holds, gaps, phases, clocks that are wrong."""

import math
from dataclasses import replace

import numpy as np
import pytest

from procwm.data.buffer import SampleBuffer
from procwm.data.cadence import default_cyclic, default_due_s, default_hold_s
from procwm.data.series import Log
from procwm.data.window import Grid, WindowRule, grid
from procwm.errors import LogError, SpecError
from procwm.plant.samples import Quality, Sample
from procwm.plant.tags import PlantSpec, Role, Tag

NS = 1_000_000_000
PLANT = PlantSpec(
    name="loop",
    interval_s=10.0,
    tags=(
        Tag(name="y", role=Role.CV, range=(0.0, 1000.0)),
        Tag(name="u", role=Role.MV, range=(0.0, 1000.0)),
    ),
)
RULE = WindowRule(tags=("y", "u"), interval_s=10.0, history=3, hold_s=(15.0, math.inf))


def sample(tag: str, value: float, second: float, quality: Quality = Quality.GOOD) -> Sample:
    return Sample(tag, value, quality, round(second * NS))


def gridded(*samples: Sample, rule: WindowRule = RULE) -> Grid:
    return grid(Log.from_samples(samples, PLANT), rule)


def column(buffer: SampleBuffer, tag: str, end_s: float) -> list[float | None]:
    window = buffer.window(round(end_s * NS))
    values = window.values[:, RULE.tags.index(tag)].tolist()
    return [None if math.isnan(value) else value for value in values]


def test_a_value_is_held_as_long_as_its_hold_and_no_longer() -> None:
    buffer = SampleBuffer(RULE).push([sample("y", 1.0, 5.0), sample("u", 2.0, 5.0)])
    assert column(buffer, "y", 20.0) == [None, 1.0, 1.0]
    assert column(buffer, "y", 20.1) == [None, 1.0, None]
    assert column(buffer, "u", 1e6) == [2.0, 2.0, 2.0]


def test_between_two_answers_of_an_analyser_its_value_is_held_and_nothing_is_measured() -> None:
    rule = replace(RULE, hold_s=(25.0, math.inf), cyclic=("y",))
    samples = [sample("y", 1.0, 10.0), sample("u", 2.0, 5.0)]
    window = SampleBuffer(rule).push(samples).window(30 * NS)
    assert window.valid[:, 0].tolist() == [True, True, True]
    assert window.measured[:, 0].tolist() == [True, False, False]
    assert window.measured[:, 1].tolist() == [True, True, True]
    late = SampleBuffer(rule).push([sample("y", 1.0, 10.1)]).window(30 * NS)
    assert late.measured[:, 0].tolist() == [False, True, False]


def test_an_analyser_is_told_from_a_tag_that_is_reported_when_it_changes() -> None:
    samples = [sample("y", float(count), 30.0 * count) for count in range(20)]
    samples += [sample("u", 0.0, 0.0)]
    assert default_cyclic(PLANT, Log.from_samples(samples, PLANT)) == ("y",)
    busy = [sample("y", float(count), 600.0 + 10.0 * count) for count in range(1, 20)]
    assert default_cyclic(PLANT, Log.from_samples([*samples, *busy], PLANT)) == ()


def test_a_sample_is_overdue_as_soon_as_it_has_failed_to_come() -> None:
    rule = replace(RULE, hold_s=(100.0, math.inf), due_s=(10.0, math.inf))
    buffer = SampleBuffer(rule).push([sample("y", 1.0, 10.0), sample("u", 2.0, 5.0)])
    assert buffer.overdue(30 * NS).tolist() == [[False, False], [True, False], [True, False]]
    late = buffer.push([sample("y", 1.0, 29.0)])
    assert late.overdue(30 * NS).tolist() == [[False, False], [True, False], [False, False]]
    assert not SampleBuffer(RULE).push([sample("y", 1.0, 10.0)]).overdue(30 * NS).any()


def test_samples_are_due_where_they_come_regularly() -> None:
    regular = [sample("y", float(count), 60.0 * count) for count in range(40)]
    by_exception = [sample("y", float(count), 10.0 * count**2) for count in range(40)]
    moves = [sample("u", 0.0, 0.0)]
    assert default_due_s(PLANT, Log.from_samples([*regular, *moves], PLANT)) == (60.0, math.inf)
    assert default_due_s(PLANT, Log.from_samples([*by_exception, *moves], PLANT)) == (math.inf, math.inf)
    often = [sample("y", float(count), 2.0 * count) for count in range(40)]
    assert default_due_s(PLANT, Log.from_samples([*often, *moves], PLANT)) == (10.0, math.inf)


def test_times_to_be_due_are_given_for_every_tag_or_none() -> None:
    with pytest.raises(SpecError, match="1 times to be due were given for 2 tags"):
        replace(RULE, due_s=(1.0,))


def test_a_sample_counts_from_the_moment_it_was_taken() -> None:
    buffer = SampleBuffer(RULE).push([sample("y", 1.0, 20.0)])
    assert column(buffer, "y", 20.0) == [None, None, 1.0]
    assert column(buffer, "y", 19.9) == [None, None, None]


@pytest.mark.parametrize("quality", [Quality.BAD, Quality.UNCERTAIN])
def test_a_sample_that_is_not_good_hides_no_good_one(quality: Quality) -> None:
    buffer = SampleBuffer(RULE).push([sample("y", 1.0, 10.0), sample("y", 9.0, 15.0, quality)])
    assert column(buffer, "y", 20.0) == [None, 1.0, 1.0]
    newest = buffer.latest("y")
    assert newest is not None
    assert newest.quality is quality
    assert buffer.latest("u") is None


def test_a_good_quality_makes_no_number_of_a_nan() -> None:
    buffer = SampleBuffer(RULE).push([sample("y", math.nan, 10.0), sample("u", math.inf, 10.0)])
    assert not buffer.window(10 * NS).valid.any()


def test_of_two_good_samples_for_one_time_the_last_received_counts() -> None:
    apart = SampleBuffer(RULE).push([sample("y", 1.0, 10.0)]).push([sample("y", 2.0, 10.0)])
    together = SampleBuffer(RULE).push([sample("y", 1.0, 10.0), sample("y", 2.0, 10.0)])
    assert column(apart, "y", 10.0) == column(together, "y", 10.0) == [None, None, 2.0]
    bad = sample("y", 3.0, 10.0, Quality.BAD)
    assert column(apart.push([bad]), "y", 10.0) == [None, None, 2.0]


def test_tags_that_the_rule_does_not_know_are_passed_over() -> None:
    buffer = SampleBuffer(RULE).push([sample("z", 1.0, 10.0)])
    assert buffer.latest("z") is None


def test_pushing_changes_no_earlier_buffer() -> None:
    earlier = SampleBuffer(RULE).push([sample("y", 1.0, 10.0)])
    earlier.push([sample("y", 2.0, 20.0)])
    assert column(earlier, "y", 20.0) == [None, 1.0, 1.0]


def test_a_buffer_keeps_no_more_than_a_window_can_see() -> None:
    buffer = SampleBuffer(RULE)
    for second in range(200):
        buffer = buffer.push([sample("y", float(second), second), sample("u", 0.0, 0.0)], now_ns=second * NS)
    seen_s, late_s = 20, 12
    assert len(buffer._usable["y"]) == 1 + seen_s + late_s, "rows of late steps reach further back"
    assert column(buffer, "y", 199.0) == [179.0, 189.0, 199.0]
    assert column(buffer, "u", 199.0) == [0.0, 0.0, 0.0]


def test_a_sample_from_the_far_future_does_not_cost_the_window() -> None:
    buffer = SampleBuffer(RULE)
    for second in range(0, 50, 10):
        arrived = [sample("y", float(second), second), sample("y", 7.0, 1e9)]
        buffer = buffer.push(arrived, now_ns=second * NS)
    assert column(buffer, "y", 40.0) == [20.0, 30.0, 40.0]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"interval_s": 0.0}, "interval_s is 0.0"),
        ({"interval_s": math.nan}, "interval_s is nan"),
        ({"history": 0}, "history is 0 rows"),
        ({"hold_s": (1.0,)}, "1 holds were given for 2 tags"),
        ({"hold_s": (1.0, -1.0)}, "u: its hold is -1.0 s"),
        ({"hold_s": (math.nan, 1.0)}, "y: its hold is nan s"),
    ],
)
def test_a_rule_without_sense_is_refused(change: dict[str, object], sentence: str) -> None:
    given = {"tags": ("y", "u"), "interval_s": 10.0, "history": 3, "hold_s": (1.0, 1.0)} | change
    with pytest.raises(SpecError, match=sentence):
        WindowRule(**given)  # type: ignore[arg-type]


def test_rows_lie_where_the_measurements_are_freshest() -> None:
    """The MVs are stamped when they are written, 2 s after each scan, and must not move the rows."""
    scans = [sample("y", float(k), 3.0 + 10.0 * k) for k in range(20)]
    writes = [sample("u", 100.0 + k, 5.0 + 10.0 * k) for k in range(20)]
    rows = gridded(*scans, *writes)
    assert rows.time_ns[0] == 3 * NS
    np.testing.assert_array_equal(rows.column("y"), np.arange(20.0))
    np.testing.assert_array_equal(rows.column("u")[1:], 100.0 + np.arange(19.0))


def test_a_late_scan_does_not_make_every_other_one_look_late() -> None:
    seconds = [10.0 * k + (0.05 * (k % 3)) for k in range(60)]
    seconds[30] += 4.0
    rows = gridded(*(sample("y", float(k), second) for k, second in enumerate(seconds)))
    assert rows.time_ns[0] == round(0.1 * NS)
    late = np.flatnonzero(rows.column("y") != np.arange(len(rows)))
    assert late.tolist() == [30]


def test_a_gap_leaves_no_rows_and_no_window_crosses_it() -> None:
    seconds = [*range(0, 60, 10), *range(1000, 1060, 10)]
    rows = gridded(*(sample("y", 1.0, second) for second in seconds), sample("u", 5.0, 0.0))
    assert (rows.time_ns // NS).tolist() == [*range(0, 70, 10), *range(1000, 1060, 10)]
    assert rows.stretches == (slice(0, 7), slice(7, 13))
    assert np.flatnonzero(rows.ready).tolist() == [2, 3, 4, 5, 6, 9, 10, 11, 12]
    with pytest.raises(LogError, match="row 8 of 13"):
        rows.window(8)
    assert [window.end_ns // NS for window in rows.windows([9, 2])] == [1020, 20]


def test_a_long_gap_costs_no_memory() -> None:
    year = 365 * 86_400.0
    rows = gridded(*(sample("y", 1.0, second) for second in (0.0, 10.0, 100 * year, 100 * year + 10.0)))
    assert len(rows) == 5


def test_slices_of_a_grid_are_views() -> None:
    rows = gridded(*(sample("y", float(k), 10.0 * k) for k in range(10)))
    part = rows.slice(2, 6)
    assert np.shares_memory(part.values, rows.values)
    assert np.shares_memory(rows.window(5).values, rows.values)
    assert part.column("y").tolist() == [2.0, 3.0, 4.0, 5.0]
    assert rows.between(20 * NS, 60 * NS).column("y").tolist() == [2.0, 3.0, 4.0, 5.0]


def test_a_log_without_the_tag_or_without_measurements_is_refused() -> None:
    other = WindowRule(tags=("z",), interval_s=10.0, history=1, hold_s=(1.0,))
    with pytest.raises(LogError, match="the log has no tag z"):
        gridded(sample("y", 1.0, 0.0), rule=other)
    with pytest.raises(LogError, match="no Good sample of any instrument"):
        gridded(sample("y", 1.0, 0.0, Quality.BAD), sample("u", 1.0, 0.0))


def test_a_hold_follows_what_is_given_then_the_role_then_the_log() -> None:
    tags = (
        Tag(name="given", role=Role.CV, range=(0.0, 1.0), max_hold_s=7.0),
        Tag(name="fast", role=Role.CV, range=(0.0, 1.0)),
        Tag(name="analyser", role=Role.PV, range=(0.0, 1.0)),
        Tag(name="daily", role=Role.DV, range=(0.0, 1.0)),
        Tag(name="once", role=Role.DV, range=(0.0, 1.0)),
        Tag(name="u", role=Role.MV, range=(0.0, 1.0)),
    )
    plant = PlantSpec(name="p", interval_s=10.0, tags=tags)
    apart_s = {"given": 10.0, "fast": 10.0, "analyser": 600.0, "daily": 86_400.0, "u": 10.0}
    samples = [sample(tag, 0.5, count * gap_s) for tag, gap_s in apart_s.items() for count in range(20)]
    samples.append(sample("once", 0.5, 0.0))
    hold_s = default_hold_s(plant, Log.from_samples(samples, plant))
    assert hold_s == (7.0, 100.0, 1800.0, 86_400.0, 100.0, math.inf)
