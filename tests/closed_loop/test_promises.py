"""Plans that fail, horizon after horizon, at a limit that stays broken: the plant is given back."""

from dataclasses import replace

import numpy as np
from linear_loop import Loop, loop, plant_spec
from stub_planners import StubPlanner, stepping

from procwm.control.modes import Mode
from procwm.control.promises import UNKEPT, Promise, promised
from procwm.control.targets import Targets
from procwm.plant.request import Request

SPEC = plant_spec(limits=(40.0, 60.0))
HALF_WIDTH = np.array([2.0, np.inf])
ROWS = 4


def plan(level: float) -> np.ndarray:
    return np.tile([level, 50.0], (ROWS, 1))


def after(promise: Promise, level: float, foretold: float | None = 50.0) -> Promise:
    coming = None if foretold is None else plan(foretold)
    return promised(promise, np.array([level, 50.0]), coming, HALF_WIDTH, SPEC, Targets())


def followed(levels: list[float], foretold: float) -> Promise:
    """What is remembered after a horizon at each of `levels`, all of which were to end at `foretold`."""
    promise = after(Promise(), levels[0], foretold)
    for level in levels:
        for _ in range(ROWS):
            promise = after(promise, level, foretold)
    return promise


def test_a_plan_is_held_to_what_it_said_when_its_horizon_is_over() -> None:
    promise = after(Promise(), 50.0, 55.0)
    assert promise == Promise(due=ROWS, output=(55.0, 50.0))
    for left in range(ROWS - 1, 0, -1):
        promise = after(promise, 70.0, 10.0)
        assert promise == Promise(due=left, output=(55.0, 50.0)), "later plans wait for their turn"
    assert after(promise, 70.0, 10.0) == Promise(due=ROWS, output=(10.0, 50.0), unkept=1.0)
    assert after(promise, 70.0, None) == Promise(output=(55.0, 50.0), unkept=1.0)


def test_what_counts_is_a_cv_beyond_its_limit_that_was_to_be_elsewhere() -> None:
    assert followed([70.0], 50.0).unkept == 1.0
    assert followed([70.0], 71.0).unkept == 0.0, "that it cannot be had back was foretold"
    assert followed([45.0], 50.0).unkept == 0.0, "it is where it may be"
    assert followed([float("nan")], 50.0).unkept == 0.0
    assert followed([70.0, 70.0, 44.0], 50.0).unkept == 1.75, "a plan that fails says little for the model"
    assert followed([70.0, 70.0, 50.0], 50.0).unkept == 1.0
    assert not followed([70.0] * 2, 50.0).broken
    assert followed([70.0] * 3, 50.0).broken


def unkept() -> Loop:
    """A first tank that fills far beyond its limit, and a model that foretells every time that it comes back.

    The model is not surprised from one interval to the next.
    """
    run = loop(SPEC, planner=StubPlanner(stepping(0.0, 0.0)), load=lambda tick: (1.5, 0.0))
    trained = run.controller._versions.trained
    perception, deciding = trained.perception, trained.deciding
    look, outcome = perception.look, deciding.outcome

    def calm(*given: object) -> object:
        state, seen = look(*given)
        return state, replace(seen, surprise=0.5)

    def hopeful(*given: object) -> object:
        found = outcome(*given)
        return (
            found
            if found.plan is None
            else replace(found, plan=replace(found.plan, cv=0 * found.plan.cv + 50.0))
        )

    perception.look = calm
    object.__setattr__(deciding, "outcome", hopeful)
    return run


def test_a_model_whose_plans_fail_at_a_broken_limit_gives_the_plant_back_for_good() -> None:
    run = unkept().run(120)
    assert run.decisions is not None
    shed = next(at for at, decision in enumerate(run.decisions) if decision.mode is Mode.SHED)
    assert run.decisions[shed].reason == UNKEPT
    assert all(decision.setpoints is None for decision in run.decisions[shed:])
    assert run.decisions[-1].mode is Mode.ADVISORY, "usable plans bring it no further"
    run.state = run.controller.checked(run.state, Request(mode="auto"))
    assert run.state.mode.actual is Mode.AUTO
    assert run.state.promise == Promise()


def test_a_plan_that_was_given_up_is_held_to_nothing() -> None:
    run = loop(SPEC).run(20)
    assert 0 < run.state.promise.due < run.controller.model.horizon
    run.state = replace(run.state, promise=replace(run.state.promise, unkept=1.0))
    run.state = run.controller.given_back(run.state, "somebody else is at it")
    run.run(1)
    assert run.state.promise == Promise(unkept=1.0)
