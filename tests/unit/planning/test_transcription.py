"""Torch layers, CasADi expressions and numpy derivatives say the same."""

from dataclasses import replace

import casadi as ca
import numpy as np
import pytest
import torch
from torch import nn

from procwm.errors import SpecError
from procwm.planning.foresight import Foresight
from procwm.planning.linearisation import LatentTrajectory, imagine, outputs
from procwm.planning.moves import MoveSpace, move_blocks
from procwm.planning.network import Derivatives, value
from procwm.planning.objective import objective
from procwm.planning.prediction import Evaluator
from procwm.planning.transcription import expression, guard_values, next_latent, transcribe
from procwm.plant.tags import PlantSpec, Role, Tag
from procwm.testing import control_problem, exact_model
from procwm.world.heads import GuardHead
from procwm.world.model import WorldModel
from procwm.world.parts.layers import read_layers
from procwm.world.parts.specs import StepShape
from procwm.world.predictors.mlp_predictor import MlpPredictor

PLANT = PlantSpec(
    name="nonlinear",
    interval_s=1.0,
    tags=(
        Tag(name="Y1", role=Role.CV, range=(0.0, 10.0), setpoint=5.0),
        Tag(name="Y2", role=Role.CV, range=(0.0, 20.0), setpoint=5.0),
        Tag(name="U1", role=Role.MV, range=(0.0, 10.0), max_move=1.0),
        Tag(name="U2", role=Role.MV, range=(0.0, 5.0), max_move=0.5),
        Tag(name="D", role=Role.DV, range=(0.0, 2.0)),
    ),
)


def nonlinear_model(horizon: int = 12) -> WorldModel:
    torch.manual_seed(0)
    model = exact_model(
        PLANT, state_matrix=0.8 * np.eye(2), input_matrix=np.full((2, 2), 0.3), horizon=horizon
    )
    predictor = MlpPredictor(hidden=(16, 16)).build(StepShape(latent=2, mv=2, dv=1, outputs=2))
    for parameter in predictor.parameters():
        parameter.data = 0.3 * torch.randn_like(parameter.double())
    model.predictor = predictor
    head = GuardHead(
        name="g",
        network=nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1)),
        margin=0.25,
        coverage=0.9,
    )
    return model.with_guard(head)


@pytest.mark.parametrize("activation", [nn.Tanh(), nn.SiLU()])
def test_value_and_jacobian_agree_with_torch(activation: nn.Module) -> None:
    torch.manual_seed(1)
    network = nn.Sequential(
        nn.Linear(5, 32), activation, nn.Sequential(nn.Linear(32, 32), activation), nn.Linear(32, 3)
    )
    network = network.double()
    x = 2.0 * torch.randn(7, 5, dtype=torch.float64)
    exact = network(x).detach().numpy()
    exact_jacobian = torch.stack(
        [torch.autograd.functional.jacobian(network, row) for row in x]  # type: ignore[no-untyped-call]
    ).numpy()
    layers = read_layers(network)
    symbol = ca.MX.sym("x", 5)
    written = expression(layers, symbol)
    f = ca.Function("f", [symbol], [written, ca.jacobian(written, symbol)])
    for row in range(7):
        symbolic, symbolic_jacobian = (np.asarray(part) for part in f(x[row].numpy()))
        assert np.abs(symbolic.ravel() - exact[row]).max() < 1e-12
        assert np.abs(symbolic_jacobian - exact_jacobian[row]).max() < 1e-12
    assert np.abs(value(layers, x.numpy()) - exact).max() < 1e-12
    assert np.abs(Derivatives(layers, x.numpy()).jacobian - exact_jacobian).max() < 1e-12


def test_layers_that_do_not_take_turns_agree_with_torch_all_the_same() -> None:
    torch.manual_seed(1)
    affine = [nn.Linear(3, 4), nn.Linear(4, 5)]
    network = nn.Sequential(*affine, nn.Tanh(), nn.SiLU(), nn.Linear(5, 2), nn.Tanh()).double()
    x = torch.randn(7, 3, dtype=torch.float64)
    layers = read_layers(network)
    derivatives, exact = Derivatives(layers, x.numpy()), network(x).detach().numpy()
    assert np.abs(value(layers, x.numpy()) - exact).max() < 1e-12
    assert np.abs(derivatives.value - exact).max() < 1e-12
    with pytest.raises(SpecError, match="begins with tanh"):
        read_layers(nn.Sequential(nn.Tanh(), nn.Linear(2, 2)))


