"""What a batch of MV trajectories is predicted to do and to cost."""

import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from procwm.planning.objective import Objective, objective
from procwm.planning.problem import ControlProblem
from procwm.plant.tags import names_of
from procwm.world.model import WorldModel

GUARD_TOLERANCE = 1e-6
"""A guardrail above this is broken; the scale is that of a guardrail's own value, about 1."""
_AT_ONCE = 2048
"""Trajectories that are rolled out together."""


@dataclass(frozen=True, eq=False)
class Prediction:
    """Trajectories and what becomes of them, engineering units.

    Attributes:
        mv: the trajectories.
        cv: predicted outputs, disturbance estimate included.
        guard: predicted guardrails, safe where `<= 0`.
        cost: of each trajectory; +inf where its prediction is not finite.
    """

    mv: Float[np.ndarray, "batch horizon mv"]
    cv: Float[np.ndarray, "batch horizon output"]
    guard: Float[np.ndarray, "batch horizon guard"]
    cost: Float[np.ndarray, " batch"]

    @property
    def finite(self) -> Bool[np.ndarray, " batch"]:
        """Whether the prediction can be ranked at all."""
        finite: np.ndarray = np.isfinite(self.cost)
        return finite

    @cached_property
    def violation(self) -> Float[np.ndarray, " batch"]:
        """Sum over the horizon of what guardrails are exceeded by; 0 where safe, +inf where not finite."""
        broken = np.where(self.guard > GUARD_TOLERANCE, self.guard, 0.0).sum(axis=(-1, -2))
        return np.where(self.finite, broken, np.inf)

    @cached_property
    def ranking(self) -> Int[np.ndarray, " batch"]:
        """Best first: safe ones by cost, then unsafe ones by violation, then those that are not finite."""
        return np.lexsort((self.cost, self.violation))


def in_single_precision(model: WorldModel) -> WorldModel:
    """A copy that rolls out twice as fast, and exactly enough to choose between candidates."""
    return copy.deepcopy(model).float()


class Evaluator:
    """A world model and one problem: from MV trajectories to their predictions."""

    def __init__(self, model: WorldModel, problem: ControlProblem) -> None:
        self.problem = problem
        self.objective: Objective = objective(problem)
        self._model = model
        weight = model.readout.weight
        self._latent = torch.as_tensor(problem.latent, dtype=weight.dtype, device=weight.device)
        self._dv = model.tensor(problem.dv, names_of(model.plant.dvs))

    def predict(self, mv: Float[np.ndarray, "batch horizon mv"]) -> Prediction:
        """Roll every trajectory out; memory does not grow with their count, but for what is returned."""
        parts = [self._part(mv[begin : begin + _AT_ONCE]) for begin in range(0, max(len(mv), 1), _AT_ONCE)]
        if len(parts) == 1:
            return parts[0]
        cv, guard, cost = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("cv", "guard", "cost")
        )
        return Prediction(mv, cv, guard, cost)

    def _part(self, mv: Float[np.ndarray, "batch horizon mv"]) -> Prediction:
        model, batch = self._model, len(mv)
        with torch.inference_mode():
            rollout = model.rollout(
                _repeat(self._latent, batch),
                model.tensor(mv, model.plant.mv_names),
                _repeat(self._dv, batch),
            )
        known = len(model.output_names)
        cv = model.engineering(rollout.cv[..., :known], model.output_names)
        # What is read beside the plant's outputs has no other unit.
        others = rollout.cv[..., known:].detach().cpu().numpy().astype(np.float64)
        cv = np.concatenate((cv, others), axis=-1) + self.problem.bias
        guard = rollout.guard.detach().cpu().numpy().astype(np.float64)
        with np.errstate(over="ignore", invalid="ignore"):
            cost = self.objective.cost(cv, mv)
        finite = np.isfinite(cost) & np.isfinite(cv).all(axis=(1, 2)) & np.isfinite(guard).all(axis=(1, 2))
        return Prediction(mv, cv, guard, np.where(finite, cost, np.inf))


def _repeat(value: Tensor, batch: int) -> Tensor:
    return value.expand(batch, *value.shape)
