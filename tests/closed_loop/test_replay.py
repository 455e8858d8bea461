"""A log replayed: the same decisions as live, and predictions that come true."""

import json
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hand_clock import HandClock
from linear_loop import HISTORY, INTERVAL_NS, START_NS, LinearPlant, model_of, plant_spec

from procwm.control.controller import Controller
from procwm.control.modes import Mode
from procwm.data.series import Log
from procwm.data.window import grid
from procwm.errors import LinkError, LogError, SpecError
from procwm.learning.calibration.surprise_limits import learned_surprise
from procwm.learning.evaluation.error_differences import ErrorDifference
from procwm.plant.link import Clock, PlantLink
from procwm.plant.samples import Sample
from procwm.report.replay_page import build_replay_report
from procwm.runtime.cycle import Cycle
from procwm.runtime.hindcast import hindcast
from procwm.runtime.loop import run
from procwm.runtime.replay import LogPlant, ReplayResult, replay
from procwm.runtime.replay_table import replay_table
from procwm.world.fitness import Fitness, Verdict
from procwm.world.model import WorldModel

ROWS = 70
JUDGED: dict[str, Any] = {
    "scores": {"nrmse": {"1": 0.1}, "linear": {"1": 0.2}},
    "beside": {"linear": ErrorDifference(difference=-0.1, chance=0.02)},
    "verdict": Verdict(fitness=Fitness.CONTROL, reason="it foresees well", next="run it"),
}
"""A model that is fit for control, as its report wants to have it."""


def operated(rows: int = ROWS, *, noise: float = 0.0, load_from: int = 10**6, gap: range = range(0)) -> Log:
    """A log of operators moving both valves now and then."""
    rng = np.random.default_rng(3)
    plant = LinearPlant(
        plant_spec(), noise=noise, load=lambda tick: (3.0, 0.0) if tick >= load_from else (0.0, 0.0)
    )
    samples: list[Sample] = []
    for tick in range(rows):
        if tick not in gap:
            samples += plant.drain()
        plant.drain()
        if tick % 8 == 0:
            plant.enter({"V1": 50.0 + rng.uniform(-8, 8), "V2": 50.0 + rng.uniform(-8, 8)})
        plant.advance()
    return Log.from_samples(samples, plant_spec())


def surprised_model() -> WorldModel:
    """The exact model, which knows the errors of an ordinary log."""
    model = model_of(plant_spec())
    rows = grid(operated(400, noise=0.05), model.rule)
    return model.with_calibration(surprise=learned_surprise(model, rows, rows, model, rows))


@pytest.fixture(scope="module")
def result() -> ReplayResult:
    return replay(model_of(plant_spec()), operated(), decisions=6)


def test_an_exact_model_predicts_every_row_at_every_lead(result: ReplayResult) -> None:
    for lead, predicted in result.predicted.items():
        known = np.isfinite(predicted[:, 0])
        assert known.sum() == ROWS - (HISTORY - 1) - lead
        np.testing.assert_allclose(predicted[known], result.output[known], atol=1e-9)
    assert set(result.predicted) == {1, 5, 10}


def test_decisions_are_spread_over_the_log_and_stand_in_their_rows(result: ReplayResult) -> None:
    assert len(result.decisions) == 6
    rows = np.flatnonzero(np.isfinite(result.suggested_mv[:, 0]))
    assert rows.tolist() == [5, 18, 31, 43, 56, 69]
    assert [d.time_ns for d in result.decisions] == result.grid.time_ns[rows].tolist()
    assert all(d.setpoints is None for d in result.decisions)


async def test_a_replayed_decision_is_the_one_made_live() -> None:
    spec, log = plant_spec(), operated(45, noise=0.1)
    model = model_of(spec)
    live: dict[int, Cycle] = {}
    past = LogPlant(spec, log, model.rule)
    controller = Controller(spec, model, mode=Mode.SHADOW, clock=HandClock())
    await run(past, past, controller, on_cycle=lambda cycle: live.__setitem__(cycle.time_ns, cycle))
    for decision in replay(model, log, decisions=4, controller=controller).decisions[1:]:
        then = live[decision.time_ns].decision
        assert decision.proposed is not None
        assert then.proposed is not None
        # A replayed controller has looked back on less of the log.
        np.testing.assert_allclose(then.bias, decision.bias, atol=1e-4)
        for name, value in decision.proposed.items():
            assert then.proposed[name] == pytest.approx(value, abs=1e-3)


