from pathlib import Path
from typing import Any, overload

import numpy as np
import pandas as pd
import pytest
from learning_cases import Record, record, trained

from procwm.data.series import Log, TagSeries
from procwm.errors import LogError, SpecError, TrainingError
from procwm.learning.labelled.coverage import coverage
from procwm.learning.labelled.guardrail import default_coverage, learn_guardrail
from procwm.learning.labelled.label_times import suggest_label_times
from procwm.learning.labelled.labels import Labels, labels, read_labels
from procwm.world.heads import GuardHead
from procwm.world.lineage import guardrails_told, lineage
from procwm.world.model import WorldModel

LIMIT = 5.8
"""Of the hidden level, cm."""


def _labelled(count: int, *, graded: bool = True) -> Labels:
    known = record(1500)
    times = suggest_label_times(trained(), known.log, count)
    value = known.hidden[np.searchsorted(known.time_ns, times)] - LIMIT
    return labels(times, value if graded else np.where(value > 0, 1.0, -1.0), graded=graded)


def _guarded(count: int, *, graded: bool = True) -> WorldModel:
    chosen = _labelled(count, graded=graded)
    return learn_guardrail(trained(), record(1500).log, chosen, name="hidden", coverage=0.9)


@pytest.mark.parametrize("count", [16, 32])
def test_the_stated_coverage_holds_on_another_log(count: int) -> None:
    other = Record(1200, seed=5)
    found = coverage(_guarded(count), other.log, {"hidden": other.series(other.hidden - LIMIT)})["hidden"]
    assert found.share >= 0.85
    assert min(found.by_lead.values()) >= 0.85
    assert found.unsafe > 50
    assert found.caught is not None
    assert found.caught >= 0.85


def test_the_margin_is_not_bought_with_uselessness() -> None:
    other = Record(1200, seed=5)
    model = _guarded(32)
    spread = float(other.hidden.std())
    assert 0.0 < model.guard_heads[0].margin < 0.5 * spread


def test_unsafe_and_safe_alone_are_enough() -> None:
    other = Record(1200, seed=5)
    truth = {"hidden": other.series(other.hidden - LIMIT)}
    found = coverage(_guarded(48, graded=False), other.log, truth)["hidden"]
    assert found.caught is not None
    assert found.caught >= 0.8


def test_the_latent_stays_frozen() -> None:
    guarded = _guarded(16)
    assert guarded.guard_names == ("hidden",)
    before, after = trained().state_dict(), guarded.state_dict()
    assert all(bool((after[name] == value).all()) for name, value in before.items())


def test_suggested_moments_are_different_from_each_other_and_repeatable() -> None:
    first, again = (suggest_label_times(trained(), record(1500).log, 12) for _ in range(2))
    np.testing.assert_array_equal(first, again)
    assert len(set(first.tolist())) == 12
    known = record(1500)
    chosen = known.hidden[np.searchsorted(known.time_ns, first)]
    assert np.ptp(chosen) > 0.8 * np.ptp(known.hidden)


def test_after_a_first_round_moments_near_the_limit_are_asked_for() -> None:
    known, judged = record(1500), _labelled(16)
    times = suggest_label_times(trained(), known.log, 16, judged=judged)
    assert not set(times.tolist()) & set(judged.time_ns.tolist())
    distance = np.abs(known.hidden[np.searchsorted(known.time_ns, times)] - LIMIT)
    assert distance.max() < np.quantile(np.abs(known.hidden - LIMIT), 0.25)


def test_too_few_labels_say_how_many_are_needed() -> None:
    with pytest.raises(TrainingError, match="at least 9 are needed"):
        learn_guardrail(trained(), record(1500).log, _labelled(8), name="hidden", coverage=0.95)


@pytest.mark.parametrize("coverage", [0.0, 0.5, 1.0, float("nan")])
def test_a_coverage_that_nothing_can_show_is_refused(coverage: float) -> None:
    with pytest.raises(TrainingError, match=r"must be between 0\.5 and 1"):
        learn_guardrail(trained(), record(1500).log, _labelled(16), name="hidden", coverage=coverage)


def test_the_default_coverage_is_one_that_the_labels_can_show() -> None:
    assert [default_coverage(_labelled(count)) for count in (32, 9, 8, 4)] == [0.95, 0.95, 0.9, 0.9]
    with pytest.raises(TrainingError, match="at least 4 are needed"):
        learn_guardrail(trained(), record(1500).log, _labelled(3), name="hidden")


def test_labels_that_are_all_the_same_teach_nothing() -> None:
    times = suggest_label_times(trained(), record(1500).log, 16)
    same = labels(times, np.ones(16), graded=False)
    with pytest.raises(TrainingError, match="all 16 labels are the same"):
        learn_guardrail(trained(), record(1500).log, same, name="hidden")


def test_a_label_outside_the_log_is_named_by_its_time() -> None:
    known = record(1500)
    late = labels(known.time_ns[-20:] + 3_600_000_000_000, np.linspace(-1.0, 1.0, 20))
    with pytest.raises(LogError, match=r"label at 2023-.*the log does not hold"):
        learn_guardrail(trained(), known.log, late, name="hidden")


def test_more_moments_than_the_log_has_cannot_be_suggested() -> None:
    with pytest.raises(LogError, match="usable"):
        suggest_label_times(trained(), record(150).log, 1000)


def test_coverage_of_a_guardrail_that_is_not_there_is_refused() -> None:
    with pytest.raises(LogError, match="no guardrail fire; it has none"):
        coverage(trained(), record(150).log, {"fire": record(150).series(record(150).hidden)})


