"""Whatever the plant and the problem, a usable plan keeps hard limits and guardrails."""

from dataclasses import replace

import numpy as np
import torch
from hand_clock import HandClock
from hypothesis import given, settings
from hypothesis import strategies as st

from procwm.planning.moves import MoveSpace, move_blocks
from procwm.planning.planner import MpcPlanner
from procwm.planning.problem import ControlProblem
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
        Tag(name="U2", role=Role.MV, range=(-1.0, 1.0), move_weight=0.01),
        Tag(name="D", role=Role.DV, range=(-1.0, 1.0)),
    ),
)
HORIZON = 8


def random_model(generator: np.random.Generator) -> WorldModel:
    """Linear with a nonlinear part added, now and then unstable."""
    model = exact_model(
        PLANT,
        state_matrix=0.7 * np.eye(2) + 0.3 * generator.standard_normal((2, 2)),
        input_matrix=generator.standard_normal((2, 2)),
        disturbance_matrix=generator.standard_normal((2, 1)),
        guards={"level": (generator.standard_normal(2), float(generator.uniform(-10, 2)))},
        horizon=HORIZON,
    )
    with torch.no_grad():
        for parameter in model.predictor.network.parameters():
            parameter.copy_(torch.as_tensor(generator.standard_normal(tuple(parameter.shape))))
    return model


def random_problem(model: WorldModel, generator: np.random.Generator) -> ControlProblem:
    last_mv = generator.uniform([1.0, -1.0], [9.0, 1.0])
    problem = control_problem(model, latent=generator.standard_normal(2), last_mv=last_mv)
    target = np.where(generator.random((HORIZON, 2)) < 0.3, np.nan, generator.uniform(0, 10, (HORIZON, 2)))
    low = np.array([generator.uniform(-1.0, 5.0), -np.inf])
    return replace(
        problem,
        target=target,
        low=low,
        high=low + generator.uniform(0.1, 8.0, 2),
        bias=generator.standard_normal((HORIZON, 2)),
        dv=generator.uniform(-1, 1, (HORIZON, 1)),
        max_move=np.array([generator.uniform(0.01, 2.0), generator.choice([0.1, np.inf])]),
        weight=generator.choice([0.0, 1.0, 5.0], 2),
    )


ANY_MODEL = random_model(np.random.default_rng(0))


@settings(max_examples=12, derandomize=True)
@given(st.integers(0, 10**6))
def test_a_usable_plan_keeps_every_limit(seed: int) -> None:
    generator = np.random.default_rng(seed)
    model = random_model(generator)
    problem = random_problem(model, generator)
    # Half a second for everything, for some hundred pieces of work, or for a few.
    clock = HandClock(reading_s=float(generator.choice([0.0, 0.005, 0.05])))
    plan = MpcPlanner(model, clock=clock).plan(problem, warm_start=None, deadline_s=0.5)
    assert MoveSpace(move_blocks(HORIZON), problem).admits(plan.mv)
    assert (plan.mv >= problem.mv_low).all()
    assert (plan.mv <= problem.mv_high).all()
    if plan.status.usable:
        assert plan.worst_guard <= 1e-5
        assert np.isfinite(plan.cost)


@settings(max_examples=200, derandomize=True)
@given(st.integers(0, 10**6), st.floats(-50, 50), st.floats(0.01, 5.0), st.integers(1, 60))
def test_any_knots_become_a_trajectory_within_limits(
    seed: int, last: float, max_move: float, horizon: int
) -> None:
    generator = np.random.default_rng(seed)
    problem = control_problem(
        ANY_MODEL,
        latent=np.zeros(2),
        last_mv=np.array([generator.uniform(1.0, 9.0), last]),
        horizon=horizon,
        max_move=np.array([max_move, max_move]),
    )
    space = MoveSpace(move_blocks(horizon), problem)
    knots = generator.uniform(-20, 20, (len(space.blocks.lengths), 2))
    assert space.admits(space.expand(space.clip(knots)))
