"""latentplant's planner over the same network, for its speed."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from latentplant import Planner, Rollout

from procwm.planning.problem import ControlProblem
from procwm.plant.tags import names_of
from procwm.world.model import WorldModel


class _Model:
    """What latentplant asks of a model: a rollout of many windows; the network knows its state already."""

    def __init__(self, model: WorldModel, problem: ControlProblem) -> None:
        self._model, self._latent = model, torch.as_tensor(problem.latent)

    def rollout(self, _obs: Any, _act: Any, _exo: Any, actions: Any, _future: Any, **_: Any) -> Rollout:
        model = self._model
        with torch.inference_mode():
            mv = model.tensor(actions, names_of(model.plant.mvs))
            found = model.rollout(
                self._latent.expand(len(mv), -1), mv, mv.new_zeros((*mv.shape[:2], len(model.plant.dvs)))
            )
        return Rollout(samples=model.engineering(found.cv, model.output_names)[None])


def latentplant_round(model: WorldModel, problem: ControlProblem, candidates: int) -> Callable[[], int]:
    """One round of its cross-entropy search; the count of candidates."""
    bounds = np.stack((problem.mv_low, problem.mv_high), axis=1)
    planner = Planner(
        _Model(model, problem), bounds, problem.horizon, n_candidates=candidates, n_iterations=1, n_samples=1
    )
    target = np.nan_to_num(problem.target, nan=50.0)
    nothing = np.zeros((1, 1, 1))

    def one_round() -> int:
        planner.plan(nothing, nothing, nothing, nothing, lambda cv: ((cv - target) ** 2).mean(axis=(1, 2)))
        return candidates

    return one_round