@pytest.mark.parametrize("count", [1, 3, 12, 60])
def test_a_decision_does_not_depend_on_how_many_others_are_made(count: int) -> None:
    log, model = operated(noise=0.3, load_from=30), model_of(plant_spec())
    all_of_them = {decision.time_ns: decision for decision in replay(model, log, decisions=10**6).decisions}
    for decision in replay(model, log, decisions=count).decisions:
        other = all_of_them[decision.time_ns].proposed
        assert decision.proposed == pytest.approx(other, abs=1e-9)


def test_a_stretch_that_surprises_is_listed_with_the_tag_that_told_most_of_it() -> None:
    result = replay(surprised_model(), operated(noise=0.05, load_from=60), decisions=0)
    (stretch,) = result.surprised_stretches
    assert stretch.peak == np.nanmax(result.surprise)
    assert result.grid.time_ns[59] <= stretch.start_ns < stretch.end_ns == result.grid.time_ns[-1]
    # The load acts on the first CV alone.
    assert stretch.tag == plant_spec().cvs[0].name
    document = build_replay_report(plant_spec(), result, **JUDGED, instruments=["FT9 is stuck"])
    assert "most of it in" in document
    assert "FT9 is stuck" in document


def test_a_load_surprises_the_model() -> None:
    result = replay(surprised_model(), operated(noise=0.05, load_from=60), decisions=0)
    assert np.nanmax(result.surprise[:60]) < 1.0
    assert np.nanmin(result.surprise[66:]) > 5.0
    assert result.surprised == pytest.approx(np.mean(result.surprise[np.isfinite(result.surprise)] > 1.0))


def test_a_model_that_knows_no_ordinary_time_is_never_surprised(result: ReplayResult) -> None:
    assert np.isnan(result.surprise).all()
    assert np.isnan(result.surprised)


async def test_the_surprise_of_a_live_cycle_is_the_one_replayed_and_moves_nothing() -> None:
    spec, log, told = plant_spec(), operated(45, noise=0.05, load_from=35), []
    model = surprised_model()
    for each in (model, model_of(spec)):
        live: list[Cycle] = []
        past = LogPlant(spec, log, each.rule)
        controller = Controller(spec, each, mode=Mode.SHADOW, clock=HandClock())
        await run(past, past, controller, on_cycle=live.append)
        told.append([cycle.decision for cycle in live])
    found = np.array([decision.surprise for decision in told[0]])
    both = np.isfinite(found) & np.isfinite(replayed := replay(model, log, decisions=0).surprise)
    # Live, a window that is nearly full is looked at as well: the first rows of a log know more there.
    both[: HISTORY + model.horizon] = False
    assert both.sum() > 20
    np.testing.assert_allclose(found[both], replayed[both], rtol=1e-6)
    assert any("the model is surprised" in note for note in told[0][-1].notes)
    assert not any("surprised" in note for decision in told[0][:30] for note in decision.notes)
    for surprised, other in zip(*told, strict=True):
        assert (surprised.proposed or {}) == pytest.approx(other.proposed or {}, abs=1e-9)


def test_nothing_is_predicted_across_a_gap() -> None:
    log, model = operated(gap=range(30, 40)), model_of(plant_spec())
    rows = grid(log, model.rule)
    predicted = hindcast(model, rows, [5]).predicted[5]
    after = int(np.flatnonzero(np.diff(rows.time_ns) != INTERVAL_NS)[0]) + 1
    assert np.isnan(predicted[after : after + HISTORY + 4]).all()
    assert np.isfinite(predicted[after + HISTORY + 4]).all()


