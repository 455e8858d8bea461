"""A model whose MVs act the other way round gives the plant back, and may not take it again by itself."""

from dataclasses import replace
from typing import Any

import numpy as np
from linear_loop import HISTORY, Loop, loop, plant_spec
from stub_planners import StubPlanner, stepping

from procwm.comparison.closed_loop import closed_loop
from procwm.comparison.operating import operate
from procwm.control.controller import Controller
from procwm.control.decision import Decision
from procwm.control.mistrust import MISTRUSTED, mistrust, mistrusted
from procwm.control.modes import Mode
from procwm.control.swinging import Swings
from procwm.control.targets import Targets
from procwm.data.series import Log
from procwm.data.window import grid
from procwm.learning.calibration.feedback import arriving_errors, chosen_feedback
from procwm.learning.calibration.surprise_limits import learned_surprise
from procwm.plant.registry import scenario
from procwm.plant.request import Request
from procwm.plant.tags import names_of
from procwm.testing import exact_model
from procwm.world.model import WorldModel

SPEC = plant_spec(limits=(40.0, 60.0))
PATIENCE = 5


def count(surprise: float, level: float, before: float = 3.0) -> float:
    return mistrust(before, surprise, np.array([level, 50.0]), SPEC, Targets())


def test_what_counts_is_a_surprise_together_with_a_broken_limit() -> None:
    assert count(1.1, 61.0) == count(1.1, 39.0) == 4
    assert count(0.9, 61.0) == count(0.9, 59.0) == count(float("nan"), 61.0) == 2
    assert count(1.1, float("nan")) == 3, "an instrument at its end says nothing"
    assert count(0.9, 61.0, before=0.0) == 0.0
    assert count(1.1, 59.0) == 2.75, "who is surprised within limits says little for the model"
    assert not mistrusted(PATIENCE - 0.25, horizon=10)
    assert mistrusted(float(PATIENCE), horizon=10)
    assert not mistrusted(29.0, horizon=60)


def mirrored() -> Loop:
    """A first tank that fills beyond its limit, and a model that is surprised all the time."""
    run = loop(SPEC, planner=StubPlanner(stepping(0.0, 0.0)), load=lambda tick: (1.5, 0.0))
    perception = run.controller._perception
    look = perception.look

    def surprised(*given: object) -> object:
        state, seen = look(*given)
        return state, replace(seen, surprise=3.0)

    perception.look = surprised
    return run


def test_a_model_that_is_surprised_at_a_broken_limit_gives_the_plant_back_for_good() -> None:
    run = mirrored().run(60)
    assert run.decisions is not None
    shed = next(at for at, decision in enumerate(run.decisions) if decision.mode is Mode.SHED)
    first = next(at for at, level in enumerate(run.levels[:, 0]) if level > 60.0)
    assert shed - first <= PATIENCE + 2
    assert run.decisions[shed].reason == MISTRUSTED
    assert all(decision.setpoints is None for decision in run.decisions[shed:])
    assert run.decisions[-1].mode is Mode.ADVISORY, "usable plans bring it no further"
    run.state = run.controller.checked(run.state, Request(mode="auto"))
    assert run.state.mode.actual is Mode.AUTO
    assert run.state.mistrust == 0


TANKS, TANKS_HORIZON = scenario("quadruple_tank"), 30


def tanks_model(*, mirrored: bool) -> WorldModel:
    """Two lags by least squares on a log, in which the pumps' names may be the wrong way round."""
    log = operate(TANKS, hours=8.0, seed=3).log
    if mirrored:
        swapped = {"P1.SP": log.series["P2.SP"], "P2.SP": log.series["P1.SP"]}
        log = Log(series={**log.series, **swapped}, mv_names=log.mv_names)
    start = exact_model(TANKS.plant, state_matrix=np.eye(2), input_matrix=np.eye(2), horizon=TANKS_HORIZON)
    rows = grid(log, start.rule)
    level, pump = (
        rows.values[:, rows.columns(names_of(tags))] for tags in (TANKS.plant.cvs, TANKS.plant.mvs)
    )
    inputs = np.hstack((level[:-1], pump[1:], np.ones((len(level) - 1, 1))))
    fitted = np.linalg.lstsq(inputs, level[1:], rcond=None)[0].T
    model = exact_model(
        TANKS.plant,
        state_matrix=fitted[:, :2],
        input_matrix=fitted[:, 2:4],
        offset=fitted[:, 4],
        horizon=TANKS_HORIZON,
    )
    model = model.with_calibration(feedback=chosen_feedback(arriving_errors(model, rows)))
    return model.with_calibration(surprise=learned_surprise(model, rows, rows, model, rows))


def tanks_run(model: WorldModel, intervals: int) -> tuple[list[Decision], np.ndarray]:
    """Decisions of a controller of the tanks, and their true levels."""
    told: list[Decision] = []

    class Told(Controller):
        def step(self, *given: Any, **named: Any) -> Any:
            decision, state = super().step(*given, **named)
            told.append(decision)
            return decision, state

    made = Told(TANKS.plant, model, deadline_s=60.0)
    run = closed_loop(TANKS, lambda _: made, seed=0, intervals=intervals, program=[])
    return told, run.cv[:, :2]


def test_mirrored_pumps_give_the_tanks_back_soon_after_a_limit_is_broken(unchecked: None) -> None:
    decisions, levels = tanks_run(tanks_model(mirrored=True), 4 * TANKS_HORIZON)
    first = next(at for at, row in enumerate(levels) if ((row < 1.0) | (row > 19.0)).any())
    shed = next(at for at, decision in enumerate(decisions) if decision.mode is Mode.SHED)
    assert decisions[shed].reason == MISTRUSTED
    assert shed - first <= 2 * TANKS_HORIZON
    assert all(decision.setpoints is None for decision in decisions[shed:])


def test_the_same_tanks_are_kept_where_the_pumps_have_their_own_names(unchecked: None) -> None:
    decisions, _ = tanks_run(tanks_model(mirrored=False), 2 * TANKS_HORIZON)
    assert {decision.mode for decision in decisions} == {Mode.AUTO}


def test_an_mv_that_swung_on_is_brought_to_the_middle_and_held_until_somebody_asks_for_a_mode() -> None:
    run = loop(SPEC).run(HISTORY + 5)
    run.state = replace(run.state, swings=replace(run.state.swings, swung=(0,), middle=(35.0, np.nan)))
    run.run(20, setpoints={"L1": 58.0})
    assert run.decisions is not None
    np.testing.assert_allclose(run.moves[-10:, 0], 35.0)
    assert np.abs(np.diff(run.moves[:, 0])).max() <= 8.0, "no faster than the largest move"
    assert np.ptp(run.moves[-20:, 1]) > 0.1, "the other MV goes on"
    assert any("V1: it swings on, and is held at 35" in note for note in run.decisions[-1].notes)
    run.state = run.controller.checked(run.state, Request(mode="auto"))
    assert run.state.swings == Swings()
