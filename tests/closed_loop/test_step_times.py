"""Steps that come early, late, twice or not at all: the README's loop, called by an uneven clock."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import datetime, timedelta
from itertools import count

import numpy as np
import pytest
import torch
from hand_clock import HandClock
from linear_loop import HISTORY, INTERVAL_NS, INTERVAL_S, START_NS, LinearPlant, model_of, plant_spec
from stub_planners import plan_of

from procwm.control.controller import Controller
from procwm.control.decision import Decision
from procwm.control.measurement import utc
from procwm.control.pace import Pace
from procwm.planning.problem import ControlProblem, Plan
from procwm.plant.samples import Quality, Sample
from procwm.plant.tags import PlantSpec, Role
from procwm.world.model import WorldModel

FREE = replace(
    plant_spec(),
    tags=tuple(
        replace(tag, move_weight=0.0, max_move=None) if tag.role is Role.MV else tag
        for tag in plant_spec().tags
    ),
)
"""Nothing damps the moves: what is wrong about the past shows at once."""


def remembering(spec: PlantSpec, **changes: int) -> WorldModel:
    """The exact model; its state is half of what is measured and half of what follows from the row before."""
    model = model_of(spec, **changes)
    tags, linear = len(spec.names), model.encoder.identified
    names = [spec.names.index(name) for name in model.output_names]
    inputs = [spec.names.index(tag.name) for tag in (*spec.mvs, *spec.dvs)]
    step, bias = model.predictor.identified.weight, model.predictor.identified.bias
    last, before = (HISTORY - 1) * tags, (HISTORY - 2) * tags
    with torch.no_grad():
        for row, name in enumerate(names):
            linear.weight[row, last + name] = 0.5
            linear.weight[row, [before + other for other in names]] += 0.5 * step[row, : len(names)]
            linear.weight[row, before + name] += 0.5
            linear.weight[row, [last + other for other in inputs]] += 0.5 * step[row, len(names) :]
            linear.bias[row] = 0.5 * bias[row]
    return model


def times(late_s: Callable[[int], float]) -> Iterator[datetime]:
    """The README's `datetime.now(UTC)`, each call late by `late_s` of its number, early where below 0."""
    return (utc(START_NS) + timedelta(seconds=INTERVAL_S * tick + late_s(tick)) for tick in count())


def readme(
    controller: Controller,
    clock: Iterator[datetime],
    cycles: int,
    *,
    noise: float = 0.05,
    restarts: Callable[[int], bool] = lambda tick: False,
) -> tuple[LinearPlant, list[Decision]]:
    """The loop of the README: values by tag, and the time that it is."""
    plant = LinearPlant(controller.plant, noise=noise, seed=3, load=lambda tick: (0.1, -0.05))
    state = controller.start(last_mv={"V1": 50.0, "V2": 50.0})
    decisions = []
    for tick in range(cycles):
        samples = {sample.tag: sample.value for sample in plant.drain()}
        if restarts(tick):
            state = controller.restore(state.to_bytes())
        decision, state = controller.step(samples, state, time=next(clock), setpoints={"L1": 52.0})
        if decision.setpoints is not None:
            plant.enter(decision.setpoints)
        decisions.append(decision)
        plant.advance()
    return plant, decisions


def jitter(most_s: float) -> Callable[[int], float]:
    rng = np.random.default_rng(1)
    return lambda tick: float(rng.uniform(-most_s, most_s))


@pytest.fixture(scope="module")
def exact() -> np.ndarray:
    plant, _ = readme(Controller(FREE, remembering(FREE), clock=HandClock()), times(lambda tick: 0.0), 40)
    return np.array(plant.moves)


@pytest.mark.parametrize(
    "late_s",
    [
        lambda tick: -1e-6 * (tick % 2),
        jitter(1e-3),
        jitter(0.5),
        jitter(0.4 * INTERVAL_S),
        lambda tick: 0.049 * INTERVAL_S * tick,
        lambda tick: -0.49 * INTERVAL_S * (tick == 20),
        lambda tick: 0.49 * INTERVAL_S * (tick == 20),
    ],
    ids=["1 us", "1 ms", "0.5 s", "two fifths", "slow", "half early", "half late"],
)
def test_a_step_a_little_early_or_late_is_the_same_step(exact, late_s) -> None:
    plant, decisions = readme(Controller(FREE, remembering(FREE), clock=HandClock()), times(late_s), 40)
    assert np.array_equal(plant.moves, exact)
    assert not [note for decision in decisions for note in decision.notes]


def test_samples_that_are_stamped_a_moment_ahead_are_those_of_this_step(exact) -> None:
    controller = Controller(FREE, remembering(FREE), clock=HandClock())
    plant = LinearPlant(FREE, noise=0.05, seed=3, load=lambda tick: (0.1, -0.05))
    state = controller.start(last_mv={"V1": 50.0, "V2": 50.0})
    for tick in range(40):
        samples = [replace(sample, source_ns=sample.source_ns + 900) for sample in plant.drain()]
        time = utc(START_NS + tick * INTERVAL_NS)
        decision, state = controller.step(samples, state, time=time, setpoints={"L1": 52.0})
        if decision.setpoints is not None:
            plant.enter(decision.setpoints)
        plant.advance()
    assert np.array_equal(plant.moves, exact)


