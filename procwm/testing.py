"""Contracts that anyone can run over their own parts, and doubles to run them with."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import nn

from procwm.data.window import Window, WindowRule
from procwm.errors import SpecError
from procwm.plant.tags import PlantSpec, names_of
from procwm.world.encoders.mlp import MlpEncoder
from procwm.world.heads import GuardHead
from procwm.world.model import WorldModel
from procwm.world.predictors.residual import ResidualPredictor
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

    encoder = MlpEncoder(history=history, tags=len(plant.names), latent=len(names), hidden=(1,))
    predictor = ResidualPredictor(latent=len(names), mv=len(mvs), dv=len(dvs), hidden=(1,))
    readout = nn.Linear(len(names), len(outputs))
    model = WorldModel(
        plant=plant,
        rule=WindowRule(
            tags=plant.names,
            interval_s=plant.interval_s,
            history=history,
            hold_s=tuple(tag.max_hold_s or 3.0 * plant.interval_s for tag in plant.tags),
        ),
        scaler=scaler,
        horizon=horizon,
        encoder=encoder,
        predictor=predictor,
        readout=readout,
        guards=[_linear_guard(name, a, b, center, width) for name, (a, b) in (guards or {}).items()],
    ).double()
    with torch.no_grad():
        for part in (encoder.linear, predictor.linear, readout):
            part.weight.zero_()
            part.bias.zero_()
        last_row = (history - 1) * len(plant.names)
        for row, name in enumerate(names):
            encoder.linear.weight[row, last_row + plant.names.index(name)] = 1.0
        for row, name in enumerate(outputs):
            readout.weight[row, names.index(name)] = 1.0
        columns = np.hstack((state_matrix - np.eye(len(names)), input_matrix, disturbance))
        input_center, input_width = scaler.part((*names, *mvs, *dvs))
        predictor.linear.weight.copy_(torch.as_tensor(columns * input_width / width[:, None]))
        predictor.linear.bias.copy_(torch.as_tensor((columns @ input_center + constant) / width))
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
