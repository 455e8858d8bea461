"""Mode TEST: steps that teach, within limits, and none that is predicted unsafe."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from hand_clock import HandClock
from linear_loop import HISTORY, INTERVAL_NS, START_NS, LinearPlant, model_of, plant_spec
from stub_planners import StubPlanner, stepping

from procwm.control.controller import Controller
from procwm.control.modes import Mode
from procwm.control.stepping import WAY_BACK, StepTest
from procwm.plant.request import Request
from procwm.plant.tags import PlantSpec
from procwm.runtime.cycle import Cycle
from procwm.runtime.loop import run
from procwm.runtime.operator import Operator
from procwm.world.fitness import VERDICT, Fitness, Verdict

INTERVALS = 36


def stepping_about(spec: PlantSpec, *, guard_above: float | None = None) -> Controller:
    planner = StubPlanner(stepping(1.0, 0.0))
    return Controller(
        spec, model_of(spec, guard_above=guard_above), planner=planner, mode=Mode.TEST, clock=HandClock()
    )


async def go(
    spec: PlantSpec,
    made: Controller,
    intervals: int = INTERVALS,
    *,
    operator: Operator | None = None,
    told: Callable[[Cycle], None] = lambda cycle: None,
) -> tuple[LinearPlant, list[Cycle]]:
    plant = LinearPlant(spec)
    cycles: list[Cycle] = []

    def keep(cycle: Cycle) -> None:
        cycles.append(cycle)
        told(cycle)

    await run(plant, plant, made, intervals=intervals, operator=operator, on_cycle=keep)
    return plant, cycles


async def test_every_mv_goes_up_and_down_by_its_step_and_apart_from_the_others() -> None:
    spec = plant_spec()
    tags = tuple(replace(tag, test_step=3.0) if tag.name == "V1" else tag for tag in spec.tags)
    spec = replace(spec, tags=tags)
    plant, cycles = await go(spec, stepping_about(spec))
    moved = np.array(plant.moves)
    assert {round(float(value), 6) for value in moved[:, 0]} == {47.0, 50.0, 53.0}
    assert {round(float(value), 6) for value in moved[:, 1]} == {46.0, 50.0, 54.0}, "5 % of [10, 90]"
    assert abs(np.corrcoef(moved[HISTORY:].T)[0, 1]) < 0.9
    assert np.abs(np.diff(moved, axis=0)).max() <= 8.0
    assert {cycle.decision.rung for cycle in cycles[HISTORY:]} == {"step test"}
    assert np.array_equal(moved[:4], np.full((4, 2), 50.0)), "at rest first"


def test_the_same_test_makes_the_same_steps_and_another_makes_others() -> None:
    spec = plant_spec()

    def steps(begun_ns: int) -> list[list[float]]:
        test = StepTest(base=(50.0, 50.0), begun_ns=begun_ns)
        return [test.target(spec, 12, begun_ns + row * INTERVAL_NS).tolist() for row in range(100)]

    assert steps(START_NS) == steps(START_NS)
    assert steps(START_NS) != steps(START_NS + INTERVAL_NS)


async def test_steps_keep_to_the_largest_move_and_to_limits_tightened_meanwhile() -> None:
    spec = plant_spec(mv_limits=(10.0, 90.0))
    tags = tuple(replace(t, max_move=1.5, test_step=6.0) if t.name == "V1" else t for t in spec.tags)
    spec = replace(spec, tags=tags)
    operator = Operator()
    operator.ask(Request(who="ann", limits={"V1": (48.0, 53.0)}))
    plant, _ = await go(spec, stepping_about(spec), operator=operator)
    first = np.array(plant.moves)[:, 0]
    assert np.abs(np.diff(first)).max() <= 1.5 + 1e-9
    assert (first.min(), first.max()) == (pytest.approx(48.0), pytest.approx(53.0))


async def test_a_step_that_is_predicted_to_break_a_guardrail_is_not_made() -> None:
    spec = plant_spec()
    plant, cycles = await go(spec, stepping_about(spec, guard_above=52.0))
    levels = [cycle.decision.measured["L1"] for cycle in cycles if "L1" in cycle.decision.measured]
    assert max(levels) <= 52.0
    reasons = {cycle.decision.reason for cycle in cycles}
    assert "step test: the step that is due is not predicted safe; going back to where it began" in reasons
    assert np.array(plant.moves)[:, 0].min() < 50.0, "steps the other way are made"


async def test_a_test_goes_over_to_auto_without_a_bump_and_begins_anew_from_there() -> None:
    spec, operator = plant_spec(), Operator()

    def told(cycle: Cycle) -> None:
        if cycle.tick == 20:
            operator.ask(Request(who="ann", mode=Mode.AUTO))
        if cycle.tick == 26:
            operator.ask(Request(who="ann", mode=Mode.TEST))

    plant, cycles = await go(spec, stepping_about(spec), 32, operator=operator, told=told)
    assert [cycle.decision.mode for cycle in cycles[20:28]] == [Mode.TEST, *[Mode.AUTO] * 6, Mode.TEST]
    moved = np.array(plant.moves)
    assert np.abs(np.diff(moved[20:], axis=0)).max() <= 8.0 + 1e-9
    assert np.array_equal(moved[27], moved[30]), "a new test begins with rest"


async def test_a_test_that_is_shed_does_not_begin_again_by_itself() -> None:
    spec = plant_spec()
    made = stepping_about(spec)
    bad = [False]
    hook = made.model.encoder.register_forward_hook(
        lambda _, __, latent: latent * float("nan") if bad[0] else latent
    )

    def told(cycle: Cycle) -> None:
        bad[0] = 15 <= cycle.tick < 18

    _, cycles = await go(spec, made, 30, told=told)
    hook.remove()
    assert {cycle.decision.mode for cycle in cycles[16:]} == {Mode.SHED}
    assert {cycle.decision.setpoints for cycle in cycles[16:]} == {None}


async def test_while_a_limit_is_broken_every_mv_is_where_the_test_began() -> None:
    spec = plant_spec(limits=(40.0, 60.0))
    plant = LinearPlant(spec, load=lambda tick: (2.0, 0.0) if tick >= 15 else (0.0, 0.0))
    cycles: list[Cycle] = []
    await run(plant, plant, stepping_about(spec), intervals=INTERVALS, on_cycle=cycles.append)
    broken = [at for at, levels in enumerate(plant.levels) if levels[0] > 60.0]
    assert cycles[broken[0]].decision.reason == WAY_BACK
    np.testing.assert_allclose(np.array(plant.moves)[broken[0] + 1 : INTERVALS], 50.0)


def test_a_model_that_is_not_fit_may_be_in_test_and_the_reason_of_the_mode_says_so() -> None:
    verdict = Verdict(fitness=Fitness.NOTHING, reason="it ignores the MVs", next="train again")
    spec = plant_spec()
    unfit = model_of(spec).with_metrics(**{VERDICT: verdict.as_dict()})
    state = Controller(spec, unfit, mode=Mode.TEST, clock=HandClock()).start({"V1": 50.0, "V2": 50.0})
    assert state.mode.actual is Mode.TEST
    assert state.mode.reason == (
        "started in test; the model may forbid steps and chooses none: the model is not fit: it ignores the "
        "MVs; train again"
    )
