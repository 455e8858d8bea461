"""A model whose MVs act the other way round gives the plant back, and may not take it again by itself."""

from dataclasses import replace

import numpy as np
from linear_loop import HISTORY, Loop, loop, plant_spec
from stub_planners import StubPlanner, stepping

from procwm.control.mistrust import MISTRUSTED, mistrust, mistrusted
from procwm.control.modes import Mode
from procwm.control.swinging import Swings
from procwm.control.targets import Targets
from procwm.plant.request import Request

SPEC = plant_spec(limits=(40.0, 60.0))
PATIENCE = 5


def count(surprise: float, level: float, before: int = 3) -> int:
    return mistrust(before, surprise, np.array([level, 50.0]), SPEC, Targets())


def test_what_counts_is_a_surprise_together_with_a_broken_limit() -> None:
    assert count(1.1, 61.0) == count(1.1, 39.0) == 4
    assert count(0.9, 61.0) == count(1.1, 59.0) == count(float("nan"), 61.0) == count(1.1, float("nan")) == 2
    assert count(0.9, 61.0, before=0) == 0
    assert not mistrusted(PATIENCE - 1, horizon=10)
    assert mistrusted(PATIENCE, horizon=10)
    assert not mistrusted(29, horizon=60)


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
