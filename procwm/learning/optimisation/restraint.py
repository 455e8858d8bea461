"""How far training may leave the linear model: one trial learns all that it misses, one half of it."""

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property

from torch import Tensor

from procwm.learning.config import TrainingConfig
from procwm.learning.identification.preparation import Prepared
from procwm.learning.optimisation.early_stopping import HeldOutTrial
from procwm.learning.optimisation.gradient_descent import part_of

RESTRAINT = 0.5
"""Of a restrained trial: half of what the linear start misses is to be learned.

Where a plant drifts, errors of the start and of what training makes of it are about as large and not the
same, so that they are smaller halfway. Targets between what was measured and what another model says are
those of distillation (Hinton, Vinyals and Dean, arXiv 1503.02531).
"""

WORTH_RESTRAINT = 1.0 / 3.0
"""Share of the linear start's squared error that a bold trial must leave for a restrained one to be worth it.

Halfway between errors of mean square 1 and `e` that are not correlated it is `(1 + e) / 4`: less than `e`
above a third, and later where they are correlated.
"""


class RestraintTrials:
    """A bold trial and, where that helps a little and `config.restraint` leaves it open, a restrained one."""

    def __init__(self, prepared: Prepared, config: TrainingConfig, seed: int) -> None:
        self._prepared, self._config, self._seed = prepared, config, seed
        self._bold = HeldOutTrial(prepared, replace(config, restraint=config.restraint or 0.0), seed)

    @property
    def trials(self) -> tuple[HeldOutTrial, ...]:
        """As many as are known to be needed."""
        if not self._bold.finished or self._restrained is None:
            return (self._bold,)
        return self._bold, self._restrained

    @property
    def step(self) -> int:
        """Steps done."""
        return sum(trial.step for trial in self.trials)

    @property
    def steps(self) -> int:
        """Those of all trials; the most that it can come to while their count is open."""
        open_yet = not self._bold.finished and self._config.restraint is None
        return sum(trial.steps for trial in self.trials) * (2 if open_yet else 1)

    @property
    def finished(self) -> bool:
        """Whether all steps are done."""
        return all(trial.finished for trial in self.trials)

    @property
    def due(self) -> HeldOutTrial:
        """The trial whose step is next, or was the last."""
        return next((trial for trial in self.trials if not trial.finished), self.trials[-1])

    @cached_property
    def taken(self) -> HeldOutTrial:
        """The one that foresees held-out time better."""
        return min(self.trials, key=lambda trial: trial.kept.error)

    def tensors(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, by name."""
        return {
            f"{number}/{name}": value
            for number, trial in enumerate(self.trials)
            for name, value in trial.tensors().items()
        }

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue where `tensors` was taken."""
        self._bold.restore(part_of(tensors, "0"))
        for number, trial in enumerate(self.trials[1:], 1):
            trial.restore(part_of(tensors, str(number)))

    @cached_property
    def _restrained(self) -> HeldOutTrial | None:
        """Once the bold one is finished: none where nothing helps, or much, or where restraint is given."""
        kept = self._bold.kept
        if self._config.restraint is not None or kept is self._bold.start or kept.error <= WORTH_RESTRAINT:
            return None
        return HeldOutTrial(self._prepared, replace(self._config, restraint=RESTRAINT), self._seed)
