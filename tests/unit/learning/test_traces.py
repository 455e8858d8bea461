"""What a model keeps of its log, and how it knows that log again."""

import json
import math
from dataclasses import replace

import numpy as np
import pytest
from learning_cases import INTERVAL_NS, PLANT, START_NS, record, trained

from procwm.data.series import Log, TagSeries
from procwm.data.window import WindowRule, grid
from procwm.learning.evaluation.evaluate import evaluate
from procwm.learning.evaluation.traces import share_seen, traces
from procwm.report.words import seen_before

LEARNED = record(1500).log


def seen(log: Log, learned: Log = LEARNED) -> float:
    rule = WindowRule(tags=PLANT.names, interval_s=10.0, history=8, hold_s=(30.0, math.inf, 30.0, 30.0))
    kept = json.loads(json.dumps(traces(learned, grid(learned, rule), ["LT.PV"])))
    return share_seen(kept, log, grid(log, rule).time_ns)


def rows(first: int, last: int) -> Log:
    return LEARNED.between(START_NS + first * INTERVAL_NS, START_NS + last * INTERVAL_NS)


def joined(one: TagSeries, other: TagSeries) -> TagSeries:
    return TagSeries(
        np.concatenate((one.time_ns, other.time_ns)),
        np.concatenate((one.value, other.value)),
        np.concatenate((one.quality, other.quality)),
    )


def test_a_model_knows_the_log_that_it_was_learned_from() -> None:
    assert evaluate(trained(), LEARNED).seen == 1.0


def test_another_log_of_the_same_time_is_another_log() -> None:
    assert evaluate(trained(), record(1500, seed=3).log).seen == 0.0


def test_what_a_model_was_learned_from_is_known_in_a_longer_log() -> None:
    assert seen(LEARNED, rows(0, 500)) == pytest.approx(1 / 3, abs=0.01)


def test_a_piece_between_two_kept_samples_is_known_by_its_time() -> None:
    assert seen(rows(2, 20)) == 1.0


def test_time_that_was_held_out_between_two_stretches_is_not_known() -> None:
    first, last = rows(0, 400), rows(900, 1500)
    series = {name: joined(one, last.series[name]) for name, one in first.series.items()}
    assert seen(rows(450, 850), replace(first, series=series)) == 0.0


def test_a_model_without_traces_does_not_know() -> None:
    assert math.isnan(share_seen(None, LEARNED, record(1500).time_ns))


@pytest.mark.parametrize(
    ("share", "sentence"),
    [
        (None, None),
        (math.nan, None),
        (0.0, None),
        (0.25, "25% of this log is what the model was learned from: errors there say little of another day."),
        (1.0, "This log is what the model was learned from: errors there say little of another day."),
    ],
)
def test_a_log_that_was_learned_from_is_said_to_be(share: float | None, sentence: str | None) -> None:
    assert seen_before(share) == sentence