@pytest.mark.parametrize("late_ns", [0, -1000, 1000])
def test_a_first_step_a_moment_early_sees_the_history_as_it_was(late_ns) -> None:
    values = {tick: 50.0 + 3.0 * np.sin(tick) for tick in range(HISTORY + 6)}
    history = [
        Sample(name, value, Quality.GOOD, START_NS + tick * INTERVAL_NS)
        for tick, level in values.items()
        for name, value in {"L1": level, "L2": 50.0, "V1": 50.0, "V2": 50.0, "F1": 50.0}.items()
    ]
    controller = Controller(FREE, remembering(FREE), clock=HandClock())
    state = controller.start({"V1": 50.0, "V2": 50.0}, history=history)
    now = {"L1": 51.0, "L2": 50.0, "V1": 50.0, "V2": 50.0, "F1": 50.0}
    time_ns = START_NS + len(values) * INTERVAL_NS + late_ns
    _, state = controller.step(now, state, time=utc(time_ns))
    assert state.pace is not None
    seen = state.buffer.window(time_ns, state.pace.rows[:-1]).values[:, 0]
    assert seen.tolist() == [*list(values.values())[-HISTORY + 1 :], 51.0]


def test_missed_steps_are_told_and_lived_through() -> None:
    late = lambda tick: 0.3 * INTERVAL_S if tick == 20 else 2.0 * INTERVAL_S * (tick > 20)  # noqa: E731
    _, decisions = readme(Controller(FREE, remembering(FREE), clock=HandClock()), times(late), 40)
    told = {tick: decision.notes for tick, decision in enumerate(decisions) if decision.notes}
    assert told == {21: ("2 steps were missed: the last one is 27 s ago, the control interval 10 s",)}
    assert all(decision.setpoints is not None for decision in decisions[HISTORY:])


def test_a_second_step_in_one_interval_moves_nothing_and_says_so() -> None:
    controller = Controller(FREE, remembering(FREE), clock=HandClock())
    doubled = [0.0, 10.0, 20.0, 30.0, 40.0, 50.0, 52.0, 60.0, 61.0, 70.0]
    clock = (utc(START_NS) + timedelta(seconds=at_s) for at_s in doubled)
    _, decisions = readme(controller, clock, len(doubled))
    told = [tick for tick, decision in enumerate(decisions) if "called twice" in decision.reason]
    assert told == [6, 8]
    assert all((decisions[tick].setpoints is None) == (tick in (*range(4), 6, 8)) for tick in range(10))


@pytest.mark.parametrize(
    ("most", "slow", "lost"),
    [(0.25, 0.0, 0), (0.4, 0.0, 0), (0.1, 0.049, 0), (0.1, -0.049, 0), (0.45, 0.0, 40)],
    ids=["a quarter", "two fifths", "slow", "quick", "nearly half"],
)
def test_no_step_is_lost_or_doubled_within_the_stated_bounds(most, slow, lost) -> None:
    rule, rng, count = model_of(FREE).rule, np.random.default_rng(2), 10_000
    late = rng.uniform(-most, most, count) * np.minimum(1.0, 0.25 / most) ** (np.arange(count) < 60)
    times_ns = (INTERVAL_NS * ((1.0 + slow) * np.arange(count) + late)).astype(np.int64) + START_NS
    pace, wrong = Pace(int(times_ns[0]), (int(times_ns[0]),)), 0
    for time_ns in times_ns[1:].tolist():
        wrong += pace.passed(time_ns, rule) != 1
        pace = pace.after(time_ns, rule)
    assert wrong <= lost


class Proportional:
    """A planner that costs nothing: every MV moves by a share of the error that the model foresees."""

    guard_names: tuple[str, ...] = ()

    def plan(self, problem: ControlProblem, *, warm_start: Plan | None, deadline_s: float) -> Plan:
        foreseen = 50.0 + 25.0 * problem.latent + problem.bias[0]
        mv = problem.last_mv + 0.2 * (problem.target[0] - foreseen)
        return plan_of(np.repeat(np.clip(mv, problem.mv_low, problem.mv_high)[None], problem.horizon, axis=0))


def test_5000_uneven_cycles_with_restarts_and_clock_steps_end_as_the_exact_run_did(
    unchecked,
) -> None:
    controller = Controller(FREE, remembering(FREE, horizon=2), planner=Proportional(), clock=HandClock())
    uneven = jitter(0.4 * INTERVAL_S)
    # Until some steps have told when they are due, they come within a quarter of an interval.
    known = lambda tick: 1.0 if tick % 1000 > 60 else 0.25 / 0.4  # noqa: E731
    stepped = lambda tick: known(tick) * uneven(tick) + 3600.0 * (tick // 1000) + 0.1 * (tick // 120)  # noqa: E731
    rough, decisions = readme(
        controller, times(stepped), 5000, restarts=lambda tick: tick % 97 == 0, noise=0.0
    )
    smooth, _ = readme(controller, times(lambda tick: 0.0), 300, noise=0.0)
    np.testing.assert_allclose(rough.moves[-1], smooth.moves[-1], atol=1e-6)
    np.testing.assert_allclose(rough.levels[-1], smooth.levels[-1], atol=1e-6)
    waited = [tick for tick, decision in enumerate(decisions) if decision.setpoints is None]
    filling, shed = 4, 6
    after_gaps = [1000 * hour + row for hour in range(1, 5) for row in range(shed)]
    assert waited == [*range(filling), *after_gaps], "a window fills, and three good plans take over again"
