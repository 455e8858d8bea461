"""What a plant does while it is shut down is neither learned nor scored."""

from dataclasses import replace

import numpy as np
import pytest
from learning_cases import INTERVAL_NS, PLANT, QUICK, Record, record, trained

from procwm.data.checks.check import check_log
from procwm.data.checks.shutdown import running, shut_down
from procwm.data.series import Log, TagSeries
from procwm.data.window import grid
from procwm.errors import LogError
from procwm.learning.evaluation.evaluate import evaluate
from procwm.learning.identification.preparation import prepare
from procwm.learning.labelled.guardrail import learn_guardrail
from procwm.learning.labelled.label_times import suggest_label_times
from procwm.learning.labelled.labels import labels

ROWS = 1500
STOPPED = range(600, 760)


def stopped(rows: range = STOPPED, *, at: float = 0.0, cold: float = 0.0) -> Log:
    """A log with the pump, of 1 to 9 V, at another voltage for some `rows`, and the level gone by `cold`."""
    whole = Record(ROWS, seed=5)
    series = dict(whole.log.series)
    for name, values in (("P.SP", at), ("LT.PV", cold), ("PT.PV", cold)):
        found = series[name]
        value = found.value.copy()
        # An MV is in force from one row to the next; what it does is seen at the end.
        late = 0 if name == "P.SP" else 1
        value[rows.start + late : rows.stop + late] = values
        series[name] = TagSeries(found.time_ns, value, found.quality)
    return replace(whole.log, series=series)


def test_rows_with_an_mv_far_outside_its_limits_are_left_out_and_time_jumps() -> None:
    log = stopped()
    rows = running(log, PLANT, trained().rule)
    assert len(rows) == ROWS - len(STOPPED)
    assert sorted(set(np.diff(rows.time_ns))) == [INTERVAL_NS, INTERVAL_NS * (len(STOPPED) + 1)]
    assert np.nanmin(rows.column("P.SP")) > 1.0


@pytest.mark.parametrize(
    ("rows", "at"),
    [(STOPPED, 0.5), (range(600, 615), 0.0), (range(600, 600 + ROWS // 3), 0.0)],
    ids=["hardly beyond", "soon over", "a third of the log"],
)
def test_what_is_hardly_beyond_soon_over_or_usual_is_no_shutdown(rows: range, at: float) -> None:
    assert not shut_down(grid(stopped(rows, at=at), trained().rule), PLANT).any()


def test_a_shutdown_is_not_learned_and_is_told() -> None:
    prepared = prepare(PLANT, stopped(), QUICK)
    assert prepared.notes[0].startswith("0.444 h (10.7%) are left out as a shutdown, with an MV far outside")
    part = prepared.whole.part
    reached = part.grid.time_ns[part.moments.numpy() + prepared.whole.horizon]
    looked_back = part.grid.time_ns[part.moments.numpy() + 1 - prepared.whole.rule.history]
    first, last = (record(ROWS).time_ns[row] for row in (STOPPED.start, STOPPED.stop))
    assert ((reached <= first) | (looked_back > last)).all()


def test_a_shutdown_does_not_decide_how_good_a_model_is() -> None:
    found, usual = (evaluate(trained(), log) for log in (stopped(), Record(ROWS, seed=5).log))
    assert found.verdict.fitness is usual.verdict.fitness
    assert found.nrmse[8] == pytest.approx(usual.nrmse[8], rel=0.1)


def test_nobody_is_asked_to_judge_a_shutdown_and_a_label_in_one_is_refused() -> None:
    log = stopped(cold=30.0)
    first, last = (int(record(ROWS).time_ns[row]) for row in (STOPPED.start, STOPPED.stop))
    asked = suggest_label_times(trained(), log, 40)
    assert ((asked <= first) | (asked > last)).all()
    judged = labels(np.append(asked, (first + last) // 2), np.linspace(-1.0, 1.0, 41))
    with pytest.raises(LogError, match="without a gap or a shutdown"):
        learn_guardrail(trained(), log, judged, name="too cold")


def test_check_says_what_is_left_out() -> None:
    sentences = [finding.sentence for finding in check_log(PLANT, stopped())]
    assert any("are left out as a shutdown" in sentence for sentence in sentences)
    assert not any("shutdown" in finding.sentence for finding in check_log(PLANT, record(ROWS).log))
