"""From a plant file and a log to a world model."""

import hashlib
import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from scipy.stats import t as student_t
from torch import Tensor

from procwm.data.series import Log
from procwm.plant.specfile import plant_fingerprint
from procwm.plant.tags import PlantSpec
from procwm.training.checkpoint import read_checkpoint, write_checkpoint
from procwm.training.config import TrainingConfig
from procwm.training.ensemble import learned_members
from procwm.training.evaluation import score
from procwm.training.feedback import arriving_errors, chosen_feedback
from procwm.training.moments import visited
from procwm.training.objective import Trainee, mean_loss, prediction_loss, relative_error
from procwm.training.preparation import Material, Prepared, prepare
from procwm.training.response import response_error
from procwm.training.run import Run, part_of
from procwm.training.settling import runs_away
from procwm.training.surprise import learned_surprise
from procwm.training.tensors import MOST_CHECKED, spread
from procwm.world.calibration import band
from procwm.world.cloud import cloud_of
from procwm.world.model import WorldModel
from procwm.world.predictors.residual import ResidualPredictor

_LEAST_STRETCHES = 3
"""Held-out time of fewer than these, each a horizon long, cannot show that training helped."""
_CONFIDENCE = 0.9


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a training has come.

    Attributes:
        step: optimisation steps done, those of the final weights included.
        steps: in all; while the length of the final run is open, the most that it can come to.
        error: output error of the averaged weights on held-out time, relative to that of the linear start.
    """

    step: int
    steps: int
    error: float


def train(
    plant: PlantSpec,
    log: Log,
    *,
    seed: int = 0,
    checkpoint: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    config: TrainingConfig | None = None,
) -> WorldModel:
    """Learn a world model of `plant` from `log`.

    A first run leaves out the end of the log and finds how many steps predict it best; a second one
    takes so many steps on all of the log. The same log, plant, seed and configuration give the same
    weights, interrupted or not.

    Args:
        seed: of first weights and batches.
        checkpoint: file to continue from where it exists, and to write now and then; removed at the end.
        progress: told after every check.
        config: sizes, weights and lengths; the defaults leave what depends on the log to the log.

    Raises:
        TrainingError: the log cannot teach a model of this plant.
        LogError: the log cannot be used at all.
    """
    config = config or TrainingConfig()
    identity = _identity(plant, log, seed, config)
    # Layers draw their first weights when built; the caller's random state is not ours to move.
    with torch.random.fork_rng(devices=[]):
        prepared = prepare(plant, log, config)
        training = _Training(prepared, config, seed)
        if checkpoint is not None and checkpoint.exists():
            training.restore(read_checkpoint(checkpoint, identity))
        last_written = time.monotonic()
        while not training.finished:
            training.advance()
            if progress is not None and training.checked:
                progress(training.progress)
            if checkpoint is not None and time.monotonic() - last_written > config.checkpoint_s:
                write_checkpoint(checkpoint, training.tensors(), identity)
                last_written = time.monotonic()
        model = training.model(plant, seed)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return model


class _Training:
    """The two runs, and what checks of the first one found on held-out time."""

    def __init__(self, prepared: Prepared, config: TrainingConfig, seed: int) -> None:
        self._prepared, self._config = prepared, config
        self._first = Run(prepared.training, config, seed)
        self._final = Run(prepared.whole, config, seed)
        self._checked = spread(prepared.validation.moments, MOST_CHECKED)
        loss, valid = self._validated()
        # The identified linear model is the one to beat: its errors are the unit of all others.
        self._scale = mean_loss(loss, valid).clamp(min=1e-12)
        self._start = self._best = self._last = self._check()

    @property
    def finished(self) -> bool:
        """Whether the final weights are there."""
        return self._first.step >= self._config.steps and self._final.step >= self._kept.step

    @property
    def checked(self) -> bool:
        """Whether the last step brought something to tell."""
        return self.finished or (self._first.step + self._final.step) % self._config.check_every == 0

    @property
    def progress(self) -> Progress:
        """How far it has come."""
        steps = self._config.steps
        final = self._kept.step if self._first.step >= steps else steps
        step = self._first.step + self._final.step
        return Progress(step=step, steps=steps + final, error=self._last.error)

    def advance(self) -> None:
        """One step of the run that is due."""
        if self._first.step >= self._config.steps:
            self._final.advance()
            return
        self._first.advance()
        if self._first.step % self._config.check_every == 0 or self._first.step == self._config.steps:
            self._last = self._check()
            if self._last.error < self._best.error:
                self._best = self._last

    def tensors(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, by name."""
        parts = {
            "first": self._first.tensors(),
            "final": self._final.tensors(),
            "best": self._best.weights,
            "check": {
                "best_step": torch.tensor(self._best.step),
                "best_errors": self._best.errors,
                "last_errors": self._last.errors.clone(),
            },
        }
        return {f"{label}/{name}": value for label, part in parts.items() for name, value in part.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue where `tensors` was taken."""
        self._first.restore(part_of(tensors, "first"))
        self._final.restore(part_of(tensors, "final"))
        check = part_of(tensors, "check")
        self._best = _Check(int(check["best_step"]), check["best_errors"], part_of(tensors, "best"))
        self._last = _Check(self._first.step, check["last_errors"], {})

    def model(self, plant: PlantSpec, seed: int) -> WorldModel:
        """The final weights, with what the first run's best ones showed on held-out time.

        Where the final weights run away when left alone, those of the linear start are taken.
        """
        prepared, kept, final = self._prepared, self._kept, self._final.average
        whole, notes = prepared.whole, prepared.notes
        if runs_away(final, whole.reference, whole.part, whole.horizon):
            kept, final = self._start, Run(whole, self._config, seed).average
            notes += ("what training came to runs away when left alone: the linear start is kept",)
        steps, config = self._best.step, self._config
        ensemble = learned_members(whole, final, steps=steps, config=config, seed=seed)
        self._first.average.load_state_dict(kept.weights)
        held_out = assembled(plant, prepared.training, self._first.average)
        model = assembled(plant, whole, final, ensemble)
        errors = arriving_errors(held_out, prepared.validation.grid)
        model.feedback = chosen_feedback(errors)
        # The held-out model scales its outputs by what it saw, which is less than all of the log.
        _, width = held_out.scaler.part(model.output_names)
        model.with_band(band(errors) * width)
        model.doubt = response_error(prepared.whole)
        model.cloud = cloud_of(visited(model, whole.part.grid))
        model.surprise = learned_surprise(
            held_out,
            prepared.training.part.grid,
            prepared.validation.grid,
            model,
            whole.part.grid,
        )
        model.metrics = {
            "seed": seed,
            "steps": self._config.steps,
            "best_step": kept.step,
            "validation_error": kept.error,
            "horizon": model.horizon,
            "history": model.rule.history,
            "latent": whole.latent,
            "training_moments": len(prepared.training.part.moments),
            "notes": list(notes),
            "validation": score(held_out, prepared.validation.grid).as_dict(),
        }
        return model

    @property
    def _kept(self) -> "_Check":
        """The best weights of the first run, where they are surely better than the linear start; else that.

        Surely: by a paired one-sided t-test at 90 % between stretches of held-out time, each as long as the
        horizon. What is not shown to help is left out, since the next day may differ from this one.
        """
        held_out = len(self._prepared.validation.grid) - self._prepared.training.rule.history
        gain = self._start.errors - self._best.errors
        count = min(held_out // self._prepared.training.horizon, len(gain))
        if count < _LEAST_STRETCHES:
            return self._start
        stretches = torch.stack([part.mean() for part in gain.tensor_split(count)])
        needed = student_t.ppf(_CONFIDENCE, count - 1) * float(stretches.std()) / math.sqrt(count)
        return self._best if float(stretches.mean()) > needed else self._start

    def _check(self) -> "_Check":
        """The first run's averaged weights on held-out time."""
        weights = {name: value.clone() for name, value in self._first.average.state_dict().items()}
        return _Check(self._first.step, relative_error(*self._validated(), self._scale), weights)

    def _validated(self) -> tuple[Tensor, Tensor]:
        """Output loss on held-out time, and where it is valid."""
        prepared = self._prepared
        return prediction_loss(
            self._first.average,
            prepared.validation.tensors,
            self._checked,
            prepared.training.horizon,
            self._config.huber,
        )


@dataclass(frozen=True, eq=False)
class _Check:
    """Averaged weights of the first run after `step` steps, and their errors at the held-out moments.

    Errors are relative to those of the linear start.
    """

    step: int
    errors: Tensor
    weights: dict[str, Tensor]

    @property
    def error(self) -> float:
        """Mean over the moments."""
        return float(self.errors.mean())


def assembled(
    plant: PlantSpec, material: Material, trainee: Trainee, ensemble: Sequence[ResidualPredictor] = ()
) -> WorldModel:
    """The trained parts as a world model."""
    return WorldModel(
        plant=plant,
        rule=material.rule,
        scaler=material.scaler,
        horizon=material.horizon,
        encoder=trainee.encoder,
        predictor=trainee.predictor,
        readout=trainee.readout,
        reference=material.reference,
        ensemble=ensemble,
    ).finished()


def _identity(plant: PlantSpec, log: Log, seed: int, config: TrainingConfig) -> str:
    facts = asdict(config) | {"checkpoint_s": None}
    return hashlib.sha256(repr((plant_fingerprint(plant), log.identity, seed, facts)).encode()).hexdigest()
