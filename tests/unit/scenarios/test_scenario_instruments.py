"""Instruments: noise, quantisation, dead time, cycles, failures, frozen readings, sticking valves."""

from collections import Counter
from itertools import pairwise

import numpy as np
import pytest

from procwm.errors import SpecError
from procwm.plant.samples import Quality, Sample
from procwm.plant.tags import Role, Tag
from procwm_scenarios.instruments import Instrument, Stiction, Transmitter

TAG = Tag(name="LT1.PV", role=Role.CV, unit="cm", range=(0.0, 20.0), limits=(1.0, 19.0))


def transmitter(instrument: Instrument, *, noise: bool = True) -> Transmitter:
    return Transmitter(TAG, instrument, interval_s=10.0, rng=np.random.default_rng(0), noise=noise)


def readings(instrument: Instrument, values: list[float], *, noise: bool = True) -> list[Sample | None]:
    running = transmitter(instrument, noise=noise)
    return [running.read(value, tick) for tick, value in enumerate(values)]


def test_noise_has_the_stated_standard_deviation() -> None:
    values = [s.value for s in readings(Instrument(noise_sd=0.1), [10.0] * 4000) if s is not None]
    assert np.std(values) == pytest.approx(0.1, rel=0.05)
    assert np.mean(values) == pytest.approx(10.0, abs=0.01)


def test_readings_are_multiples_of_the_resolution() -> None:
    for sample in readings(Instrument(noise_sd=0.1, resolution=0.25), [10.1] * 50):
        assert sample is not None
        assert sample.value / 0.25 == pytest.approx(round(sample.value / 0.25))


def test_a_reading_never_leaves_the_range() -> None:
    high, low = readings(Instrument(), [35.0, -3.0])
    assert high is not None
    assert low is not None
    assert (high.value, low.value) == (20.0, 0.0)


def test_dead_time_delays_the_reading() -> None:
    seen = readings(Instrument(dead_time_s=20.0), [1.0, 2.0, 3.0, 4.0])
    assert [s.value for s in seen if s is not None] == [1.0, 1.0, 1.0, 2.0]


def test_an_analyser_reports_once_a_cycle_what_it_sampled_a_dead_time_before() -> None:
    seen = readings(Instrument(dead_time_s=10.0, cycle_s=30.0), [float(v) for v in range(7)])
    assert [None if s is None else s.value for s in seen] == [0.0, None, None, 2.0, None, None, 5.0]


def test_a_dead_time_that_is_no_whole_count_of_intervals_is_refused() -> None:
    with pytest.raises(SpecError, match=r"LT1\.PV: dead_time_s is 15\.0 s; it must be a multiple of 10\.0 s"):
        transmitter(Instrument(dead_time_s=15.0))


def test_failures_are_bursts_of_missing_bad_or_uncertain_readings() -> None:
    seen = readings(Instrument(noise_sd=0.01, failures_per_day=40.0, failure_s=60.0), [10.0] * 20_000)
    kinds = Counter("missing" if s is None else str(s.quality) for s in seen)
    assert all(kinds[kind] > 50 for kind in ("missing", "Bad", "Uncertain"))
    failed = sum(count for kind, count in kinds.items() if kind != "Good") / len(seen)
    assert failed == pytest.approx(40.0 * 60.0 / 86_400.0, rel=0.4)


def test_a_bad_reading_shows_a_broken_loop() -> None:
    seen = readings(Instrument(failures_per_day=400.0), [10.0] * 2000)
    assert {s.value for s in seen if s is not None and s.quality is Quality.BAD} == {0.0}


def test_a_frozen_reading_keeps_its_value_and_calls_itself_good() -> None:
    seen = readings(Instrument(sticks_per_day=800.0, stick_s=300.0), [float(v % 20) for v in range(400)])
    values = [s.value for s in seen if s is not None]
    assert all(s is not None and s.quality is Quality.GOOD for s in seen)
    assert sum(a == b for a, b in pairwise(values)) > 50


def test_without_noise_a_reading_is_the_truth_but_dead_time_stays() -> None:
    instrument = Instrument(noise_sd=1.0, resolution=5.0, dead_time_s=10.0, failures_per_day=800.0)
    seen = readings(instrument, [1.2, 3.4, 5.6], noise=False)
    assert [s.value for s in seen if s is not None] == [1.2, 1.2, 3.4]


def test_a_sticking_valve_ignores_small_moves() -> None:
    valve = Stiction(band=0.5)
    assert valve.follow(3.0, 3.4, 0.0) == 3.0
    assert valve.follow(3.0, 3.6, 0.0) == 3.6
