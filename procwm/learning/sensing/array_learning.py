"""A model of a sensor of many channels, learned without labels by foreseeing latents under the moves."""

import copy

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from procwm.errors import TrainingError
from procwm.learning.optimisation.adamw import AdamW, RateGroup, flattened
from procwm.learning.optimisation.gradient_descent import schedule
from procwm.learning.sensing.array_model import ArrayLook, ArrayModel, encoded
from procwm.learning.sensing.latent_objective import ArrayTrainee, ArrayTraining, LatentObjective
from procwm.learning.sensing.moved_directions import moved_directions
from procwm.learning.sensing.predictive_start import identified_step, predictive_start
from procwm.world.arrays.array_encoder import ArrayEncoder
from procwm.world.arrays.array_views import fit_views
from procwm.world.arrays.latent_step import LatentStep

_AVERAGING = 0.98
_SHOWN = 100


def learn_arrays(
    arrays: Float[np.ndarray, "row channel"],
    mv: Float[np.ndarray, "row mv"],
    *,
    seed: int,
    config: ArrayTraining | None = None,
) -> ArrayModel:
    """A model of a sensor of many channels from an uninterrupted stretch of its log; no label is needed.

    It starts at the combinations of channels that say most about arrays to come (`predictive_start`). From
    there a network learns to foresee them over many steps under the moves, from a short history of arrays,
    each with nuisances of its own (`latent_objective`). Both are kept, for heads to choose from.

    Args:
        arrays: one a control interval.
        mv: in force during the interval that ended at each row, engineering units; of no column where nothing
            was moved.
        seed: of first weights, stretches and nuisances.
        config: the defaults where `None`.

    Raises:
        TrainingError: too few rows, a value that is not finite, or a loss that is not.
    """
    config = config or ArrayTraining()
    if len(arrays) < 4 * config.rows:
        raise TrainingError(
            f"there are {len(arrays)} arrays; a training needs {4 * config.rows} at least, without gaps"
        )
    if not (np.isfinite(arrays).all() and np.isfinite(mv).all()):
        raise TrainingError("an array or a move is not finite; give a stretch of the log without gaps")
    center, width = mv.mean(axis=0), mv.std(axis=0)
    width[width == 0.0] = 1.0
    seen = torch.as_tensor(arrays, dtype=torch.float32)
    moves = torch.as_tensor((mv - center) / width, dtype=torch.float32)
    # First weights are drawn from the global generator; the caller's is not ours to move.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        start = _identified(arrays, seen, moves, config)
    looks = [_look(start, seen, moves)]
    losses: list[float] = []
    if config.steps:
        learned, losses = _learned(start, seen, moves, config, seed)
        looks.append(_look(learned, seen, moves))
    shown = tuple(losses[:: max(1, config.steps // _SHOWN)])
    return ArrayModel(looks=tuple(looks), center=center, width=width, losses=shown)


@torch.no_grad()
def _identified(
    arrays: Float[np.ndarray, "row channel"],
    seen: Float[Tensor, "row channel"],
    moves: Float[Tensor, "row mv"],
    config: ArrayTraining,
) -> ArrayTrainee:
    """All parts at their start: linear, and of single arrays."""
    views = fit_views(arrays)
    features = views(seen).flatten(1).double()
    start = predictive_start(features)
    latents, mvs = len(start.weight), moves.shape[1]
    encoder = ArrayEncoder(views, history=config.history, mvs=mvs, latent=latents)
    encoder.identified.weight.copy_(start.weight)
    encoder.identified.bias.copy_(start.offset)
    step = LatentStep(mvs=mvs, latent=latents)
    weight, offset = identified_step(features @ start.weight.T + start.offset, moves.double())
    step.identified.weight.copy_(weight)
    step.identified.bias.copy_(offset)
    return ArrayTrainee(encoder, step, mvs=mvs, latent=latents)


def _learned(
    start: ArrayTrainee,
    seen: Float[Tensor, "row channel"],
    moves: Float[Tensor, "row mv"],
    config: ArrayTraining,
    seed: int,
) -> tuple[ArrayTrainee, list[float]]:
    """The running average of the weights after all steps, and the losses on the way."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        targets = encoded(start.encoder, seen, moves)
    spread = float(seen.std(dim=0).mean())
    objective = LatentObjective(config=config, arrays=seen, moves=moves, targets=targets, spread=spread)
    trainee, average = copy.deepcopy(start), copy.deepcopy(start).requires_grad_(False)
    optimizer = AdamW(_groups(trainee, config))
    averaged = flattened([weight for group in _groups(average, config) for weight in group.weights])
    losses = []
    for step in range(config.steps):
        firsts = torch.randint(len(seen) - config.rows, (config.batch,), generator=generator)
        loss = objective(trainee, firsts, generator)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss is not finite after {step} steps; a smaller rate than {config.rate} may help"
            )
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step(schedule(step, config.steps))
        # Early on a plain mean of the last steps.
        averaged.lerp_(optimizer.weights, 1.0 - min(_AVERAGING, 1.0 - 1.0 / (2.0 + step / 10.0)))
        losses.append(float(loss.detach()))
    return average, losses


def _look(
    parts: ArrayTrainee, arrays: Float[Tensor, "row channel"], moves: Float[Tensor, "row mv"]
) -> ArrayLook:
    """`parts` as a way to see the sensor."""
    first = parts.encoder.history
    with torch.no_grad():
        latent = encoded(parts.encoder, arrays, moves)[first:].double()
    moved = moved_directions(latent, moves[first:].double())
    return ArrayLook(encoder=parts.encoder, step=parts.step, moved=moved)


def _groups(trainee: ArrayTrainee, config: ArrayTraining) -> list[RateGroup]:
    """All weights with their rates."""
    linear = [*trainee.encoder.identified.parameters(), *trainee.step.identified.parameters()]
    known = {id(weight) for weight in linear}
    networks = [weight for weight in trainee.parameters() if id(weight) not in known]
    return [RateGroup(linear, config.linear_rate, 0.0), RateGroup(networks, config.rate, config.decay)]
