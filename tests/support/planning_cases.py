"""Small plants with exact models that planning tests share."""

import numpy as np

from procwm.plant.tags import PlantSpec, Role, Tag
from procwm.testing import exact_model
from procwm.world.model import WorldModel
from procwm_studies.planner.basins import bent


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


def saturating(horizon: int = 3) -> WorldModel:
    """`y' = 5 + 4 tanh(2 u)`: full Newton steps to its setpoint of 5 run away from `|u| > 0.55`."""
    return bent(((0.0, 4.0),), offset=5.0, horizon=horizon)
