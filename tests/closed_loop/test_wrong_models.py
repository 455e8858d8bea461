"""Closed loops with models, limits and deadlines that are wrong: what is accepted keeps every limit."""

from collections import Counter
from dataclasses import replace

import numpy as np
import pytest
import torch
from hand_clock import HandClock

from procwm.planning.local_model import LocalModel, Step
from procwm.planning.planner import MpcPlanner
from procwm.planning.prediction import Evaluator, Prediction
from procwm.planning.problem import ControlProblem, Plan, PlanStatus
from procwm.planning.sampling import SamplingConfig
from procwm.plant.tags import PlantSpec, Role, Tag
from procwm.testing import control_problem, exact_model
from procwm.world.model import WorldModel

PLANT = PlantSpec(
    name="two by two",
    interval_s=1.0,
    tags=(
        Tag(name="Y1", role=Role.CV, range=(0.0, 10.0), setpoint=5.0, limits=(1.0, 9.0)),
        Tag(name="Y2", role=Role.CV, range=(0.0, 10.0), zone=(4.0, 6.0)),
        Tag(name="U1", role=Role.MV, range=(0.0, 10.0), limits=(1.0, 9.0), max_move=1.0, move_weight=0.1),
        Tag(name="U2", role=Role.MV, range=(-1.0, 1.0), max_move=0.3, move_weight=0.01),
    ),
)
HORIZON, CYCLES = 4, 2
FAULTS = ("wrong", "not finite", "limits", "deadline")


def wrong_model(generator: np.random.Generator, fault: str) -> WorldModel:
    """Any dynamics, now and then unstable or bent; with `not finite`, a number of it is not one."""
    model = exact_model(
        PLANT,
        state_matrix=generator.uniform(0.3, 1.5) * np.eye(2) + 0.3 * generator.standard_normal((2, 2)),
        input_matrix=generator.standard_normal((2, 2)),
        guards={"level": (generator.standard_normal(2), float(generator.uniform(-10.0, 4.0)))},
        horizon=HORIZON,
    )
    for parameter in model.predictor.network.parameters():
        parameter.copy_(torch.as_tensor(generator.standard_normal(tuple(parameter.shape))))
    if fault == "not finite":
        parts = [model.predictor.linear.weight, model.readout.weight, model.predictor.linear.bias]
        part = parts[generator.integers(len(parts))]
        part.view(-1)[generator.integers(part.numel())] = float(generator.choice([np.nan, np.inf, 1e300]))
    return model


def wrong_problem(model: WorldModel, generator: np.random.Generator, fault: str) -> ControlProblem:
    problem = control_problem(
        model, latent=generator.standard_normal(2), last_mv=generator.uniform([1.0, -1.0], [9.0, 1.0])
    )
    if fault == "limits":
        low = generator.uniform(1.0, 8.9, 1)
        problem = replace(
            problem,
            target=np.full(problem.target.shape, generator.uniform(-50.0, 50.0)),
            mv_low=np.append(low, -1.0),
            mv_high=np.append(low + generator.uniform(1e-6, 0.1), 1.0),
            max_move=generator.choice([1e-9, 1e-3, 1.0], 2),
            low=np.full(2, 9.0),
            high=np.full(2, 9.0 + 1e-9),
        )
    return problem


def accepted_wrongly(plan: Plan, problem: ControlProblem, model: WorldModel, deadline_s: float) -> str:
    """What is wrong with a plan that may reach the plant; empty where nothing is."""
    if not plan.status.usable:
        return ""
    rounding = 1e-9 * problem.mv_span
    before = np.vstack((problem.last_mv, plan.mv[:-1]))
    prediction = Evaluator(model, problem).predict(plan.mv[None])
    wrong = {
        "not finite": not (np.isfinite(plan.mv).all() and np.isfinite(plan.cv).all()),
        "above": bool((plan.mv > np.maximum(problem.mv_high, before) + rounding).any()),
        "below": bool((plan.mv < np.minimum(problem.mv_low, before) - rounding).any()),
        "moves too far": bool((np.abs(plan.mv - before) > problem.max_move + rounding).any()),
        "infeasible": not prediction.guard.max() <= 1e-5,
        "late": plan.solve_s > deadline_s,
    }
    return ", ".join(name for name, found in wrong.items() if found)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> HandClock:
    """Time of which every step of a program and every round of candidates takes a millisecond."""
    clock, step, predict = HandClock(), LocalModel.step, Evaluator.predict

    def slow_step(self: LocalModel) -> Step | None:
        clock.now_s += 1e-3
        return step(self)

    def slow_predict(self: Evaluator, mv: np.ndarray) -> Prediction:
        clock.now_s += 1e-3
        return predict(self, mv)

    monkeypatch.setattr(LocalModel, "step", slow_step)
    monkeypatch.setattr(Evaluator, "predict", slow_predict)
    return clock


def test_nothing_wrong_is_accepted_from_two_hundred_wrong_models(clock: HandClock, unchecked) -> None:
    statuses: Counter[PlanStatus] = Counter()
    for seed in range(200):
        generator, fault = np.random.default_rng(seed), FAULTS[seed % len(FAULTS)]
        model = wrong_model(generator, fault)
        planner = MpcPlanner(model, sampling=SamplingConfig(candidates=64, rounds=2), clock=clock)
        problem, plan = wrong_problem(model, generator, fault), None
        for _ in range(CYCLES):
            # From no time at all to about as much as such a plan takes.
            short = float(generator.choice([0.0, 2e-3, 5e-3, 6e-3, 8e-3]))
            deadline_s = short if fault == "deadline" else 60.0
            plan = planner.plan(problem, warm_start=plan, deadline_s=deadline_s)
            statuses[plan.status] += 1
            wrong = accepted_wrongly(plan, problem, model, deadline_s)
            assert not wrong, f"seed {seed}, {fault}: a plan called {plan.status.name} is {wrong}"
            written = plan.mv[0] if plan.status.usable else problem.last_mv
            state = 0.8 * problem.latent + 0.1 * generator.standard_normal((2, 2)) @ written
            problem = replace(problem, latent=state, last_mv=written)
    assert statuses.keys() == set(PlanStatus), "the faults are real, and some plans survive them"
