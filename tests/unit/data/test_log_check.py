"""What `check_log` says about a log."""

from dataclasses import replace

import numpy as np
import pytest

from procwm.data.checks.check import Finding, Severity, check_log, check_plant
from procwm.data.series import Log, TagSeries
from procwm.plant.tags import PlantSpec, Role, Tag

NS = 1_000_000_000
PLANT = PlantSpec(
    name="p",
    interval_s=1.0,
    tags=(
        Tag(name="y", role=Role.CV, range=(0.0, 10.0)),
        Tag(name="x", role=Role.PV, range=(0.0, 10.0)),
        Tag(name="u", role=Role.MV, range=(0.0, 10.0)),
    ),
)
RANDOM = np.random.default_rng(0)
HEALTHY = {
    "y": 5.0 + RANDOM.normal(0, 0.2, 1000),
    "x": 5.0 + RANDOM.normal(0, 0.2, 1000),
    "u": np.repeat(RANDOM.uniform(1, 9, 40), 25),
}
SECONDS = np.arange(1000)


def findings(
    *, seconds: np.ndarray = SECONDS, ignored: tuple[str, ...] = (), bad: int = 0, **change: np.ndarray
) -> list[Finding]:
    quality = np.zeros(1000, dtype=np.int8)
    quality[:bad] = 2
    series = {
        name: TagSeries(
            seconds.astype(np.int64) * NS, value, quality if name == "y" else np.zeros(1000, dtype=np.int8)
        )
        for name, value in (HEALTHY | change).items()
    }
    return check_log(PLANT, Log(series=series, mv_names=("u",), ignored=ignored, duplicates=3))


def test_a_healthy_log_raises_no_warning() -> None:
    found = findings()
    assert {finding.severity for finding in found} == {Severity.NOTE}
    assert "3 repeated samples were dropped" in [finding.sentence for finding in found]


def test_a_frozen_mv_comes_first() -> None:
    first = findings(u=np.full(1000, 3.0), bad=100)[0]
    assert (first.severity, first.tag) == (Severity.ERROR, "u")
    assert first.sentence == "u never moves in this log: its effect cannot be identified"


def test_a_cv_that_never_changes_is_an_error() -> None:
    assert findings(y=np.full(1000, 3.0))[0].sentence == (
        "y never changes in this log: nothing can be learned about it"
    )
    assert findings(x=np.full(1000, 3.0))[0].severity is Severity.WARNING


@pytest.mark.parametrize(
    ("change", "severity", "sentence"),
    [
        (
            {"bad": 100},
            Severity.WARNING,
            "y: 100 samples (10.0%): quality is not Good, first at 1970-01-01T00:00:00Z",
        ),
        ({"bad": 100}, Severity.WARNING, "y has no fresh Good sample in 10.0% of the control intervals"),
        ({"bad": 1}, Severity.NOTE, "y: 1 samples (0.1%): quality is not Good"),
        ({"y": HEALTHY["y"] + 5.0}, Severity.WARNING, "outside the instrument's range"),
        (
            {"y": HEALTHY["y"] + 273.15},
            Severity.ERROR,
            "y: 1000 samples (100.0%): outside the instrument's range",
        ),
        ({"seconds": SECONDS * 20}, Severity.NOTE, "y is sampled every 20 s, the control interval is 1 s"),
        (
            {"seconds": SECONDS + 5000 * (SECONDS > 600)},
            Severity.NOTE,
            "1 gap without any measurement; the longest is 4991 s from 1970-01-01T00:10:10Z",
        ),
        (
            {"ignored": ("note", "")},
            Severity.NOTE,
            "ignored, because the plant file does not name them: note, one without a heading",
        ),
    ],
)
def test_what_is_wrong_is_said(change: dict[str, object], severity: Severity, sentence: str) -> None:
    found = [finding for finding in findings(**change) if sentence in finding.sentence]  # type: ignore[arg-type]
    assert [finding.severity for finding in found] == [severity]


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        (200, "the log is short: 200 control intervals of 1 s"),
        (
            100,
            "the log is too short: without its last fifth, 100 control intervals hold fewer than 64 moments",
        ),
    ],
)
def test_a_short_log_is_called_short_and_one_that_training_refuses_too_short(
    rows: int, sentence: str
) -> None:
    log = Log(
        series={
            name: TagSeries(np.arange(rows, dtype=np.int64) * NS, value[:rows], np.zeros(rows, dtype=np.int8))
            for name, value in HEALTHY.items()
        },
        mv_names=("u",),
    )
    sentences = [finding.sentence for finding in check_log(PLANT, log)]
    assert any(found.startswith(sentence) for found in sentences)


def test_a_target_where_limits_do_not_let_a_cv_be_is_told() -> None:
    def told(**keys: object) -> list[str]:
        cv = Tag(name="y", role=Role.CV, range=(0.0, 10.0), limits=(2.0, 8.0), **keys)  # type: ignore[arg-type]
        return [finding.sentence for finding in check_plant(replace(PLANT, tags=(cv, *PLANT.tags[1:])))]

    assert told(setpoint=9.0) == ["y: setpoint 9 is outside limits [2, 8], which go first"]
    assert told(zone=(1.0, 8.0)) == ["y: zone from 1 is outside limits [2, 8], which go first"]
    assert told(setpoint=8.0, zone=(2.0, 3.0)) == []


def test_a_cv_of_which_nothing_is_asked_is_told() -> None:
    told = [finding.sentence for finding in check_plant(PLANT)]
    assert told == [
        "y has no setpoint, zone, limits or price: it is predicted, and held nowhere until a "
        "setpoint or zone is given"
    ]
