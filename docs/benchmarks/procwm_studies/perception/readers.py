"""The methods: what each makes of a log without labels, and then of a few labels."""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from procwm.learning.sensing.array_learning import learn_arrays
from procwm.learning.sensing.array_model import ArrayLook, ArrayModel, encoded
from procwm.learning.sensing.laboratory_head import learn_laboratory_head
from procwm.learning.sensing.latent_objective import ArrayTraining, LatentTargets
from procwm.learning.sensing.moved_directions import moved_directions
from procwm_studies.perception.pls import read_by_pls
from procwm_studies.perception.sensed import HORIZON, SensedLog
from procwm_studies.perception.twins import (
    LATENTS,
    Twin,
    generative_twin,
    principal,
    random_twin,
    supervised_twin,
)

Directions = tuple[Float[Tensor, "row _"], ...]
Reading = tuple[Float[np.ndarray, "row quantity"], Float[np.ndarray, "moment quantity"]]
"""At every row, and what is foreseen of the rows from `HORIZON` on."""
_PAST = 4
_RIDGE = 1e-3


@dataclass(frozen=True, kw_only=True, eq=False)
class Represented:
    """A log as a frozen encoder has it.

    Attributes:
        now, ahead: directions at every row, and foreseen `HORIZON` rows before.
        shares: how far the moves move each.
        train_s: processor time that it took.
    """

    now: Directions
    ahead: Directions
    shares: Sequence[Float[Tensor, " _"]]
    train_s: float

    def read(self, log: SensedLog, rows: Int[np.ndarray, " label"]) -> Reading:
        """By the same kind of head for all."""
        heads = [
            learn_laboratory_head([each[rows] for each in self.now], values, self.shares)
            for values in log.values[rows].T
        ]
        now, ahead = (np.stack([head(part) for head in heads], axis=1) for part in (self.now, self.ahead))
        return now, ahead


def representations(log: SensedLog, seed: int, *, twins: bool) -> Mapping[str, Represented]:
    """Methods that learn without labels, by name.

    Args:
        twins: whether those are among them that learn as long as procwm does.
    """
    began = time.process_time()
    model = learn_arrays(log.arrays[: log.taught], log.mv[: log.taught], seed=seed)
    found = {
        "procwm": _seen(model, log, time.process_time() - began),
        "its start alone": _seen(_only(model, 0), log, np.nan),
        "its network alone": _seen(_only(model, 1), log, np.nan),
        "principal components": _components(log),
        "random encoder": _random(log, seed),
    }
    if twins:
        began = time.process_time()
        config = ArrayTraining(targets=LatentTargets.OWN, batch=24)
        own = learn_arrays(log.arrays[: log.taught], log.mv[: log.taught], seed=seed, config=config)
        found["network by SIGReg"] = _seen(_only(own, 1), log, time.process_time() - began)
        found["generative twin"] = _twin(log, seed)
    return found


def _only(model: ArrayModel, look: int) -> ArrayModel:
    looks: tuple[ArrayLook, ...] = (model.looks[look],)
    return ArrayModel(looks=looks, center=model.center, width=model.width, losses=())


def _seen(model: ArrayModel, log: SensedLog, train_s: float) -> Represented:
    return Represented(
        now=model.directions(log.arrays, log.mv),
        ahead=model.directions_ahead(log.arrays, log.mv, HORIZON),
        shares=model.shares,
        train_s=train_s,
    )


def _twin(log: SensedLog, seed: int) -> Represented:
    began = time.process_time()
    arrays, mv = _tensors(log)
    twin = generative_twin(arrays[: log.taught], mv[: log.taught], seed)
    train_s = time.process_time() - began
    latent = encoded(twin.encoder, arrays, mv)
    return _moved(log, latent.double(), foreseen(twin, latent, mv).double(), train_s)


def foreseen(
    twin: Twin, latent: Float[Tensor, "row latent"], mv: Float[Tensor, "row mv"]
) -> Float[Tensor, "moment latent"]:
    """Latents `HORIZON` rows after each but the last ones, under the moves."""
    moves = mv[1:].unfold(0, HORIZON, 1).transpose(1, 2)
    ahead: Tensor = twin.step(latent[: len(moves)], moves)
    return ahead[:, -1]


