"""latentplant's world models, taught by the logs and scored at the moments that procwm's are.

Its own defaults throughout. What it leaves to its user: CVs are its targets, other measurements its
observations, MVs its actions and DVs exogenous; windows hold 24 rows, as in its README, and as many ahead as
are scored; rows on which a tag is missing are not learned from. A prediction is the mean of its samples.
"""

import math
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from inspect import signature
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Float
from latentplant import (
    RSSM,
    PlantSchema,
    ProbabilisticEnsemble,
    TagSpec,
    WindowSet,
    WorldModel,
    make_windows,
    split_on_gaps,
)
from latentplant.models.base import TrainingDiverged

from procwm.data.cadence import default_cyclic, default_hold_s
from procwm.data.checks.screening import screen
from procwm.data.series import Log
from procwm.data.window import Grid, WindowRule, grid, on_rows
from procwm.learning.evaluation.scoring import LEADS, Scoring
from procwm.plant.tags import PlantSpec, Role, names_of
from procwm.world import model as world

CONTEXT = 24
LONGEST_S = 300.0
"""Of processor time that one of its models may take: where its default is longer, it has fewer epochs."""
_CHUNK = 256
"""Moments that are predicted at a time."""
_NS = 1_000_000_000
_KINDS = MappingProxyType({"ensemble": ProbabilisticEnsemble, "rssm": RSSM})
_ROLES = MappingProxyType(
    {Role.CV: "target", Role.PV: "observation", Role.MV: "action", Role.DV: "exogenous"}
)


@dataclass(frozen=True, kw_only=True)
class Rival:
    """One of its models.

    Attributes:
        kind: which.
        epochs: that it was trained for.
        train_s: how long that took.
        nrmse: by lead, mean over the CVs; NaN where it diverged.
    """

    kind: str
    epochs: int
    train_s: float
    nrmse: Mapping[int, float]


def rivals(
    model: world.WorldModel, taught: Log, test: Log, held_to: Scoring, *, seed: int
) -> Iterator[Rival]:
    """Its models, trained on `taught` and scored on `test` at the moments of `held_to`.

    Args:
        model: gives the plant and the scale.
        held_to: made from `test`.
    """
    trusted = screen(taught, model.plant).trusted()
    rule = WindowRule(
        tags=model.plant.names,
        interval_s=model.plant.interval_s,
        history=CONTEXT,
        hold_s=default_hold_s(model.plant, trusted),
        cyclic=default_cyclic(model.plant, trusted),
    )
    schema, rows = _schema(model.plant, rule, trusted), grid(trusted, rule)
    complete = rows.valid.all(axis=1)
    time_s = (rows.time_ns[complete] - rows.time_ns[0]) / _NS
    windows = make_windows(
        schema, split_on_gaps(schema, rows.values[complete], time_s), context=CONTEXT, horizon=max(LEADS)
    )
    questions = _questions(schema, rule, screen(test, model.plant).trusted(), held_to, rows)
    cvs = names_of(model.plant.cvs)
    columns = [schema.observation_names().index(name) for name in cvs]
    for kind, build in _KINDS.items():
        rival: WorldModel = build(windows.n_obs, windows.n_act, windows.n_exo)
        errors = dict.fromkeys(LEADS, math.nan)
        epochs = _affordable(rival, windows, seed)
        began = time.perf_counter()
        fitted = _fitted(rival, windows, epochs, seed)
        train_s = time.perf_counter() - began
        if fitted:
            predicted = model.tensor(_answers(rival, questions, seed)[..., columns], cvs)
            errors = {lead: float(held_to.nrmse(predicted, lead).mean()) for lead in LEADS}
        yield Rival(kind=kind, epochs=epochs, train_s=train_s, nrmse=errors)


def _schema(plant: PlantSpec, rule: WindowRule, log: Log) -> PlantSchema:
    """The tags, those that are measured in cycles with the usual time between two samples."""
    return PlantSchema(
        tags=tuple(
            TagSpec(
                tag.name,
                _ROLES[tag.role],
                tag.unit or "",
                *tag.range,
                float(np.median(np.diff(log.series[tag.name].usable.time_ns))) / _NS
                if tag.name in rule.cyclic
                else None,
            )
            for tag in plant.tags
        ),
        row_seconds=plant.interval_s,
    )


def _affordable(rival: WorldModel, windows: WindowSet, seed: int) -> int:
    """Its default count of epochs, or as many as `LONGEST_S` allows by what one takes."""
    default = int(signature(rival.fit).parameters["epochs"].default)
    began = time.process_time()
    _fitted(rival, windows, 1, seed)
    return max(1, min(default, int(LONGEST_S / (time.process_time() - began))))


def _fitted(rival: WorldModel, windows: WindowSet, epochs: int, seed: int) -> bool:
    """Train it; whether that came to anything."""
    try:
        rival.fit(windows, epochs=epochs, seed=seed)
    except TrainingDiverged:
        return False
    return True


def _questions(
    schema: PlantSchema, rule: WindowRule, test: Log, held_to: Scoring, taught: Grid
) -> Sequence[Float[np.ndarray, "moment _ _"]]:
    """What `rollout` is given: past observations, actions and exogenous values, then the coming two latter.

    Where a tag is missing its last value stands in, before the first one its mean in `taught`; where a
    stretch of the log is younger than the context, its first row.
    """
    scored = held_to.rows
    values, _ = on_rows({tag: test.series[tag].usable for tag in rule.tags}, scored.time_ns, rule)
    usual = np.nanmean(taught.values, axis=0)
    first = np.zeros(len(scored), dtype=np.int64)
    for stretch in scored.stretches:
        valid = np.isfinite(values[stretch])
        values[stretch] = world.fill_forward(values[stretch] - usual, valid) + usual
        first[stretch] = stretch.start
    moments = held_to.moments.numpy()[:, None]
    past = np.maximum(moments + np.arange(1 - CONTEXT, 1), first[moments])
    ahead = moments + np.arange(1, max(LEADS) + 1)
    actions, exogenous = schema.index("action"), schema.index("exogenous")
    return (
        values[past][..., schema.observation_index()],
        *(values[rows][..., columns] for rows in (past, ahead) for columns in (actions, exogenous)),
    )


def _answers(
    rival: WorldModel, questions: Sequence[Float[np.ndarray, "moment _ _"]], seed: int
) -> Float[np.ndarray, "moment step output"]:
    """The mean of its samples."""
    few = range(0, len(questions[0]), _CHUNK)
    found: list[Any] = [
        rival.rollout(*(part[first : first + _CHUNK] for part in questions), seed=seed).mean for first in few
    ]
    return np.concatenate(found)
