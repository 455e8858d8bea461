"""What was learned of a sensor of many channels: its latent state, now and under moves to come."""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from procwm.learning.sensing.moved_directions import MovedDirections
from procwm.world.arrays.array_encoder import ArrayEncoder
from procwm.world.arrays.latent_step import LatentStep

_AT_ONCE = 1024
"""Arrays that are encoded together."""


@dataclass(frozen=True, kw_only=True, eq=False)
class ArrayLook:
    """One way to see a sensor: an encoder, what foresees its latents, and their directions.

    Attributes:
        encoder: of arrays and scaled moves.
        step: of latents.
        moved: the latents' directions, those that the moves move most first.
    """

    encoder: ArrayEncoder
    step: LatentStep
    moved: MovedDirections

    @torch.no_grad()
    def latents(
        self, arrays: Float[Tensor, "row channel"], mv: Float[Tensor, "row mv"]
    ) -> Float[Tensor, "row latent"]:
        """At every one of consecutive rows; before the first one nothing changed."""
        return encoded(self.encoder, arrays, mv)

    @torch.no_grad()
    def ahead(
        self, latent: Float[Tensor, "row latent"], mv: Float[Tensor, "row horizon mv"]
    ) -> Float[Tensor, "row latent"]:
        """After all the moves."""
        ahead: Tensor = self.step(latent, mv)
        return ahead[:, -1]


@dataclass(frozen=True, kw_only=True, eq=False)
class ArrayModel:
    """A sensor as it was learned without labels: by single arrays, and by a network of arrays and moves.

    The two are kept beside each other, because a few labels tell which of them a quantity is read from best:
    what is to be foreseen far ahead is not all that matters now.

    Attributes:
        looks: the ways to see it.
        center, width: of the MVs, engineering units.
        losses: of the network while it learned, at most a hundred of them.
    """

    looks: tuple[ArrayLook, ...]
    center: Float[np.ndarray, " mv"]
    width: Float[np.ndarray, " mv"]
    losses: tuple[float, ...]

    def directions(
        self, arrays: Float[np.ndarray, "row channel"], mv: Float[np.ndarray, "row mv"]
    ) -> tuple[Float[Tensor, "row direction"], ...]:
        """What heads read at every one of consecutive rows, by look.

        Args:
            arrays: as measured.
            mv: in force during the interval that ended at each row, engineering units.
        """
        return tuple(
            look.moved(latent.double())
            for look, latent in zip(self.looks, self._latents(arrays, mv), strict=True)
        )

    def directions_ahead(
        self, arrays: Float[np.ndarray, "row channel"], mv: Float[np.ndarray, "row mv"], horizon: int
    ) -> tuple[Float[Tensor, "moment direction"], ...]:
        """The same `horizon` intervals after each row but the last ones, foreseen under the moves of `mv`."""
        moves = self._scaled(mv)[1:].unfold(0, horizon, 1).transpose(1, 2)
        latents = self._latents(arrays, mv)
        return tuple(
            look.moved(look.ahead(latent[: len(moves)], moves).double())
            for look, latent in zip(self.looks, latents, strict=True)
        )

    @property
    def shares(self) -> tuple[Float[Tensor, " direction"], ...]:
        """How far the moves move each direction, by look."""
        return tuple(look.moved.shares for look in self.looks)

    def _latents(
        self, arrays: Float[np.ndarray, "row channel"], mv: Float[np.ndarray, "row mv"]
    ) -> tuple[Float[Tensor, "row latent"], ...]:
        seen, moves = torch.as_tensor(arrays, dtype=torch.float32), self._scaled(mv)
        return tuple(look.latents(seen, moves) for look in self.looks)

    def _scaled(self, mv: Float[np.ndarray, "row mv"]) -> Float[Tensor, "row mv"]:
        return torch.as_tensor((mv - self.center) / self.width, dtype=torch.float32)


def encoded(
    encoder: ArrayEncoder, arrays: Float[Tensor, "row channel"], mv: Float[Tensor, "row mv"]
) -> Float[Tensor, "row latent"]:
    """Latents of consecutive rows; before the first one nothing changed."""
    frames = torch.cat([encoder.frames(encoder.views(part)) for part in torch.split(arrays, _AT_ONCE)])
    before = encoder.history - 1
    frames, moves = (torch.cat((part[:1].expand(before, -1), part)) for part in (frames, mv))
    latent: Tensor = encoder(frames[None], moves[None])[0]
    return latent
