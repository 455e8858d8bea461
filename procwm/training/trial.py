"""How long to train one predictor, and what that comes to on held-out time."""

import copy
import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import torch
from scipy.stats import t as student_t
from torch import Tensor

from procwm.training.config import TrainingConfig
from procwm.training.objective import Trainee, mean_loss, prediction_loss, relative_error
from procwm.training.preparation import Prepared
from procwm.training.pretraining import pretrained
from procwm.training.run import Run, part_of
from procwm.training.settling import runs_away
from procwm.training.tensors import MOST_CHECKED, spread

_LEAST_STRETCHES = 3
"""Held-out time of fewer than these, each a horizon long, cannot show that training helped."""
_CONFIDENCE = 0.9


@dataclass(frozen=True, eq=False)
class Check:
    """Averaged weights after `step` steps, and their errors at the held-out moments.

    Errors are relative to those of the linear start.
    """

    step: int
    errors: Tensor
    weights: dict[str, Tensor]

    @property
    def error(self) -> float:
        """Mean over the moments."""
        return float(self.errors.mean())


class Trial:
    """A run that leaves out the end of the log, and what checks found on it.

    Attributes:
        config: of the run.
        steps: that it takes; 0 where held-out time is too short to show whether they help.
        start, best, last: checks of the linear start, of the best weights and of the last ones looked at.
    """

    def __init__(self, prepared: Prepared, config: TrainingConfig, seed: int) -> None:
        self._prepared, self.config = prepared, config
        self._run = Run(prepared.training, config, seed, pretrained(prepared.training, config, seed))
        self._checked = spread(prepared.validation.moments, MOST_CHECKED)
        self.steps = config.steps if self._stretches >= _LEAST_STRETCHES else 0
        loss, valid = self._validated()
        # The identified linear model is the one to beat: its errors are the unit of all others.
        self._scale = mean_loss(loss, valid).clamp(min=1e-12)
        self.start = self.best = self.last = self._check()

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
            self.last = self._check()
            if self.last.error < self.best.error:
                self.best = self.last

    def tensors(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, by name."""
        parts = {
            "run": self._run.tensors(),
            "best": self.best.weights,
            "check": {
                "best_step": torch.tensor(self.best.step),
                "best_errors": self.best.errors,
                "last_errors": self.last.errors.clone(),
            },
        }
        return {f"{label}/{name}": value for label, part in parts.items() for name, value in part.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue where `tensors` was taken."""
        self._run.restore(part_of(tensors, "run"))
        check = part_of(tensors, "check")
        self.best = Check(int(check["best_step"]), check["best_errors"], part_of(tensors, "best"))
        self.last = Check(self._run.step, check["last_errors"], {})

    @cached_property
    def kept(self) -> Check:
        """The best weights, where they surely help and stay put when left alone; else the start.

        Surely: by a paired one-sided t-test at 90 % between stretches of held-out time, each as long as the
        horizon. What is not shown to help is left out, since the next day may differ from this one.
        """
        return self.best if self._helped and not self.ran_away else self.start

    @cached_property
    def ran_away(self) -> bool:
        """Whether the best weights leave for where the plant cannot be when left alone."""
        material = self._prepared.training
        best = self.weighted(self.best)
        return self._helped and runs_away(best, material.reference, material.part, material.horizon)

    @cached_property
    def _helped(self) -> bool:
        """Whether the best weights are surely better than the start."""
        if not self.steps:
            return False
        count = self._stretches
        gain = self.start.errors - self.best.errors
        stretches = torch.stack([part.mean() for part in gain.tensor_split(count)])
        needed = student_t.ppf(_CONFIDENCE, count - 1) * float(stretches.std()) / math.sqrt(count)
        return bool(float(stretches.mean()) > needed)

    @property
    def _stretches(self) -> int:
        """Of held-out time, each a horizon long, in which something is checked."""
        training = self._prepared.training
        held_out = len(self._prepared.validation.grid) - training.rule.history
        return min(held_out // training.horizon, len(self._checked))

    def weighted(self, check: Check) -> Trainee:
        """The trainee with the weights of `check`."""
        trainee = copy.deepcopy(self._run.average)
        trainee.load_state_dict(check.weights)
        return trainee

    def _check(self) -> Check:
        """The averaged weights on held-out time."""
        weights = {name: value.clone() for name, value in self._run.average.state_dict().items()}
        return Check(self._run.step, relative_error(*self._validated(), self._scale), weights)

    def _validated(self) -> tuple[Tensor, Tensor]:
        """Output loss on held-out time, and where it is valid."""
        prepared = self._prepared
        return prediction_loss(
            self._run.average,
            prepared.validation.tensors,
            self._checked,
            prepared.training.horizon,
            self.config.huber,
        )