@pytest.mark.parametrize("hidden", [(), (6,), (6, 5, 4)])
def test_every_depth_of_network_is_rolled_out_and_swept_back_as_its_derivatives_say(
    hidden: tuple[int, ...],
) -> None:
    model = nonlinear_model()
    predictor = MlpPredictor(hidden=hidden).build(StepShape(latent=2, mv=2, dv=1, outputs=2))
    for parameter in predictor.parameters():
        parameter.data = 0.3 * torch.randn_like(parameter.double())
    model.predictor = predictor
    problem = control_problem(model, latent=np.array([0.3, -0.2]), last_mv=np.array([5.0, 2.0]))
    space = MoveSpace(move_blocks(12), problem)
    foresight = Foresight(transcribe(model), space, objective(problem))
    one, other = space.hold, space.clip(space.hold + 0.3)
    alone = foresight.points(one[None])[0]
    assert foresight.points(np.stack((other, one)))[1].at.cv == pytest.approx(alone.at.cv, rel=1e-12)
    prediction = Evaluator(model, problem).predict(space.expand(one)[None])
    assert alone.at.cv == pytest.approx(prediction.cv[0], rel=1e-9)
    by_cv = np.random.default_rng(0).standard_normal(alone.at.cv.shape)
    by_guard = np.ones(alone.guard.shape)
    swept, chained = (alone.at.pulled_back(by_cv, by_guard, sweep=sweep) for sweep in (True, False))
    assert swept == pytest.approx(chained, rel=1e-9)


def test_predictor_and_guardrail_agree_with_torch() -> None:
    model = nonlinear_model()
    transcript = transcribe(model)
    z, u, d = (ca.MX.sym(name, size) for name, size in (("z", 2), ("u", 2), ("d", 1)))
    step = ca.Function("step", [z, u, d], [next_latent(transcript, z, u, d), guard_values(transcript, z)])
    inputs = [torch.randn(1, size, dtype=torch.float64) for size in (2, 2, 1)]
    after, guard = (np.asarray(part).ravel() for part in step(*(part.numpy().ravel() for part in inputs)))
    assert np.abs(after - model.predictor(*inputs).numpy().ravel()).max() < 1e-12
    assert np.abs(guard - model.guard(inputs[0]).numpy().ravel()).max() < 1e-12


def test_a_layer_that_has_no_expression_is_refused_by_name() -> None:
    with pytest.raises(SpecError, match="LayerNorm"):
        read_layers(nn.Sequential(nn.Linear(2, 2), nn.LayerNorm(2)))
    model = nonlinear_model()
    model.predictor.network = nn.Sequential(nn.Linear(5, 2), nn.ReLU())
    with pytest.raises(SpecError, match="ReLU"):
        transcribe(model)


def test_the_transcript_predicts_what_the_model_predicts() -> None:
    model = nonlinear_model()
    generator = np.random.default_rng(0)
    problem = control_problem(model, latent=generator.standard_normal(2), last_mv=np.array([5.0, 2.0]))
    problem = replace(
        problem, bias=generator.standard_normal(problem.bias.shape), dv=generator.uniform(0, 2, (12, 1))
    )
    mv = generator.uniform([0.0, 0.0], [10.0, 5.0], (3, 12, 2))
    prediction = Evaluator(model, problem).predict(mv)
    transcript = transcribe(model)
    latent = imagine(transcript, problem, mv)
    cv = outputs(transcript, problem, latent)
    for row in range(3):
        at = LatentTrajectory(transcript, MoveSpace(move_blocks(12), problem), mv[row], latent[row], cv[row])
        assert np.abs(at.cv - prediction.cv[row]).max() < 1e-10
        assert np.abs(at.guard - prediction.guard[row]).max() < 1e-10


def test_slopes_by_knots_agree_with_differences() -> None:
    model = nonlinear_model()
    transcript = transcribe(model)
    problem = control_problem(model, latent=np.array([0.3, -0.2]), last_mv=np.array([5.0, 2.0]))
    space = MoveSpace(move_blocks(12), problem)
    knots = space.clip(np.random.default_rng(0).uniform(0, 5, (len(space.blocks.lengths), 2)))
    mv = space.expand(knots)
    latent = imagine(transcript, problem, mv[None])[0]
    at = LatentTrajectory(transcript, space, mv, latent, outputs(transcript, problem, latent))
    step = 1e-6
    for index in range(knots.size):
        changed = knots.copy()
        changed.ravel()[index] += step * problem.mv_span[index % 2]
        moved = Evaluator(model, problem).predict(space.expand(changed)[None])
        assert np.abs((moved.cv[0] - at.cv) / step - at.cv_slope[:, :, index]).max() < 1e-4
        assert np.abs((moved.guard[0] - at.guard) / step - at.guard_slope[:, :, index]).max() < 1e-4
