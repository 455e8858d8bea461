"""From a plant file and a log to a world model."""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import cast

import torch
from torch import Tensor

from procwm.data.series import Log
from procwm.errors import LogError
from procwm.learning.calibration.bootstrap import learned_members
from procwm.learning.calibration.calibrate import calibrated
from procwm.learning.config import TrainingConfig
from procwm.learning.dataset.stopwatch import Stopwatch
from procwm.learning.evaluation.effect_objections import effect_objections
from procwm.learning.evaluation.evaluate import score
from procwm.learning.evaluation.log_objections import log_objections
from procwm.learning.evaluation.operating_points import OPERATED, operating_points
from procwm.learning.evaluation.traces import TRACES, traces
from procwm.learning.identification.preparation import Material, Prepared, prepare
from procwm.learning.optimisation.checkpoint import read_checkpoint, write_checkpoint
from procwm.learning.optimisation.gradient_descent import Optimisation, part_of
from procwm.learning.optimisation.learning_objective import Trainee
from procwm.learning.optimisation.pretraining import pretrained
from procwm.learning.optimisation.restraint import RestraintTrials
from procwm.learning.optimisation.runaway import runs_away
from procwm.plant.plantfile.plant_fingerprint import plant_fingerprint
from procwm.plant.tags import PlantSpec, names_of
from procwm.world.composition import Dynamics, ModelParts
from procwm.world.fitness import VERDICT
from procwm.world.model import WorldModel
from procwm.world.predictors.residual import PredictorSpec
from procwm.world.protocols import Predictor
from procwm.world.threads import one_thread

_TRIAL, _FINAL = "trial", "final run"


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
    passive: Log | None = None,
    seed: int = 0,
    checkpoint: Path | None = None,
    progress: Callable[[Progress], None] | None = None,
    stopwatch: Stopwatch | None = None,
    config: TrainingConfig | None = None,
) -> WorldModel:
    """Learn a world model of `plant` from `log`.

    Trials leave out the end of the log and find which network, and how many steps, foresee it best; the
    final weights come from so many steps on all of the log. The same log, plant, seed and configuration
    give the same weights, interrupted or not.

    Args:
        passive: a log of the same plant in which the MVs hardly move. It cannot teach what they do, but how
            the plant moves by itself and how far instruments can be trusted, where `log` is short.
        seed: of first weights and batches.
        checkpoint: file to continue from where it exists, and to write now and then; removed at the end.
        progress: told after every check.
        stopwatch: told how long the phases take.
        config: sizes, weights and lengths; the defaults leave what depends on the log to the log.

    Raises:
        TrainingError: the log cannot teach a model of this plant.
        LogError: the log cannot be used at all.
    """
    for given in (log,) if passive is None else (log, passive):
        if not isinstance(given, Log):
            raise LogError(f"train takes logs as read_log returns them, not {given!r:.80}")
    config = config or TrainingConfig()
    identity = _identity(plant, log, passive, seed, config)
    # Layers draw their first weights when built; the caller's random state is not ours to move.
    with torch.random.fork_rng(devices=[]), one_thread():
        watch = stopwatch or Stopwatch()
        prepared = prepare(plant, log, config, passive, watch)
        training = _Training(prepared, config, seed, watch)
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
        found = traces(log, prepared.whole.part.grid, names_of(plant.cvs))
        operated = operating_points(prepared.whole.part.grid)
        model = training.model(plant, seed).with_metrics(**{TRACES: found, OPERATED: operated})
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return model


