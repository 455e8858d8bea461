"""Samples that an instrument should not have sent."""

import numpy as np
import pytest

from procwm.data.checks.screening import Reason, Screening, flatlines, screen, spikes
from procwm.data.series import Log, TagSeries
from procwm.plant.tags import PlantSpec, Role, Tag

PLANT = PlantSpec(
    name="p",
    interval_s=1.0,
    tags=(
        Tag(name="y", role=Role.CV, range=(0.0, 10.0)),
        Tag(name="u", role=Role.MV, range=(0.0, 10.0)),
    ),
)
NOISE = 5.0 + np.random.default_rng(0).normal(0, 0.1, 2000)


def screened(y: np.ndarray, quality: np.ndarray | None = None) -> Screening:
    time_ns = np.arange(len(y), dtype=np.int64)
    good = np.zeros(len(y), dtype=np.int8)
    series = {
        "y": TagSeries(time_ns, y, good if quality is None else quality),
        "u": TagSeries(time_ns, np.full(len(y), 11.0), good),
    }
    return screen(Log(series=series, mv_names=("u",)), PLANT)


def test_a_healthy_signal_is_trusted() -> None:
    found = screened(NOISE)
    assert not any(found.masks("y")[reason].any() for reason in Reason)


def test_a_stuck_instrument_is_found() -> None:
    stuck = NOISE.copy()
    stuck[500:700] = stuck[500]
    mask = screened(stuck).masks("y")[Reason.FLATLINE]
    assert np.flatnonzero(mask).tolist() == list(range(500, 700))


@pytest.mark.parametrize(
    "signal", [np.repeat(np.arange(20.0), 100), np.round(NOISE * 2) / 2, np.full(500, 3.0), np.zeros(0)]
)
def test_steps_coarse_numbers_and_constants_are_no_flatlines(signal: np.ndarray) -> None:
    assert not flatlines(signal).any()


def test_a_spike_is_found_and_a_step_is_none() -> None:
    signal = NOISE.copy()
    signal[1000:] += 3.0
    signal[300] += 3.0
    signal[1998] -= 3.0
    assert np.flatnonzero(spikes(signal, 10.0)).tolist() == [300, 1998]
    assert not spikes(NOISE[:3], 10.0).any()


def test_values_outside_the_range_are_found_but_not_those_of_an_mv() -> None:
    found = screened(np.append(NOISE, [-1.0, 10.005, 12.0]))
    assert np.flatnonzero(found.masks("y")[Reason.RANGE]).tolist() == [2000, 2002]
    assert found.masks("u")[Reason.RANGE].sum() == 0


def test_what_is_not_trusted_is_seen_by_no_window() -> None:
    signal = NOISE.copy()
    signal[300] = 99.0
    quality = np.zeros(len(signal), dtype=np.int8)
    quality[400] = 1
    found = screened(signal, quality)
    assert found.masks("y")[Reason.QUALITY].sum() == 1
    trusted = found.trusted().series["y"].usable.time_ns
    assert sorted(set(range(2000)) - set(trusted.tolist())) == [300, 400]
    assert len(found.log.series["y"].usable) == 1999
