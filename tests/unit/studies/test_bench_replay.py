"""The long log that the replay is measured on."""

import numpy as np
from learning_cases import INTERVAL_NS, record

from procwm_studies.runtime.replay import repeated


def test_a_log_is_repeated_without_a_gap_or_an_overlap() -> None:
    log = record(150).log
    long = repeated(log, hours=2.0, interval_s=10.0)
    level, once = long.series["LT.PV"], log.series["LT.PV"]
    assert len(level) == 720
    assert set(np.diff(level.time_ns).tolist()) == {INTERVAL_NS}
    np.testing.assert_array_equal(level.value[150:300], once.value)
    assert long.hours <= 2.0


def test_a_log_that_is_long_enough_is_cut() -> None:
    log = record(150).log
    short = repeated(log, hours=0.1, interval_s=10.0)
    assert len(short.series["LT.PV"]) == 36
