"""The windowing rule: causal, and the same on a stream and on a log."""

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from procwm.data.buffer import SampleBuffer
from procwm.data.series import Log
from procwm.data.window import WindowRule, grid
from procwm.plant.samples import Quality, Sample
from procwm.plant.tags import PlantSpec, Role, Tag

NS = 1_000_000_000
NAMES = ("y", "x", "u")
PLANT = PlantSpec(
    name="p",
    interval_s=2.0,
    tags=(
        Tag(name="y", role=Role.CV, range=(0.0, 10.0)),
        Tag(name="x", role=Role.PV, range=(0.0, 10.0)),
        Tag(name="u", role=Role.MV, range=(0.0, 10.0)),
    ),
)

samples = st.builds(
    Sample,
    tag=st.sampled_from(NAMES),
    value=st.one_of(st.integers(0, 9).map(float), st.just(math.nan)),
    quality=st.sampled_from((Quality.GOOD, Quality.GOOD, Quality.GOOD, Quality.UNCERTAIN, Quality.BAD)),
    source_ns=st.integers(0, 60).map(lambda half: half * NS // 2),
)
streams = st.lists(samples, max_size=60)
holds = st.lists(st.sampled_from((0.0, 1.0, 3.0, 8.0, math.inf)), min_size=3, max_size=3)


def rule_of(hold_s: list[float], history: int = 4) -> WindowRule:
    return WindowRule(tags=NAMES, interval_s=2.0, history=history, hold_s=tuple(hold_s), cyclic=NAMES[:1])


def buffer_of(rule: WindowRule, stream: list[Sample]) -> SampleBuffer:
    buffer = SampleBuffer(rule)
    for sample in stream:
        buffer = buffer.push([sample])
    return buffer


@given(streams, streams, holds, st.integers(0, 60))
def test_a_window_never_sees_the_future(
    past: list[Sample], later: list[Sample], hold_s: list[float], end: int
) -> None:
    end_ns = end * NS // 2
    rule = rule_of(hold_s)
    before = [sample for sample in past if sample.source_ns <= end_ns]
    after = [sample for sample in later if sample.source_ns > end_ns]
    known = SampleBuffer(rule).push(before, now_ns=end_ns).window(end_ns)
    told = SampleBuffer(rule).push([*after, *before], now_ns=end_ns).window(end_ns)
    np.testing.assert_array_equal(known.values, told.values)
    np.testing.assert_array_equal(known.valid, told.valid)


@given(streams, holds, st.data())
def test_a_row_of_a_log_does_not_change_when_the_log_goes_on(
    stream: list[Sample], hold_s: list[float], data: st.DataObject
) -> None:
    anchor = Sample("y", 1.0, Quality.GOOD, 0)
    rule = rule_of(hold_s, history=1)
    whole = grid(Log.from_samples([*stream, anchor], PLANT), rule)
    row = data.draw(st.integers(0, len(whole) - 1))
    end_ns = int(whole.time_ns[row])
    told = SampleBuffer(rule).push([s for s in [*stream, anchor] if s.source_ns <= end_ns], now_ns=end_ns)
    np.testing.assert_array_equal(whole.values[row], told.window(end_ns).values[0])


@settings(max_examples=60)
@given(streams, holds, st.randoms(use_true_random=False), st.integers(1, 7))
def test_stream_and_batch_windowing_agree_exactly(
    stream: list[Sample], hold_s: list[float], random: object, batch: int
) -> None:
    """Samples arrive in batches, late and twice; the windows equal those of the finished log."""
    rule = rule_of(hold_s)
    unique = list({(s.tag, s.source_ns): s for s in stream}.values())
    if not any(s.quality is Quality.GOOD and s.tag != "u" and math.isfinite(s.value) for s in unique):
        return
    whole = grid(Log.from_samples(unique, PLANT), rule)
    received = sorted(unique, key=lambda s: s.source_ns)
    for row in np.flatnonzero(whole.ready).tolist():
        end_ns = int(whole.time_ns[row])
        known = [s for s in received if s.source_ns <= end_ns]
        again = [*known, *known[:batch]]
        random.shuffle(again)  # type: ignore[attr-defined]
        buffer = SampleBuffer(rule)
        for first in range(0, len(again), batch):
            buffer = buffer.push(again[first : first + batch])
        window = buffer.window(end_ns)
        np.testing.assert_array_equal(window.values, whole.window(row).values)
        np.testing.assert_array_equal(window.valid, whole.window(row).valid)
        np.testing.assert_array_equal(window.measured, whole.window(row).measured)


@settings(max_examples=60)
@given(streams, holds)
def test_forgetting_old_samples_changes_no_window(stream: list[Sample], hold_s: list[float]) -> None:
    rule = rule_of(hold_s)
    end_ns = 30 * NS
    one_by_one = buffer_of(rule, stream).window(end_ns)
    at_once = SampleBuffer(rule).push(stream, now_ns=end_ns).window(end_ns)
    everything = Log.from_samples(stream, PLANT) if stream else None
    for column, (tag, hold) in enumerate(zip(NAMES, hold_s, strict=True)):
        for row, time_ns in enumerate(rule.row_times(end_ns)):
            expected = math.nan
            if everything is not None:
                seen = [
                    s
                    for s in everything.samples()
                    if s.tag == tag and s.quality is Quality.GOOD and s.source_ns <= time_ns
                ]
                if seen and time_ns - seen[-1].source_ns <= hold * NS:
                    expected = seen[-1].value
            np.testing.assert_equal(at_once.values[row, column], expected)
    if len({(s.tag, s.source_ns) for s in stream}) == len(stream):
        np.testing.assert_array_equal(one_by_one.values, at_once.values)
