"""Contracts that anyone can run over their own parts, and doubles to run them with."""

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from procwm.data.window import Window, WindowRule
from procwm.errors import LinkError, SpecError
from procwm.planning.problem import ControlProblem, Plan, Planner, PlanStatus, priorities
from procwm.plant.link import PlantLink
from procwm.plant.samples import Quality, Setpoints
from procwm.plant.scenario_contract import check_scenario as check_scenario
from procwm.plant.tags import PlantSpec, names_of
from procwm.world.composition import Dynamics, Heads, ModelParts
from procwm.world.encoders.mlp import MlpEncoder
from procwm.world.heads import GuardHead
from procwm.world.model import WorldModel
from procwm.world.parts.specs import StepShape, WindowShape
from procwm.world.predictors.mlp_predictor import MlpPredictor
from procwm.world.scaler import Scaler


def exact_model(
    plant: PlantSpec,
    *,
    state_matrix: Float[np.ndarray, "latent latent"],
    input_matrix: Float[np.ndarray, "latent mv"],
    disturbance_matrix: Float[np.ndarray, "latent dv"] | None = None,
    offset: Float[np.ndarray, " latent"] | None = None,
    states: Sequence[str] | None = None,
    guards: Mapping[str, tuple[Float[np.ndarray, " latent"], float]] | None = None,
    horizon: int = 20,
    history: int = 4,
) -> WorldModel:
    """A world model with the exact weights of `x' = A x + B u + E d + offset`, engineering units.

    The states are measured tags, read from the last row of the window, so that a planner or a
    controller can be tested apart from learning.

    Args:
        plant: the plant; every output must be among `states`.
        state_matrix, input_matrix, disturbance_matrix: A, B and E over one control interval; E is
            zero where `None`.
        offset: constant term; zero where `None`.
        states: tags that are the state, in the order of A; `plant.outputs` where `None`.
        guards: by name `(a, b)` for the guardrail `a @ x + b`, safe where `<= 0`.
        horizon: recommended prediction horizon, intervals.
        history: rows of a window.
    """
    names = tuple(states) if states is not None else names_of(plant.outputs)
    outputs = names_of(plant.outputs)
    if not set(outputs) <= set(names):
        raise SpecError(f"exact_model: every output must be a state; {outputs} are not all in {names}")
    mvs, dvs = names_of(plant.mvs), names_of(plant.dvs)
    scaler = _range_scaler(plant)
    center, width = scaler.part(names)
    disturbance = np.zeros((len(names), len(dvs))) if disturbance_matrix is None else disturbance_matrix
    constant = np.zeros(len(names)) if offset is None else offset

    seen = WindowShape(history=history, tags=len(plant.names), latent=len(names))
    step = StepShape(latent=len(names), mv=len(mvs), dv=len(dvs), outputs=len(outputs))
    encoder, predictor = MlpEncoder(hidden=(1,)).build(seen), MlpPredictor(hidden=(1,)).build(step)
    readout = nn.Linear(len(names), len(outputs))
    guard_heads = (_linear_guard(name, a, b, center, width) for name, (a, b) in (guards or {}).items())
    model = WorldModel(
        ModelParts(
            plant=plant,
            rule=WindowRule(
                tags=plant.names,
                interval_s=plant.interval_s,
                history=history,
                hold_s=tuple(tag.max_hold_s or 3.0 * plant.interval_s for tag in plant.tags),
            ),
            scaler=scaler,
            horizon=horizon,
            dynamics=Dynamics(encoder=encoder, predictor=predictor, readout=readout),
            heads=Heads(guards=tuple(guard_heads)),
        )
    ).double()
    with torch.no_grad():
        for part in (encoder, predictor, readout):
            # The networks beside the linear parts say nothing; drawn at random, every model would be another.
            for weight in part.parameters():
                weight.zero_()
        last_row = (history - 1) * len(plant.names)
        for row, name in enumerate(names):
            encoder.identified.weight[row, last_row + plant.names.index(name)] = 1.0
        for row, name in enumerate(outputs):
            readout.weight[row, names.index(name)] = 1.0
        columns = np.hstack((state_matrix - np.eye(len(names)), input_matrix, disturbance))
        input_center, input_width = scaler.part((*names, *mvs, *dvs))
        predictor.identified.weight.copy_(torch.as_tensor(columns * input_width / width[:, None]))
        predictor.identified.bias.copy_(torch.as_tensor((columns @ input_center + constant) / width))
    return model.finished()


