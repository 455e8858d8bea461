"""A model whose MVs act the other way round gives the plant back, and may not take it again by itself."""

from dataclasses import replace

import numpy as np
from linear_loop import Loop, loop, plant_spec
from stub_planners import StubPlanner, stepping

from procwm.control.mistrust import MISTRUSTED, mistrust, mistrusted
from procwm.control.modes import Mode
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
