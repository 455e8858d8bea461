"""Which interval a step belongs to."""

import numpy as np
import pytest

from procwm.control.pace import Pace, aligned
from procwm.data.window import WindowRule
from procwm.plant.samples import Quality, Sample

NS = 1_000_000_000
RULE = WindowRule(tags=("y",), interval_s=10.0, history=4, hold_s=(30.0,))
FIRST = Pace(0, (0,))


def after(*times_s: float) -> Pace:
    pace = FIRST
    for time_s in times_s:
        pace = pace.after(round(time_s * NS), RULE)
    return pace


@pytest.mark.parametrize(
    ("now_s", "passed"), [(2.4, 0), (4.9, 0), (5.0, 1), (9.999999, 1), (10.0, 1), (14.9, 1), (15.0, 2)]
)
def test_a_step_up_to_half_an_interval_early_or_late_is_the_same_step(now_s: float, passed: int) -> None:
    assert FIRST.passed(round(now_s * NS), RULE) == passed


def test_a_late_step_does_not_make_the_next_one_early() -> None:
    assert after(14.0).passed(round(20.0 * NS), RULE) == 1
    assert after(14.0).passed(round(16.0 * NS), RULE) == 0


def test_two_steps_are_never_closer_than_a_quarter_of_an_interval() -> None:
    assert after(14.9).passed(round(16.5 * NS), RULE) == 0
    assert after(14.9).passed(round(17.5 * NS), RULE) == 1


def test_half_an_interval_after_a_step_comes_another_whatever_was_due() -> None:
    early = after(*(10.0 * step for step in range(1, 12)), 115.5)
    assert [early.passed(round(at_s * NS), RULE) for at_s in (117.0, 120.4, 120.6)] == [0, 0, 1]


def test_rows_are_where_steps_were_taken_and_those_missed_lie_between() -> None:
    assert after(9.0, 31.0).rows == (0, 9 * NS, 20 * NS, 31 * NS)
    assert after(9.0, 31.0, 40.0).rows == (9 * NS, 20 * NS, 31 * NS, 40 * NS)
    assert RULE.row_times(31 * NS, (9 * NS,)).tolist() == [-11 * NS, -1 * NS, 9 * NS, 31 * NS]


def test_after_a_gap_as_long_as_a_window_there_is_no_past() -> None:
    assert after(9.0, 49.0).rows == (49 * NS,)


def test_a_second_step_in_one_interval_leaves_what_is_due() -> None:
    pace = after(10.0, 11.0)
    assert (pace.due_ns, pace.rows) == (10 * NS, (0, 11 * NS))


@pytest.mark.parametrize("every_s", [9.6, 10.05, 10.4])
def test_a_loop_that_is_always_a_little_slow_or_quick_misses_no_step(every_s: float) -> None:
    pace = FIRST
    for step in range(1, 1000):
        now_ns = round(step * every_s * NS)
        assert pace.passed(now_ns, RULE) == 1
        pace = pace.after(now_ns, RULE)


def test_a_loop_that_is_half_as_quick_misses_every_other_step() -> None:
    pace, passed = FIRST, []
    for step in range(1, 100):
        passed.append(pace.passed(round(step * 15.0 * NS), RULE))
        pace = pace.after(round(step * 15.0 * NS), RULE)
    assert np.mean(passed) == pytest.approx(1.5, abs=0.1)


def every(step_s: float) -> list[Sample]:
    count = round(60.0 / step_s)
    return [Sample("y", 1.0, Quality.GOOD, round(row * step_s * NS)) for row in range(count + 1)]


@pytest.mark.parametrize(
    ("now_ns", "step_s", "found_ns"),
    [
        (60 * NS, 10.0, 60 * NS),
        (60 * NS - 1000, 10.0, 60 * NS),
        (60 * NS + 1000, 10.0, 60 * NS + 1000),
        (68 * NS, 10.0, 70 * NS),
        (68 * NS, 1.0, 68 * NS),
    ],
)
def test_rows_of_the_past_do_not_come_just_before_its_samples(
    now_ns: int, step_s: float, found_ns: int
) -> None:
    assert aligned(now_ns, every(step_s), 10 * NS) == found_ns


def test_without_samples_rows_count_from_the_present() -> None:
    assert aligned(7, [], 10 * NS) == 7
