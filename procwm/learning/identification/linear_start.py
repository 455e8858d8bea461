"""The linear start of a training, chosen by cross-validation over time.

How much of the past a window holds, how far coefficients are shrunk and how many states are kept differ
between plants by more than any rule of thumb; linear models are cheap enough to try. Each quarter of the
log is predicted by models of the rest of it (blocked cross-validation: Bergmeir and Benitez, On the use of
cross-validation for time series predictor evaluation, Information Sciences 191 (2012), 192-213).
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import torch
from jaxtyping import Float, Int
from torch import Tensor

from procwm.data.anchors import (
    LEAST_MOMENTS,
    LONGEST_HORIZON,
    SHORTEST_HISTORY,
    SHORTEST_HORIZON,
    enough,
)
from procwm.data.window import Grid
from procwm.learning.config import TrainingConfig
from procwm.learning.dataset.parts import Part, part, passive_part, with_history
from procwm.learning.dataset.tensors import scattered
from procwm.learning.identification.regression import (
    Sums,
    regress,
    sums,
    sums_of_each,
    target_importance,
    with_passive,
)
from procwm.learning.identification.state_space import (
    STATE_RIDGE,
    followed,
    mean_squared_error,
    ridge,
    settling_rows,
    state_space,
    states,
)
from procwm.plant.tags import PlantSpec
from procwm.world.linear import LinearDynamics
from procwm.world.scaler import fit_scaler

HISTORIES = (16, 24, 32, 48, 64)
"""Rows of a window that are tried, where they are within a tenth of the log."""
RIDGES = (1e-3, 1e-2, 1e-1)
EXTRA_LATENTS = (0, 1, 2, 3, 4, 6, 8, 10, 12)
"""States beside the present outputs that are tried."""
SPARE_LATENTS = 6
"""Above the fewest that linear models need, for what they do not see."""
MOST_LATENTS = 16
FOLDS = 4
MOST_SCORED = 512
"""Moments of a fold that models are compared on."""
MOST_STEPS = 1500
"""Moments of a fold that the steps of tried models are fitted to."""
_AS_GOOD = 0.02
"""Of the logarithm of a squared error, which is a hundredth of the error: fewer states are worth that."""


@dataclass(frozen=True, eq=False)
class _Fold:
    """Moments to learn from, and moments to score."""

    learned: Int[Tensor, " learned"]
    scored: Int[Tensor, " scored"]


@dataclass(frozen=True)
class Start:
    """What the linear start is made with.

    Attributes:
        history: rows of a window.
        ridge: weight of the regression of outputs ahead.
        latent: states.
    """

    history: int
    ridge: float
    latent: int


def longest_horizon(plant: PlantSpec, rows: Grid, config: TrainingConfig) -> int:
    """Leads that linear models are compared over: a twentieth of the log, within 20 and 60 rows."""
    if config.horizon is not None:
        return config.horizon
    wanted = min(max(SHORTEST_HORIZON, len(rows) // 20), LONGEST_HORIZON)
    return wanted if enough(rows, plant, horizon=wanted) else SHORTEST_HORIZON


def settled_horizon(model: LinearDynamics, plant: PlantSpec, longest: int) -> int:
    """The settling time of the slowest step response of `model`, from 20 rows to `longest`."""
    return min(max(settling_rows(model, len(plant.mvs), longest), SHORTEST_HORIZON), longest)


def chosen_start(
    plant: PlantSpec,
    rows: Grid,
    horizon: int,
    companions: Int[Tensor, " companion"],
    config: TrainingConfig,
    passive: Grid | None = None,
) -> Start:
    """The start whose models predict every quarter of the log best from the rest of it, and from `passive`.

    Errors of leads, outputs and companions are compared by their geometric mean, so that each counts by
    ratio. Of starts that are as good to a hundredth, the one with the fewest states is taken, and
    `SPARE_LATENTS` more.

    Raises:
        TrainingError: the log is too short.
    """
    outputs = len(plant.outputs)
    scaler = fit_scaler(plant, rows.rule.tags, rows.values, rows.valid)
    latents = sorted({min(outputs + extra, max(MOST_LATENTS, outputs)) for extra in EXTRA_LATENTS})
    if config.latent is not None:
        latents = [config.latent]
    errors: dict[Start, float] = {}
    importance = target_importance(outputs, len(companions))
    for history in histories(plant, rows, horizon, config):
        found = part(with_history(rows, history), plant, scaler, horizon)
        quiet = passive_part(passive, found, plant, scaler, horizon)
        known = None if quiet is None else sums(quiet.tensors, quiet.moments, horizon, companions)
        folds = _folds(found, horizon)
        gathered = sums_of_each(found.tensors, [fold.learned for fold in folds], horizon, companions)
        tried = [
            _tried(found, fold, with_passive(own, known), horizon, companions, latents, quiet)
            for fold, own in zip(folds, gathered, strict=True)
        ]
        for weight, latent in tried[0]:
            mean = torch.stack([missed_by[weight, latent] for missed_by in tried]).mean(dim=0)
            ratio = mean.clamp(min=1e-12).log().mean(dim=0)
            errors[Start(history, weight, latent)] = float((ratio * importance).sum() / importance.sum())
    least = min(errors.values())
    good = [start for start, error in errors.items() if error <= least + _AS_GOOD]
    fewest = min(good, key=lambda start: (start.latent, errors[start]))
    spared = min(fewest.latent + SPARE_LATENTS, latents[-1])
    return replace(fewest, latent=spared)


def histories(plant: PlantSpec, rows: Grid, horizon: int, config: TrainingConfig) -> Sequence[int]:
    """Lengths of windows to try, the shortest first."""
    if config.history is not None:
        return (config.history,)
    affordable = [history for history in HISTORIES if history <= len(rows) / 10]
    usable = [history for history in affordable if enough(rows, plant, history=history, horizon=horizon)]
    return usable or (SHORTEST_HISTORY,)


def _folds(found: Part, horizon: int) -> list[_Fold]:
    """For every quarter of the log its moments, and those a window and a horizon away from it."""
    moments, regressed, history = found.moments, found.regressed, found.grid.rule.history
    edges = [len(found.grid) * n // FOLDS for n in range(FOLDS + 1)]
    folds = []
    for first, last in pairwise(edges):
        inside = (moments >= first - 1) & (moments + horizon < last)
        outside = (regressed + horizon < first) | (regressed - history >= last)
        if inside.any() and int(outside.sum()) >= LEAST_MOMENTS / 2:
            folds.append(_Fold(regressed[outside], moments[inside]))
    # Where gaps leave no quarter whole, the earlier moments speak for the later ones.
    half = len(moments) // 2
    return folds or [_Fold(moments[:half], moments[half:])]


def _tried(
    found: Part,
    fold: _Fold,
    gathered: Sums,
    horizon: int,
    companions: Int[Tensor, " companion"],
    latents: Sequence[int],
    passive: Part | None,
) -> dict[tuple[float, int], Float[Tensor, "step target"]]:
    """Squared errors of outputs and companions by ridge and count of states."""
    few, checked = scattered(fold.learned, MOST_STEPS), scattered(fold.scored, MOST_SCORED)
    held_to = followed(found.tensors, checked, horizon, companions)
    errors = {}
    for weight in RIDGES:
        seen = states(found.tensors, few, regress(gathered, weight), latents[-1], passive)
        for latent in latents:
            model = state_space(found.tensors, seen, latent, may_grow=True)
            witness = ridge(
                seen.steps.now[:, :latent], found.tensors.others[few][:, companions].double(), STATE_RIDGE
            )
            errors[weight, latent] = mean_squared_error(model, held_to, witness)
    return errors