def _components(log: SensedLog) -> Represented:
    """Principal components of the channels, each of unit variance, with linear dynamics."""
    began = time.process_time()
    arrays, _ = _tensors(log)
    vectors, mean = principal(arrays[: log.taught], LATENTS)
    return _linear(log, ((arrays - mean) @ vectors).double(), began)


def _random(log: SensedLog, seed: int) -> Represented:
    began = time.process_time()
    arrays, mv = _tensors(log)
    twin = random_twin(arrays[: log.taught], mv.shape[1], seed)
    return _linear(log, encoded(twin.encoder, arrays, mv).double(), began)


def _linear(log: SensedLog, latent: Float[Tensor, "row latent"], began: float) -> Represented:
    """With the linear map that foresees latents from latents and moves best over the log."""
    latent = latent / latent[: log.taught].std(dim=0)
    _, mv = _tensors(log)
    ahead = _regressed(latent, latent, mv, log.taught)
    return _moved(log, latent, ahead, time.process_time() - began)


def _moved(
    log: SensedLog, latent: Float[Tensor, "row latent"], ahead: Float[Tensor, "moment latent"], train_s: float
) -> Represented:
    _, mv = _tensors(log)
    turn = moved_directions(latent[: log.taught], mv[: log.taught].double())
    return Represented(now=(turn(latent),), ahead=(turn(ahead),), shares=(turn.shares,), train_s=train_s)


def _regressed(
    known: Float[Tensor, "row known"],
    wanted: Float[Tensor, "row wanted"],
    mv: Float[Tensor, "row mv"],
    taught: int,
) -> Float[Tensor, "moment wanted"]:
    """`wanted` `HORIZON` rows ahead by ridge regression on what is known and the moves meanwhile."""
    moves = mv[1:].unfold(0, HORIZON, 1).flatten(1).double()
    count = len(moves)
    both = torch.cat((known[:count], moves, torch.ones((count, 1), dtype=known.dtype)), dim=1)
    seen = both[: taught - HORIZON]
    gram = seen.T @ seen / len(seen)
    gram.diagonal().add_(_RIDGE)
    ahead: Tensor = both @ torch.linalg.solve(gram, seen.T @ wanted[HORIZON:taught] / len(seen))
    return ahead


def read_with_pls(log: SensedLog, rows: Int[np.ndarray, " label"]) -> Reading:
    """PLS now; ahead by regression of what it says on what it said and on the moves."""
    now = np.stack([read_by_pls(log.arrays, rows, values) for values in log.values[rows].T], axis=1)
    said = torch.as_tensor(now)
    center, spread = said[: log.taught].mean(dim=0), said[: log.taught].std(dim=0).clamp(min=1e-9)
    said = (said - center) / spread
    past = torch.cat([said.roll(back, 0) for back in range(_PAST)], dim=1)
    _, mv = _tensors(log)
    ahead = _regressed(past, said, mv, log.taught) * spread + center
    return now, ahead.numpy()


def read_with_supervision(log: SensedLog, rows: Int[np.ndarray, " label"], seed: int) -> Reading:
    """A network that learned from the labels alone."""
    arrays, mv = _tensors(log)
    values = torch.as_tensor(log.values[rows], dtype=torch.float32)
    center, spread = values.mean(dim=0), values.std(dim=0).clamp(min=1e-9)
    twin = supervised_twin(
        arrays[: log.taught], mv[: log.taught], torch.as_tensor(rows), (values - center) / spread, seed
    )
    latent = encoded(twin.encoder, arrays, mv)
    told = [twin.told(each) * spread + center for each in (latent, foreseen(twin, latent, mv))]
    return told[0].double().numpy(), told[1].double().numpy()


def _tensors(log: SensedLog) -> tuple[Float[Tensor, "row channel"], Float[Tensor, "row mv"]]:
    taught = log.mv[: log.taught]
    mv = (log.mv - taught.mean(axis=0)) / taught.std(axis=0)
    return torch.as_tensor(log.arrays, dtype=torch.float32), torch.as_tensor(mv, dtype=torch.float32)
