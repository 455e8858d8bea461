"""A world model with its guardrails, learned as a user would: a routine log and a few judged moments."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from procwm.comparison.operating import OperatingLog
from procwm.data.window import held
from procwm.learning.labelled.coverage import Coverage, coverage
from procwm.learning.labelled.guardrail import learn_guardrail
from procwm.learning.labelled.label_times import suggest_label_times
from procwm.learning.labelled.labels import Labels, labels
from procwm.learning.train import Progress, train
from procwm.plant.tags import PlantSpec
from procwm.world.model import WorldModel

LABELS = 32
"""Moments that somebody judges: half of them before anything is known, the others near the limits."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Learned:
    """What learning came to.

    Attributes:
        unguarded: the model alone.
        guarded: the same with every guardrail of the scenario.
        train_s: wall time of training and of the guardrails.
        labels: that the guardrails were made from.
        coverage: of every guardrail, on a log that neither model nor labels came from.
    """

    unguarded: WorldModel
    guarded: WorldModel
    train_s: float
    labels: Mapping[str, Labels]
    coverage: Mapping[str, Coverage]

    @property
    def asked(self) -> dict[str, float]:
        """The coverage that each guardrail's margin was made for."""
        return {head.name: head.coverage for head in self.guarded.guard_heads}


def learn(
    plant: PlantSpec,
    operated: OperatingLog,
    held_out: OperatingLog,
    *,
    seed: int,
    progress: Callable[[Progress], None] | None = None,
) -> Learned:
    """Train on `operated`; label its most telling moments with the truth; check on `held_out`."""
    began = time.perf_counter()
    unguarded = train(plant, operated.log, seed=seed, progress=progress)
    guarded = unguarded
    judged: Mapping[str, Labels] = {}
    if operated.guards:
        judged = judge(unguarded, operated)
        for name, found in judged.items():
            guarded = learn_guardrail(guarded, operated.log, found, name=name)
    train_s = time.perf_counter() - began
    return Learned(
        unguarded=unguarded,
        guarded=guarded,
        train_s=train_s,
        labels=judged,
        coverage=coverage(guarded, held_out.log, held_out.guards),
    )


def judge(model: WorldModel, operated: OperatingLog) -> Mapping[str, Labels]:
    """`LABELS` moments, each judged for every guardrail by the truth.

    The second half is shared out among the guardrails, each of which asks for moments near its limit.
    """
    log, guards = operated.log, operated.guards
    times = suggest_label_times(model, log, LABELS // 2)
    for left, truth in zip(range(len(guards), 0, -1), guards.values(), strict=True):
        known = labels(times, held(truth, times, np.inf))
        asked = suggest_label_times(model, log, (LABELS - len(times)) // left, judged=known)
        times = np.sort(np.concatenate((times, asked)))
    return {name: labels(times, held(truth, times, np.inf)) for name, truth in guards.items()}
