"""How many steps to train, and which predictor to keep: a trial run judged on the held-out end of the log."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import torch
from scipy.special import stdtrit
from torch import Tensor

from procwm.learning.config import TrainingConfig
from procwm.learning.dataset.tensors import MOST_CHECKED, scattered
from procwm.learning.identification.preparation import Prepared
from procwm.learning.optimisation.gradient_descent import Optimisation, part_of
from procwm.learning.optimisation.learning_objective import (
    Trainee,
    mean_loss,
    prediction_loss,
    relative_error,
)
from procwm.learning.optimisation.pretraining import pretrained
from procwm.learning.optimisation.runaway import runs_away

_LEAST_STRETCHES = 3
"""Held-out time of fewer than these, each a horizon long, cannot show that training helped."""
_CONFIDENCE = 0.9
"""That training helped."""
_LEFT_FOR = 0.99
"""Confidence that a part of the predictor is better than the whole, where that is left for it."""


@dataclass(frozen=True, eq=False)
class Check:
    """Averaged weights after `step` steps with the predictor or a part of it, and their held-out errors.

    Errors are by moment, relative to those of the linear start.
    """

    kind: str
    step: int
    errors: Tensor
    weights: dict[str, Tensor]

    @property
    def error(self) -> float:
        """Mean over the moments."""
        return float(self.errors.mean())


class HeldOutTrial:
    """A run that leaves out the end of the log, and what checks found on it.

    Where `config.alone` allows it, every part of the predictor is looked at alone, and the whole, too.

    Attributes:
        config: that it was made with.
        steps: that it takes; 0 where held-out time is too short to show whether they help.
        start: check of the linear start.
        best: of the best weights, by the kind of the predictor or part.
        last: of the last ones looked at, the best kind.
    """

    def __init__(self, prepared: Prepared, config: TrainingConfig, seed: int) -> None:
        self._prepared, self.config = prepared, config
        self._run = Optimisation(prepared.training, config, seed, pretrained(prepared.training, config, seed))
        predictor = self._run.average.predictor
        parts, self._whole = [part.spec.kind for part in predictor.parts()], predictor.spec.kind
        self._kinds = tuple(dict.fromkeys((*(parts if config.alone else ()), self._whole)))
        self._checked = scattered(prepared.validation.moments, MOST_CHECKED)
        self.steps = config.steps if self._stretches >= _LEAST_STRETCHES else 0
        loss, valid = self._validated(self._whole)
        # The identified linear model is the one to beat: its errors are the unit of all others.
        self._scale = mean_loss(loss, valid).clamp(min=1e-12)
        self.start = self.last = self._check(parts[0])
        self.best = {kind: replace(self.start, kind=kind) for kind in self._kinds}

    @property
    def step(self) -> int:
        """Steps done."""
        return self._run.step

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        return self._run.step >= self.steps

    def advance(self) -> None:
        """One step, and now and then a check."""
        self._run.advance()
        if self._run.step % self.config.check_every == 0 or self.finished:
            found = [self._check(kind) for kind in self._kinds]
            self.last = min(found, key=lambda check: check.error)
            for check in found:
                if check.error < self.best[check.kind].error:
                    self.best[check.kind] = check

    def tensors(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, by name."""
        parts = {"run": self._run.tensors(), "last": {"errors": self.last.errors.clone()}}
        for kind, best in self.best.items():
            # At first all kinds have the same, which a file keeps for each of them.
            parts[f"best {kind}"] = {name: value.clone() for name, value in best.weights.items()}
            parts[f"check {kind}"] = {"step": torch.tensor(best.step), "errors": best.errors.clone()}
        return {f"{label}/{name}": value for label, part in parts.items() for name, value in part.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue where `tensors` was taken."""
        self._run.restore(part_of(tensors, "run"))
        self.last = Check(self.last.kind, self._run.step, part_of(tensors, "last")["errors"], {})
        for kind in self._kinds:
            check = part_of(tensors, f"check {kind}")
            weights = part_of(tensors, f"best {kind}")
            self.best[kind] = Check(kind, int(check["step"]), check["errors"], weights)

    @cached_property
    def kept(self) -> Check:
        """The best of the checks that surely help and stay put when left alone; else the start.

        Surely: by a paired one-sided t-test at 90 % between stretches of held-out time, each as long as the
        horizon. What is not shown to help is left out, since the next day may differ from this one. For the
        same reason the whole predictor gives way only to a part that is better at 99 %.
        """
        staying = [check for check in self._helping if not self._runs_away(check)]
        whole = next((check for check in staying if check.kind == self._whole), None)
        better = [
            check
            for check in staying
            if whole is None or check is whole or self._surely(whole.errors - check.errors, _LEFT_FOR)
        ]
        return min(better, key=lambda check: check.error, default=self.start)

    @property
    def ran_away(self) -> bool:
        """Whether the start is kept because all that helps leaves for where the plant cannot be."""
        return bool(self._helping) and self.kept is self.start

    @property
    def most_steps(self) -> int:
        """Steps to the best weights, sure to help or not."""
        return min(self.best.values(), key=lambda check: check.error).step

    @cached_property
    def _helping(self) -> list[Check]:
        """Those of the best weights that are surely better than the start."""
        return [
            check
            for check in self.best.values()
            if self._surely(self.start.errors - check.errors, _CONFIDENCE)
        ]

    def _surely(self, gain: Tensor, confidence: float) -> bool:
        """Whether a gain at every held-out moment is surely one."""
        if not self.steps:
            return False
        count = self._stretches
        means = torch.stack([part.mean() for part in gain.tensor_split(count)])
        needed = float(stdtrit(count - 1, confidence)) * float(means.std()) / math.sqrt(count)
        return bool(float(means.mean()) > needed)

    @property
    def _stretches(self) -> int:
        """Of held-out time, each a horizon long, in which something is checked."""
        training = self._prepared.training
        held_out = len(self._prepared.validation.grid) - training.rule.history
        return min(held_out // training.horizon, len(self._checked))

    def _runs_away(self, check: Check) -> bool:
        material = self._prepared.training
        return runs_away(self.weighted(check), material.reference, material.part, material.horizon)

    def weighted(self, check: Check) -> Trainee:
        """The trainee with the weights of `check`, and its predictor."""
        trainee = copy.deepcopy(self._run.average)
        trainee.load_state_dict(check.weights)
        return trainee.only(check.kind)

    def _check(self, kind: str) -> Check:
        """The averaged weights on held-out time."""
        weights = {name: value.clone() for name, value in self._run.average.state_dict().items()}
        return Check(kind, self._run.step, relative_error(*self._validated(kind), self._scale), weights)

    def _validated(self, kind: str) -> tuple[Tensor, Tensor]:
        """Output loss on held-out time, and where it is valid."""
        prepared = self._prepared
        return prediction_loss(
            self._run.average,
            kind,
            prepared.validation.tensors,
            self._checked,
            prepared.training.horizon,
            self.config.huber,
        )
