"""From a plant file and a log to a world model."""

import copy
import hashlib
import math
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import torch
from jaxtyping import Int
from torch import Tensor

from procwm.data.series import Log
from procwm.errors import TrainingError
from procwm.plant.specfile import plant_fingerprint
from procwm.plant.tags import PlantSpec
from procwm.training.checkpoint import (
    optimizer_tensors,
    read_checkpoint,
    restore_optimizer,
    write_checkpoint,
)
from procwm.training.config import TrainingConfig
from procwm.training.evaluation import score
from procwm.training.feedback import chosen_feedback
from procwm.training.objective import Trainee, losses, prediction_error, scales
from procwm.training.preparation import Prepared, prepare
from procwm.world.model import WorldModel

VALIDATION_MOMENTS = 512
_WARM_UP = 0.1
_LARGEST_GRADIENT = 1.0


@dataclass(frozen=True, kw_only=True)
class Progress:
    """How far a training has come.

    Attributes:
        step, steps: optimisation steps done, and in all.
        error: output error of the averaged weights on held-out time; NaN before the first check.
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

    The same log, plant, seed and configuration give the same weights, interrupted or not.

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
    # First weights are drawn from the global generator; training must not move the caller's.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        prepared = prepare(plant, log, config)
        run = _Run(prepared, config, seed)
    if checkpoint is not None and checkpoint.exists():
        run.restore(read_checkpoint(checkpoint, identity))
    last_written = time.monotonic()
    while run.step < config.steps:
        run.advance()
        if run.step % config.check_every == 0 or run.step == config.steps:
            run.check()
            if progress is not None:
                progress(Progress(step=run.step, steps=config.steps, error=run.error))
        if checkpoint is not None and time.monotonic() - last_written > config.checkpoint_s:
            write_checkpoint(checkpoint, run.tensors(), identity)
            last_written = time.monotonic()
    model = _finish(plant, prepared, run, seed)
    if checkpoint is not None:
        checkpoint.unlink(missing_ok=True)
    return model


class _Run:
    """A training in progress: everything that the next step depends on."""

    def __init__(self, prepared: Prepared, config: TrainingConfig, seed: int) -> None:
        self._prepared, self._config = prepared, config
        self._trainee = Trainee(prepared, config)
        self._average = copy.deepcopy(self._trainee).requires_grad_(False)
        self._best = copy.deepcopy(self._average)
        self._generator = torch.Generator().manual_seed(seed)
        self._optimizer = _optimizer(self._trainee, config)
        seen = _spread(prepared.training.moments, VALIDATION_MOMENTS)
        self._scales = scales(self._trainee, prepared.training.tensors, seen, prepared.horizon, config.huber)
        self._checked = _spread(prepared.validation.moments, VALIDATION_MOMENTS)
        self.step = 0
        self.error = math.nan
        self.best_error = math.inf
        self.best_step = 0
        # The identified linear model is the one to beat: where no step improves on it, it is kept.
        self.check()
        self.first_error = self.error

    @property
    def best(self) -> Trainee:
        """The averaged weights with the least error on held-out time."""
        return self._best

    def advance(self) -> None:
        """One optimisation step."""
        config, training = self._config, self._prepared.training
        drawn = torch.randint(len(training.moments), (config.batch,), generator=self._generator)
        terms = losses(
            self._trainee,
            training.tensors,
            training.moments[drawn],
            self._prepared.horizon,
            config,
            self._generator,
            self._scales,
        )
        total = terms.total(config)
        if not torch.isfinite(total):
            raise TrainingError(
                f"the loss is not finite after {self.step} steps; a smaller rate than {config.rate} may help"
            )
        for group in self._optimizer.param_groups:
            group["lr"] = group["peak"] * _schedule(self.step, config.steps)
        self._optimizer.zero_grad()
        total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self._trainee.parameters(), _LARGEST_GRADIENT)
        self._optimizer.step()
        self.step += 1
        self._follow()

    def check(self) -> None:
        """Score the averaged weights on held-out time, and keep them if they are the best so far."""
        validation = self._prepared.validation
        self.error = prediction_error(
            self._average, validation.tensors, self._checked, self._prepared.horizon, self._config.huber
        )
        if self.error < self.best_error:
            self.best_error, self.best_step = self.error, self.step
            self._best.load_state_dict(self._average.state_dict())

    def tensors(self) -> dict[str, Tensor]:
        """Everything that the next step depends on, by name."""
        named = {
            f"{label}/{name}": value
            for label, module in self._modules().items()
            for name, value in module.state_dict().items()
        }
        numbers = (self.step, self.error, self.best_error, self.best_step, self.first_error)
        return (
            named
            | optimizer_tensors(self._optimizer, self._trainee)
            | {
                "generator": self._generator.get_state(),
                "numbers": torch.tensor(numbers, dtype=torch.float64),
            }
        )

    def restore(self, tensors: dict[str, Tensor]) -> None:
        """Continue where `tensors` was taken."""
        for label, module in self._modules().items():
            prefix = f"{label}/"
            module.load_state_dict(
                {
                    name.removeprefix(prefix): value
                    for name, value in tensors.items()
                    if name.startswith(prefix)
                }
            )
        restore_optimizer(self._optimizer, self._trainee, tensors)
        self._generator.set_state(tensors["generator"])
        step, self.error, self.best_error, best_step, self.first_error = tensors["numbers"].tolist()
        self.step, self.best_step = int(step), int(best_step)

    def _modules(self) -> dict[str, Trainee]:
        return {"trainee": self._trainee, "average": self._average, "best": self._best}

    @torch.no_grad()
    def _follow(self) -> None:
        """Move the average towards the weights; early on it is a plain mean of the last steps."""
        keep = min(self._config.averaging, 1.0 - 1.0 / (2.0 + self.step / 10.0))
        for average, weight in zip(self._average.parameters(), self._trainee.parameters(), strict=True):
            average.lerp_(weight, 1.0 - keep)


def _optimizer(trainee: Trainee, config: TrainingConfig) -> torch.optim.AdamW:
    identified = [*trainee.predictor.linear.parameters(), *trainee.readout.parameters()]
    encoder = list(trainee.encoder.linear.parameters())
    known = {id(parameter) for parameter in (*identified, *encoder)}
    networks = [parameter for parameter in trainee.parameters() if id(parameter) not in known]
    return torch.optim.AdamW(
        [
            {"params": networks, "peak": config.rate, "weight_decay": config.decay},
            {"params": identified, "peak": config.linear_rate, "weight_decay": 0.0},
            {"params": encoder, "peak": config.encoder_rate, "weight_decay": 0.0},
        ],
        lr=config.rate,
        betas=(0.9, 0.99),
    )


def _schedule(step: int, steps: int) -> float:
    """Share of the largest learning rate: a linear warm-up, then a cosine to zero."""
    warm = max(1, round(_WARM_UP * steps))
    if step < warm:
        return (step + 1) / warm
    return 0.5 * (1.0 + math.cos(math.pi * (step - warm) / max(1, steps - warm)))


def _spread(moments: Int[Tensor, " moment"], count: int) -> Int[Tensor, " chosen"]:
    """At most `count` of `moments`, evenly spread."""
    if len(moments) <= count:
        return moments
    return moments[torch.linspace(0, len(moments) - 1, count).long()]


def _identity(plant: PlantSpec, log: Log, seed: int, config: TrainingConfig) -> str:
    facts = asdict(config) | {"checkpoint_s": None}
    return hashlib.sha256(repr((plant_fingerprint(plant), log.identity, seed, facts)).encode()).hexdigest()


def _finish(plant: PlantSpec, prepared: Prepared, run: _Run, seed: int) -> WorldModel:
    best = run.best
    model = WorldModel(
        plant=plant,
        rule=prepared.rule,
        scaler=prepared.scaler,
        horizon=prepared.horizon,
        encoder=best.encoder,
        predictor=best.predictor,
        readout=best.readout,
        reference=prepared.reference,
        metrics={
            "seed": seed,
            "steps": run.step,
            "best_step": run.best_step,
            "linear_error": run.first_error,
            "validation_error": run.best_error,
            "horizon": prepared.horizon,
            "history": prepared.rule.history,
            "latent": prepared.latent,
            "training_moments": len(prepared.training.moments),
            "notes": list(prepared.notes),
        },
    ).finished()
    model.feedback = chosen_feedback(model, prepared.validation.grid)
    model.metrics["validation"] = score(model, prepared.validation.grid).as_dict()
    return model
