"""Logs as values."""

import pytest

from procwm.data.series import Log
from procwm.errors import LogError, SpecError
from procwm.plant.samples import Quality, Sample
from procwm.plant.tags import PlantSpec, Role, Tag

HOUR = 3_600_000_000_000
PLANT = PlantSpec(
    name="p",
    interval_s=1.0,
    tags=(Tag(name="y", role=Role.CV, range=(0.0, 10.0)), Tag(name="u", role=Role.MV, range=(0.0, 10.0))),
)
SAMPLES = [Sample(tag, float(hour), Quality.GOOD, hour * HOUR) for hour in range(4) for tag in ("y", "u")]


def test_a_log_has_the_samples_it_was_made_of() -> None:
    log = Log.from_samples(reversed(SAMPLES), PLANT)
    assert log.samples() == SAMPLES
    assert (log.start_ns, log.end_ns, log.hours, log.mv_names) == (0, 3 * HOUR, 3.0, ("u",))


def test_a_stretch_includes_its_start_and_not_its_end() -> None:
    log = Log.from_samples(SAMPLES, PLANT)
    assert log.between(HOUR, 3 * HOUR).series["y"].value.tolist() == [1.0, 2.0]
    with pytest.raises(LogError, match="holds no sample"):
        log.between(9 * HOUR, 10 * HOUR)


def test_the_identity_of_a_log_is_that_of_its_samples() -> None:
    log = Log.from_samples(SAMPLES, PLANT)
    assert log.identity == Log.from_samples(sorted(SAMPLES, key=lambda s: s.tag), PLANT).identity
    assert log.identity != log.between(0, 3 * HOUR).identity
    worse = [*SAMPLES[:-1], Sample("u", 3.0, Quality.UNCERTAIN, 3 * HOUR)]
    assert log.identity != Log.from_samples(worse, PLANT).identity


def test_a_sample_of_an_unknown_tag_is_refused() -> None:
    with pytest.raises(SpecError, match="no tag z"):
        Log.from_samples([Sample("z", 1.0, Quality.GOOD, 0)], PLANT)


def test_of_several_samples_at_one_time_the_last_good_one_counts() -> None:
    received = [
        Sample("y", 1.0, Quality.GOOD, 0),
        Sample("y", 2.0, Quality.GOOD, 0),
        Sample("y", 3.0, Quality.BAD, 0),
    ]
    assert Log.from_samples(received, PLANT).samples() == [received[1]]