def test_a_surprise_of_every_second_row_is_drawn_as_a_line_that_ends_at_a_pause(
    result: ReplayResult,
) -> None:
    surprise = np.full(ROWS, np.nan)
    surprise[10:30:2] = surprise[50::2] = 0.5
    document = build_replay_report(plant_spec(), replace(result, surprise=surprise), **JUDGED)
    lines = [
        line
        for text in re.findall(r"<script type=application/json[^>]*>(.*?)</script>", document)
        for line in json.loads(text)["data"]
        if line["name"] == "surprise"
    ]
    assert lines[0]["y"] == [0.5] * 10 + [None] + [0.5] * 10


def test_the_report_of_a_log_that_taught_the_model_says_so_before_anything_else(result: ReplayResult) -> None:
    document = build_replay_report(plant_spec(), result, **JUDGED, seen=1.0)
    assert document.index("This log is what the model was learned from") < document.index(
        "Nothing was written"
    )


def test_moves_suggested_by_an_unfit_model_are_marked_as_such(result: ReplayResult) -> None:
    unfit = Verdict(fitness=Fitness.NOTHING, reason="it ignores the MVs", next="train again")
    document = build_replay_report(plant_spec(), result, **JUDGED | {"verdict": unfit})
    assert "The model is not fit for anything: it ignores the MVs" in document
    assert '"suggested by a model that is not fit"' in document
    fit = build_replay_report(plant_spec(), result, **JUDGED)
    assert "class=warning" not in fit
    assert '"suggested"' in fit


def test_progress_reaches_one() -> None:
    shares: list[float] = []
    replay(model_of(plant_spec()), operated(30), decisions=2, on_progress=shares.append)
    assert shares == sorted(shares)
    assert shares[-1] == 1.0


def test_a_controller_that_would_write_is_refused() -> None:
    spec = plant_spec()
    model = model_of(spec)
    with pytest.raises(SpecError, match="cannot be replayed in mode auto"):
        replay(model, operated(20), controller=Controller(spec, model))


def test_a_log_too_short_for_the_longest_lead_is_replayed_at_the_others() -> None:
    short = replay(model_of(plant_spec()), operated(HISTORY + 6), decisions=1)
    assert np.isfinite(short.predicted[5]).any()
    assert np.isnan(short.predicted[10]).all()
    assert np.isnan(short.half_width).all()


def test_a_log_too_short_for_a_window_is_refused() -> None:
    with pytest.raises(LogError, match="the log has no 6 rows in a row"):
        replay(model_of(plant_spec()), operated(4))


async def test_a_log_takes_no_setpoints() -> None:
    past = LogPlant(plant_spec(), operated(10), model_of(plant_spec()).rule)
    with pytest.raises(LinkError, match="a log takes no setpoints"):
        await past.write({"V1": 50.0})


async def test_a_log_is_a_link_and_a_clock_and_never_tells_the_future() -> None:
    past = LogPlant(plant_spec(), operated(10), model_of(plant_spec()).rule)
    assert isinstance(past, PlantLink)
    assert isinstance(past, Clock)
    seen = 0
    async for tick in past.ticks(10.0):
        samples = past.drain()
        assert max(sample.source_ns for sample in samples) <= tick
        seen += len(samples)
    assert seen >= 9 * 5
    assert past.drain() == []
    with pytest.raises(LinkError, match="replayed at 10 s, not at 5 s"):
        await anext(past.ticks(5.0))


def test_the_log_starts_where_the_plant_did() -> None:
    assert operated(10).start_ns == START_NS


def test_everything_that_a_replay_says_of_an_interval_stands_in_one_table() -> None:
    found = replay(surprised_model(), operated(noise=0.05, load_from=60), decisions=6)
    table = replay_table(found)
    assert len(table) == ROWS
    assert table.index[0].value == found.grid.time_ns[0]
    assert list(table.columns[:4]) == ["L1", "L2", "V1", "V2"]
    assert table["V1 suggested"].notna().sum() == 6
    np.testing.assert_array_equal(table["L1 foreseen 5 before"], found.predicted[5][:, 0])
    assert set(table["surprised by"][table["surprise"] > 1.0]) == {"L1"}
    assert table["surprised by"][table["surprise"] <= 1.0].isna().all()