def _table(path: Path, text: str) -> Path:
    path.write_text(text, encoding="utf-8")
    return path


def test_labels_are_read_from_csv_and_parquet_in_order_of_time(tmp_path: Path) -> None:
    text = "time,value\n2026-01-01T00:01:00Z,0.5\n2026-01-01T01:00:00+01:00,-1\n"
    read = read_labels(_table(tmp_path / "labels.csv", text))
    start = pd.Timestamp("2026-01-01T00:00:00Z").as_unit("ns").value
    assert read.time_ns.tolist() == [start, start + 60_000_000_000]
    assert read.value.tolist() == [-1.0, 0.5]
    assert read.graded
    saved = text.replace(",", ";").replace("0.5", "0,5")  # as a spreadsheet does where decimals have commas
    assert read_labels(_table(tmp_path / "saved.csv", saved)).value.tolist() == [-1.0, 0.5]
    frame = pd.DataFrame({"time": pd.to_datetime(["2026-01-01T00:00:00Z"]), "unsafe": [True]})
    frame.to_parquet(tmp_path / "labels.parquet")
    unsafe = read_labels(tmp_path / "labels.parquet")
    assert (unsafe.time_ns.tolist(), unsafe.value.tolist(), unsafe.graded) == ([start], [1.0], False)


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (
            "time,value\n2026-01-01,high\n",
            "line 2: column value holds the text 'high' where a number belongs",
        ),
        ("time,value\n2026-01-01,inf\n", "must be a finite number"),
        ("time,value\n2026-01-01,\n", "line 2: value is blank; it must be a number"),
        (
            "time;value\n03.04.2026 12:00;1,5\n",
            "line 2: column time is '03.04.2026 12:00'; a time is written as",
        ),
        ("time,unsafe\n2026-01-01,maybe\n", "line 2: unsafe is 'maybe'"),
        ("time,value\nyesterday noon,1\n", "line 2: column time is 'yesterday noon'"),
        ("time,value\n,1\n", "line 2: column time is blank"),
        ("when,value\n2026-01-01,1\n", "need a column time and one of value and unsafe"),
        ("time,value,unsafe\n2026-01-01,1,1\n", "one of value and unsafe"),
        ("time,value\n", "a header and no rows"),
        ("", "the file is empty"),
        ("time,value\n2026-01-01,1\n2026-01-01,2\n", "labelled twice"),
    ],
)
def test_a_wrong_label_file_is_told_by_file_and_row(tmp_path: Path, text: str, sentence: str) -> None:
    with pytest.raises(LogError, match=sentence):
        read_labels(_table(tmp_path / "labels.csv", text))


def test_a_label_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(LogError, match=r"labels\.csv: cannot be read: no such file"):
        read_labels(tmp_path / "labels.csv")


@overload
def _later(known: Log) -> Log: ...
@overload
def _later(known: Labels) -> Labels: ...
def _later(known: Log | Labels) -> Log | Labels:
    """The same 40 days later."""
    shift_ns = 40 * 86_400 * 10**9
    if isinstance(known, Labels):
        return labels(known.time_ns + shift_ns, known.value, graded=known.graded)
    series = {
        name: TagSeries(one.time_ns + shift_ns, one.value, one.quality) for name, one in known.series.items()
    }
    return Log(series=series, mv_names=known.mv_names)


def test_a_guardrail_is_replaced_only_where_that_is_said_and_the_old_one_stays_in_the_lineage() -> None:
    model, log, chosen = _guarded(32), record(1500).log, _labelled(32)
    with pytest.raises(TrainingError, match="the model has a guardrail of this name"):
        learn_guardrail(model, log, chosen, name="hidden", coverage=0.9)
    again = learn_guardrail(model, log, chosen, name="hidden", coverage=0.9, replace=True, by="ann")
    old, new = lineage(again)
    assert (len(again.guard_names), len(old["labels"]), new["by"]) == (1, 32, "ann")
    assert "replaced" in old
    assert "replaced" not in new
    (told,) = guardrails_told(again)
    assert told.startswith("hidden (margin ")
    assert told.endswith(f"from 32 labels by ann at {new['at']})")


def test_a_weaker_guardrail_does_not_take_the_place_of_another_unless_that_is_said() -> None:
    model, log, chosen = _guarded(32), record(1500).log, _labelled(32)
    lenient = labels(chosen.time_ns, chosen.value - 3.0, graded=True)

    def replaced(judged: Labels, **options: Any) -> WorldModel:
        return learn_guardrail(model, log, judged, name="hidden", replace=True, **options)

    with pytest.raises(TrainingError, match=r"weaker than the guardrail that it replaces: of \d+ remembered"):
        replaced(lenient, coverage=0.9)
    with pytest.raises(TrainingError, match=r"a coverage of 0.8 in place of 0.9"):
        replaced(chosen, coverage=0.8)
    assert replaced(lenient, coverage=0.9, weaker=True).guard_names == ("hidden",)
    with pytest.raises(TrainingError, match="nobody can tell whether the new one is weaker"):
        learn_guardrail(model, _later(log), _later(chosen), name="hidden", coverage=0.9, replace=True)


@pytest.mark.parametrize("margin", [float("nan"), float("inf"), float("-inf")])
def test_a_margin_that_is_no_number_is_refused(margin: float) -> None:
    head = _guarded(16).guard_heads[0]
    with pytest.raises(SpecError, match="hidden: its margin is"):
        GuardHead(name="hidden", network=head.network, margin=margin, coverage=0.9)