def check_world_model(model: WorldModel, windows: Sequence[Window]) -> None:
    """Check that `model` keeps the contract of a finished world model, on at least two windows.

    Raises:
        AssertionError: with a sentence saying what does not hold.
    """
    assert len(windows) >= 2, "check_world_model needs at least two windows"
    assert not model.training, "a finished model is in evaluation mode"
    assert all(not p.requires_grad for p in model.parameters()), "a finished model has nothing to train"
    assert all(p.dtype == torch.float64 for p in model.parameters()), "a finished model is double precision"
    batch = model.encode(model.model_input(windows))
    single = torch.cat([model.encode(model.model_input([window])) for window in windows])
    assert torch.allclose(batch, single, atol=1e-9), "a batch of n windows must equal n batches of one"
    assert torch.isfinite(batch).all(), "latents must be finite"
    steps = model.horizon
    mv = torch.zeros((len(windows), steps, len(model.plant.mvs)), dtype=batch.dtype)
    dv = torch.zeros((len(windows), steps, len(model.plant.dvs)), dtype=batch.dtype)
    rollout = model.rollout(batch, mv, dv)
    assert rollout.cv.shape == (len(windows), steps, len(model.output_names)), "one row an interval ahead"
    assert rollout.guard.shape == (len(windows), steps, len(model.guard_names)), "one column a guardrail"
    assert torch.isfinite(rollout.cv).all(), "predictions must be finite"
    assert torch.isfinite(rollout.guard).all(), "guardrails must be finite"
    first = model.predictor(batch, mv[:, 0], dv[:, 0])
    assert torch.allclose(model.readout(first), rollout.cv[:, 0]), "row 0 is the end of the first interval"
    again = model.rollout(single[:1], mv[:1], dv[:1])
    assert torch.allclose(again.cv, rollout.cv[:1], atol=1e-9), "a rollout must not depend on its batch"


def control_problem(
    model: WorldModel,
    *,
    latent: Float[np.ndarray, " latent"],
    last_mv: Float[np.ndarray, " mv"],
    horizon: int | None = None,
    **changes: Any,
) -> ControlProblem:
    """The planning problem that the plant file of `model` states, DVs at the centre of their scale.

    Args:
        model: gives the plant and the horizon.
        latent: the model's state now.
        last_mv: engineering units.
        horizon: intervals ahead; that of the model where `None`.
        changes: fields of `ControlProblem` in place of those from the plant file.
    """
    plant, rows = model.plant, horizon or model.horizon
    outputs, mvs = plant.outputs, plant.mvs
    target = [np.nan if tag.setpoint is None else tag.setpoint for tag in outputs]
    nowhere = (-np.inf, np.inf)
    problem = ControlProblem(
        latent=latent,
        last_mv=last_mv,
        dv=np.repeat(model.scaler.part(names_of(plant.dvs))[0][None], rows, axis=0),
        bias=np.zeros((rows, len(outputs))),
        target=np.repeat(np.array(target)[None], rows, axis=0),
        zone_low=np.array([(tag.zone or nowhere)[0] for tag in outputs]),
        zone_high=np.array([(tag.zone or nowhere)[1] for tag in outputs]),
        low=np.array([(tag.limits or nowhere)[0] for tag in outputs]),
        high=np.array([(tag.limits or nowhere)[1] for tag in outputs]),
        weight=np.array([tag.weight if tag in plant.cvs else 0.0 for tag in outputs]),
        span=np.array([tag.span for tag in outputs]),
        mv_low=np.array([tag.bounds[0] for tag in mvs]),
        mv_high=np.array([tag.bounds[1] for tag in mvs]),
        max_move=np.array([tag.max_move or np.inf for tag in mvs]),
        move_weight=np.array([tag.move_weight for tag in mvs]),
        mv_span=np.array([tag.span for tag in mvs]),
        priorities=priorities(plant),
        levels=tuple(tag.levels or () for tag in mvs),
    )
    return replace(problem, **changes)


