"""Small plants with exact models that planning tests share."""

import numpy as np
import torch
from torch import nn

from procwm.plant.tags import PlantSpec, Role, Tag
from procwm.testing import exact_model
from procwm.world.model import WorldModel
from procwm.world.predictors.residual import ResidualPredictor


def plant(*, max_move: float | None = None, move_weight: float = 0.1, limits: bool = False) -> PlantSpec:
    """One level, one inflow."""
    return PlantSpec(
        name="tank",
        interval_s=1.0,
        tags=(
            Tag(
                name="Y", role=Role.CV, range=(0.0, 10.0), setpoint=5.0, limits=(1.0, 7.0) if limits else None
            ),
            Tag(name="U", role=Role.MV, range=(-5.0, 5.0), max_move=max_move, move_weight=move_weight),
        ),
    )


def lag(*, horizon: int = 20, guard_above: float | None = None, **options: float | bool | None) -> WorldModel:
    """`y' = 0.8 y + 0.4 u + 1`; the guardrail, if any, is `y <= guard_above`."""
    guards = {} if guard_above is None else {"high level": (np.ones(1), -guard_above)}
    return exact_model(
        plant(**options),  # type: ignore[arg-type]
        state_matrix=np.array([[0.8]]),
        input_matrix=np.array([[0.4]]),
        offset=np.array([1.0]),
        guards=guards,
        horizon=horizon,
    )


def latent(model: WorldModel, y: float) -> np.ndarray:
    """The state of an exact model whose level is `y`."""
    return model.scaler.scale(np.array([y]), ("Y",))


def static(centres: list[float], heights: list[float], *, offset: float, horizon: int) -> WorldModel:
    """`y' = offset + sum heights tanh(2 (u - centres))`: no memory, and no price on moves."""
    model = lag(horizon=horizon, max_move=2.0, move_weight=0.0)
    predictor = ResidualPredictor(latent=1, mv=1, dv=0, hidden=(len(centres),)).double()
    y_center, y_width = (float(part[0]) for part in model.scaler.part(("Y",)))
    u_center, u_width = (float(part[0]) for part in model.scaler.part(("U",)))
    first, last = predictor.network[0], predictor.network[-1]
    assert isinstance(first, nn.Linear)
    assert isinstance(last, nn.Linear)
    with torch.no_grad():
        predictor.linear.weight[0, 0] = -1.0
        predictor.linear.bias.fill_((offset - y_center) / y_width)
        first.weight[:, 0] = 0.0
        first.weight[:, 1] = 2.0 * u_width
        first.bias.copy_(2.0 * (u_center - torch.tensor(centres)))
        last.weight[0] = torch.tensor(heights) / y_width
        last.bias.zero_()
    model.predictor = predictor
    return model.finished()


def two_basins(horizon: int = 10) -> WorldModel:
    """A bump of 3 around `u = -2` and one of 8 around `u = 3`; between them, and outside, 0."""
    return static([-3.0, -1.0, 2.0, 4.0], [1.5, -1.5, 4.0, -4.0], offset=0.0, horizon=horizon)


def saturating(horizon: int = 3) -> WorldModel:
    """`y' = 5 + 4 tanh(2 u)`: full Newton steps to its setpoint of 5 run away from `|u| > 0.55`."""
    return static([0.0], [4.0], offset=5.0, horizon=horizon)
