"""Problems with more than one optimum, whose better one is known by construction."""

from collections.abc import Iterator, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch import nn

from procwm.planning.problem import ControlProblem
from procwm.plant.tags import PlantSpec, Role, Tag
from procwm.testing import control_problem, exact_model
from procwm.world.model import WorldModel
from procwm.world.parts.specs import StepShape
from procwm.world.predictors.mlp_predictor import MlpPredictor
from procwm.world.predictors.residual import ResidualPredictor

PLANT = PlantSpec(
    name="two basins",
    interval_s=1.0,
    tags=(
        Tag(name="Y", role=Role.CV, range=(0.0, 10.0), setpoint=5.0),
        Tag(name="U", role=Role.MV, range=(-5.0, 5.0), max_move=2.0),
    ),
)


def bent(steps: Sequence[tuple[float, float]], *, offset: float, horizon: int) -> WorldModel:
    """`y' = offset + sum height tanh(2 (u - centre))`: no memory, and no price on moves.

    Args:
        steps: centre and height of each.
        offset: value halfway up all of them.
        horizon: intervals ahead.
    """
    model = exact_model(PLANT, state_matrix=np.zeros((1, 1)), input_matrix=np.zeros((1, 1)), horizon=horizon)
    step = StepShape(latent=1, mv=1, dv=0, outputs=1)
    predictor = MlpPredictor(hidden=(len(steps),)).build(step)
    assert isinstance(predictor, ResidualPredictor)
    predictor = predictor.double()
    y_center, y_width = (float(part[0]) for part in model.scaler.part(("Y",)))
    u_center, u_width = (float(part[0]) for part in model.scaler.part(("U",)))
    first, _, last = predictor.network.children()
    assert isinstance(first, nn.Linear)
    assert isinstance(last, nn.Linear)
    centres, heights = torch.tensor(steps, dtype=torch.float64).T
    with torch.no_grad():
        predictor.linear.weight.copy_(torch.tensor([[-1.0, 0.0]]))
        predictor.linear.bias.fill_((offset - y_center) / y_width)
        first.weight.copy_(torch.tensor([[0.0, 2.0 * u_width]]).expand(len(steps), 2))
        first.bias.copy_(2.0 * (u_center - centres))
        last.weight[0] = heights / y_width
        last.bias.zero_()
    dynamics = replace(model.parts.dynamics, predictor=predictor)
    return WorldModel(replace(model.parts, dynamics=dynamics)).finished()


def two_basins(horizon: int = 10) -> WorldModel:
    """A bump of 3 around `u = -2` and one of 8 around `u = 3`; between them, and outside, 0."""
    return bent(((-3.0, 1.5), (-1.0, -1.5), (2.0, 4.0), (4.0, -4.0)), offset=0.0, horizon=horizon)


def bad_starts(model: WorldModel, count: int, generator: np.random.Generator) -> Iterator[ControlProblem]:
    """Problems of `two_basins` with the setpoint 8 that begin on the lower bump."""
    for last in generator.uniform(-3.0, -1.0, count):
        problem = control_problem(model, latent=generator.uniform(-1.0, 1.0, 1), last_mv=np.array([last]))
        yield replace(problem, target=np.full(problem.target.shape, 8.0))


def in_the_better_basin(mv: np.ndarray) -> bool:
    """Whether a trajectory ends on the higher bump."""
    return bool(abs(float(mv[-1, 0]) - 3.0) <= 1.0)