class _Training:
    """A trial, and the final run of what foresees held-out time best."""

    def __init__(self, prepared: Prepared, config: TrainingConfig, seed: int, watch: Stopwatch) -> None:
        self._prepared, self._config, self._seed, self._watch = prepared, config, seed, watch
        with watch.phase(_TRIAL):
            self._trials = RestraintTrials(prepared, config, seed)

    @property
    def finished(self) -> bool:
        """Whether the final weights are there."""
        return self._trials.finished and self._final.step >= self._trials.taken.kept.step

    @property
    def checked(self) -> bool:
        """Whether the last step brought something to tell."""
        return self.finished or self._done % self._config.check_every == 0

    @property
    def progress(self) -> Progress:
        """How far it has come."""
        trials = self._trials
        if not trials.finished:
            steps = trials.steps + trials.due.steps
            return Progress(step=self._done, steps=steps, error=trials.due.last.error)
        kept = trials.taken.kept
        return Progress(step=self._done, steps=trials.steps + kept.step, error=kept.error)

    def advance(self) -> None:
        """One step of the run that is due."""
        trying = not self._trials.finished
        with self._watch.phase(_TRIAL if trying else _FINAL):
            (self._trials.due if trying else self._final).advance()

    def tensors(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, by name."""
        parts = {"trial": self._trials.tensors()}
        if self._trials.finished:
            parts["final"] = self._final.tensors()
        return {f"{label}/{name}": value for label, part in parts.items() for name, value in part.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Continue where `tensors` was taken."""
        self._trials.restore(part_of(tensors, "trial"))
        if final := part_of(tensors, "final"):
            self._final.restore(final)

    def model(self, plant: PlantSpec, seed: int) -> WorldModel:
        """The final weights, with what the trial's best ones showed on held-out time.

        Where the final weights run away when left alone, those of the linear start are taken.
        """
        prepared, trial = self._prepared, self._trials.taken
        kept = trial.kept
        whole, notes = prepared.whole, prepared.notes
        phase = self._watch.phase
        with phase(_FINAL):
            final = self._final.average.only(kept.kind)
            if trial.ran_away or runs_away(final, whole.reference, whole.part, whole.horizon):
                kept = trial.start
                final = Optimisation(whole, self._config, seed).average.only(kept.kind)
                notes += ("what training came to runs away when left alone: the linear start is kept",)
        steps, learner = trial.most_steps, trial.weighted(kept)
        config = replace(trial.config, predictor=cast(PredictorSpec, final.predictor.spec))
        with phase("ensembles"):
            ensemble = learned_members(whole, final, steps=steps, config=config, seed=seed)
            members = learned_members(prepared.training, learner, steps=steps, config=config, seed=seed)
        model, held_out = calibrated(
            assembled(plant, whole, final, ensemble),
            assembled(plant, prepared.training, learner, members),
            prepared,
            self._watch,
        )
        with phase("evaluation"):
            against = (*log_objections(whole.part.grid, plant), *effect_objections(model))
            scores = score(held_out, prepared.validation.grid, against=against)
        told = {
            "seed": seed,
            "steps": config.steps,
            "predictor": kept.kind,
            "restraint": config.restraint,
            "best_step": kept.step,
            "validation_error": kept.error,
            "horizon": model.horizon,
            "history": model.rule.history,
            "latent": whole.latent,
            "training_moments": len(prepared.training.part.moments),
            "notes": list(notes),
            "validation": scores.as_dict(),
            VERDICT: scores.verdict.as_dict(),
        }
        return model.with_metrics(**told)

    @property
    def _done(self) -> int:
        """Steps taken."""
        return self._trials.step + (self._final.step if self._trials.finished else 0)

    @cached_property
    def _final(self) -> Optimisation:
        """The run on all of the log, once it is known of what."""
        with self._watch.phase(_FINAL):
            whole, config = self._prepared.whole, self._trials.taken.config
            return Optimisation(whole, config, self._seed, pretrained(whole, config, self._seed))


def assembled(
    plant: PlantSpec, material: Material, trainee: Trainee, ensemble: Sequence[Predictor] = ()
) -> WorldModel:
    """The trained parts as a world model."""
    return WorldModel(
        ModelParts(
            plant=plant,
            rule=material.rule,
            scaler=material.scaler,
            horizon=material.horizon,
            dynamics=Dynamics(
                encoder=trainee.encoder,
                predictor=trainee.predictor,
                readout=trainee.readout,
                reference=material.reference,
                ensemble=tuple(ensemble),
            ),
        )
    ).finished()


def _identity(plant: PlantSpec, log: Log, passive: Log | None, seed: int, config: TrainingConfig) -> str:
    facts = vars(config) | {"checkpoint_s": None}
    logs = (log.identity, None if passive is None else passive.identity)
    return hashlib.sha256(repr((plant_fingerprint(plant), logs, seed, facts)).encode()).hexdigest()
