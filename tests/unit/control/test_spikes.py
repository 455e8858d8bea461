"""A leap of one sample waits for the next one: a step passes whole, a spike is no value."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from linear_loop import HISTORY, INTERVAL_NS, LinearPlant, Loop, model_of, plant_spec

from procwm.control.controller import Controller
from procwm.control.spikes import NONE_RECENT, NONE_WITHHELD, settled
from procwm.data.window import WindowRule
from procwm.plant.samples import Quality, Sample

PLANT = plant_spec()
RULE = WindowRule(
    tags=PLANT.names, interval_s=PLANT.interval_s, history=HISTORY, hold_s=(30.0,) * len(PLANT.names)
)


def believed(values: Sequence[float], rule: WindowRule = RULE, every: int = 1) -> list[list[float]]:
    """Good values of L1 that pass at every tick, of `values` that come at every so many of them."""
    recent, withheld = NONE_RECENT, NONE_WITHHELD
    found = []
    for tick in range(every * len(values)):
        now_ns = tick * INTERVAL_NS
        arrived = [] if tick % every else [Sample("L1", values[tick // every], Quality.GOOD, now_ns)]
        passed, recent, withheld, _ = settled(arrived, PLANT, rule, recent, withheld, now_ns)
        found.append([sample.value for sample in passed if sample.quality is Quality.GOOD])
    return found


QUIET = [50.0 + 0.2 * (-1.0) ** k for k in range(20)]


def test_a_spike_of_one_sample_is_no_value() -> None:
    found = believed([*QUIET, 80.0, 50.1, 50.0])
    assert found[20:] == [[], [50.1], [50.0]]


def test_a_step_passes_whole_a_sample_late() -> None:
    found = believed([*QUIET, 80.0, 80.2, 80.1])
    assert found[20:] == [[], [80.0, 80.2], [80.1]]


def test_two_spikes_in_a_row_either_way_are_no_step_back() -> None:
    found = believed([*QUIET, 80.0, 20.0, 50.0])
    assert 80.0 not in [value for tick in found for value in tick]


def test_what_moves_as_it_always_did_is_never_held_back() -> None:
    rng = np.random.default_rng(0)
    noisy = (50.0 + rng.standard_normal(500)).tolist()
    ramp = [50.0 + 0.5 * k for k in range(80)]
    for values in (noisy, ramp):
        assert all(len(tick) == 1 for tick in believed(values))


def test_a_tag_that_reports_by_exception_or_after_a_gap_is_believed_at_once() -> None:
    found = believed([*QUIET, 80.0], every=4)
    assert found[80] == [80.0]


def test_a_slow_analyser_is_believed_when_its_next_sample_is_due_and_does_not_come() -> None:
    due = replace(RULE, due_s=tuple(60.0 if name == "L1" else np.inf for name in PLANT.names))
    found = believed([*QUIET, 80.0, 50.1], due, every=4)
    assert found[80:85] == [[], [], [], [], [50.1]]
    silent = believed([*QUIET, 80.0], replace(due, due_s=(30.0,) * len(PLANT.names)), every=4)
    assert silent[80:84] == [[], [], [], [80.0]]


def test_a_leap_that_counts_because_no_other_sample_has_come_is_told_twice() -> None:
    rule = replace(RULE, due_s=(30.0,) * len(PLANT.names))
    quiet = [Sample("L1", value, Quality.GOOD, k * INTERVAL_NS) for k, value in enumerate(QUIET)]
    leap = Sample("L1", 80.0, Quality.GOOD, len(QUIET) * INTERVAL_NS)
    _, recent, withheld, told = settled(
        [*quiet, leap], PLANT, rule, NONE_RECENT, NONE_WITHHELD, leap.source_ns
    )
    assert told == ("L1: leaps to 80 %; it waits for the next sample",)
    for late in (1, 2, 3, 4):
        passed, recent, withheld, told = settled(
            [], PLANT, rule, recent, withheld, leap.source_ns + late * INTERVAL_NS
        )
        assert (passed == (leap,)) == bool(told) == (late == 3)
        if told:
            assert told == ("L1: no other sample has come although one was due; 80 % counts from now on",)


@pytest.mark.parametrize(
    "sample", [Sample("V1", 90.0, Quality.GOOD, 30), Sample("L1", 90.0, Quality.BAD, 30)]
)
def test_an_mv_and_what_is_bad_anyway_pass(sample: Sample) -> None:
    quiet = [Sample(sample.tag, value, Quality.GOOD, number) for number, value in enumerate(QUIET)]
    passed, *_ = settled([*quiet, sample], PLANT, RULE, NONE_RECENT, NONE_WITHHELD, 30)
    assert passed[-1] == sample


def test_a_spike_moves_no_mv() -> None:
    def spiked(tick: int, samples: list[Sample]) -> list[Sample]:
        return [replace(s, value=90.0) if s.tag == "L1" and tick == 30 else s for s in samples]

    def moves(plant: LinearPlant) -> np.ndarray:
        Loop(plant, Controller(PLANT, model_of(PLANT), deadline_s=60.0)).run(40)
        return np.array(plant.moves)

    quiet, kicked = moves(LinearPlant(PLANT)), moves(LinearPlant(PLANT, change=spiked))
    assert np.abs(kicked - quiet).max() < 0.5