def check_planner(
    make_planner: Callable[[WorldModel], Planner], model: WorldModel, problem: ControlProblem
) -> None:
    """Check that planners keep their contract: limits, deadline, repeatability, and a diverging model.

    Args:
        make_planner: builds a planner for a model, the same one every time.
        model: finished; plans are made through it.
        problem: one that `model` can solve.

    Raises:
        AssertionError: with a sentence saying what does not hold.
    """
    planner = make_planner(model)
    assert tuple(planner.guard_names) == model.guard_names, "a planner holds plans to the model's guardrails"
    plan = planner.plan(problem, warm_start=None, deadline_s=60.0)
    _check_usable_plan(plan, problem)
    following = planner.plan(problem, warm_start=plan, deadline_s=60.0)
    _check_usable_plan(following, problem)
    again = make_planner(model).plan(problem, warm_start=None, deadline_s=60.0)
    assert np.array_equal(plan.mv, again.mv), "the same problem and seed must give the same plan"
    for deadline_s in (0.0, 0.02, 0.2):
        hurried = planner.plan(problem, warm_start=None, deadline_s=deadline_s)
        assert not hurried.status.usable or hurried.solve_s <= deadline_s, "a late plan must not be usable"
    for part in ("readout", "predictor"):
        broken = copy.deepcopy(model)
        for parameter in getattr(broken, part).parameters():
            parameter.fill_(torch.nan)
        diverged = make_planner(broken).plan(problem, warm_start=plan, deadline_s=60.0)
        assert diverged.status is PlanStatus.DIVERGED, f"a {part} of NaN must give {PlanStatus.DIVERGED.name}"


async def check_link(link: PlantLink, setpoints: Setpoints) -> None:
    """Check that `link`, which is open, keeps the contract of a plant link.

    Args:
        link: it is drained and written to.
        setpoints: one or more MVs that the plant may be asked for, at values that it accepts as they are.

    Raises:
        AssertionError: with a sentence saying what does not hold.
    """
    assert setpoints, "check_link needs at least one setpoint"
    samples = list(link.drain())
    times = [sample.source_ns for sample in samples]
    assert times == sorted(times), "samples come oldest first"
    assert {sample.tag for sample in samples} <= set(link.spec.names), "samples are of the plant's tags"
    good = [sample.value for sample in samples if sample.quality is Quality.GOOD]
    assert all(math.isfinite(value) for value in good), "a Good sample has a finite value"
    assert not set(samples) & set(link.drain()), "a sample is drained once"
    accepted = await link.write(setpoints)
    assert accepted == setpoints, "write answers with what the plant accepted, by MV"
    measured = link.spec.cvs[0].name
    for name, value in ((measured, link.spec.cvs[0].range[0]), (link.spec.mvs[0].name, math.nan)):
        refusal = await _refusal(link, {name: value})
        assert name in refusal, f"{name} = {value} must be refused with a LinkError that names the tag"


async def _refusal(link: PlantLink, setpoints: Setpoints) -> str:
    try:
        await link.write(setpoints)
    except LinkError as error:
        return str(error)
    return ""


def _check_usable_plan(plan: Plan, problem: ControlProblem) -> None:
    assert plan.status.usable, f"the problem can be solved, and the plan says: {plan.status}"
    assert plan.mv.shape == (problem.horizon, len(problem.last_mv)), "one row an interval, one column an MV"
    assert plan.cv.shape == problem.target.shape, "one predicted row an interval"
    assert np.isfinite(plan.mv).all(), "a usable plan is finite"
    assert np.isfinite(plan.cv).all(), "a usable plan has a finite prediction"
    assert np.isfinite(plan.cost), "a usable plan has a finite cost"
    rounding = 1e-9 * problem.mv_span
    moves = np.abs(np.diff(plan.mv, axis=0, prepend=problem.last_mv[None]))
    assert (plan.mv >= problem.mv_low - rounding).all(), "every MV stays above its low limit"
    assert (plan.mv <= problem.mv_high + rounding).all(), "every MV stays below its high limit"
    assert (moves <= problem.max_move + rounding).all(), "no move is larger than max_move"
    assert np.array_equal(plan.mv, problem.on_levels(plan.mv)), "an MV with levels is always at one of them"
    assert plan.worst_guard <= 1e-5, "a usable plan keeps every guardrail at every row"


def _range_scaler(plant: PlantSpec) -> Scaler:
    low = np.array([tag.range[0] for tag in plant.tags])
    high = np.array([tag.range[1] for tag in plant.tags])
    return Scaler(plant.names, (low + high) / 2.0, (high - low) / 4.0)


def _linear_guard(
    name: str,
    coefficients: Float[np.ndarray, " latent"],
    constant: float,
    center: Float[np.ndarray, " latent"],
    width: Float[np.ndarray, " latent"],
) -> GuardHead:
    layer = nn.Linear(len(coefficients), 1).double()
    with torch.no_grad():
        layer.weight.copy_(torch.as_tensor(coefficients * width)[None])
        layer.bias.fill_(float(coefficients @ center) + constant)
    return GuardHead(name=name, network=nn.Sequential(layer), margin=0.0, coverage=1.0)
