"""What an encoder of arrays learns from: its latents, foreseen over many steps under the moves."""

from dataclasses import dataclass, field
from enum import StrEnum

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from procwm.learning.optimisation.collapse import random_directions, sigreg
from procwm.learning.optimisation.losses import inverse_dynamics
from procwm.learning.sensing.channel_nuisances import ChannelNuisances
from procwm.world.arrays.array_encoder import ArrayEncoder
from procwm.world.arrays.latent_step import LatentStep


class LatentTargets(StrEnum):
    """What foreseen latents are compared with."""

    START = "start"
    """What the start makes of the arrays to come. It does not learn, so nothing can collapse."""
    OWN = "own"
    """What the encoder itself makes of them, kept from collapsing by SIGReg, with inverse dynamics."""


@dataclass(frozen=True, kw_only=True)
class ArrayTraining:
    """Sizes, weights and lengths, the same for every sensor.

    Attributes:
        targets: what foreseen latents are compared with.
        history: arrays that a latent is made of.
        horizon: intervals over which latents are foreseen.
        starts: moments of a stretch that are foreseen from.
        batch: stretches a step.
        steps: of optimisation; 0 leaves it at the start.
        rate: largest learning rate of the networks.
        linear_rate: the same of the identified maps.
        decay: of weights.
        collapse_weight, inverse_weight: of SIGReg and inverse dynamics.
        projections: of SIGReg.
        nuisances: what is added to arrays.
    """

    targets: LatentTargets = LatentTargets.START
    history: int = 8
    horizon: int = 20
    starts: int = 2
    batch: int = 48
    steps: int = 300
    rate: float = 1e-3
    linear_rate: float = 1e-4
    decay: float = 0.01
    collapse_weight: float = 10.0
    inverse_weight: float = 0.1
    projections: int = 64
    nuisances: ChannelNuisances = field(default_factory=ChannelNuisances)

    @property
    def rows(self) -> int:
        """Of a stretch."""
        return self.history + self.horizon + self.starts - 1


class ArrayTrainee(nn.Module):
    """What learns together.

    Attributes:
        encoder, step: are kept.
        recover: moves from latents; for learning only.
    """

    def __init__(self, encoder: ArrayEncoder, step: LatentStep, *, mvs: int, latent: int) -> None:
        super().__init__()
        self.encoder, self.step = encoder, step
        self.recover = nn.Linear(2 * latent, mvs) if mvs else None


@dataclass(frozen=True, kw_only=True, eq=False)
class LatentObjective:
    """The loss of a trainee on stretches of a log.

    Attributes:
        arrays, moves: of the log; moves scaled.
        targets: latents of the start at every row.
        spread: standard deviation of a channel, on average.
    """

    config: ArrayTraining
    arrays: Float[Tensor, "row channel"]
    moves: Float[Tensor, "row mv"]
    targets: Float[Tensor, "row latent"]
    spread: float

    def __call__(
        self, trainee: ArrayTrainee, firsts: Int[Tensor, " batch"], generator: torch.Generator
    ) -> Float[Tensor, ""]:
        """Of the stretches that begin at `firsts`."""
        config = self.config
        rows = firsts[:, None] + torch.arange(config.rows)
        ahead = rows[:, config.history :].unfold(1, config.horizon, 1)[:, : config.starts].flatten(0, 1)
        moves = self.moves[ahead]
        if config.targets is LatentTargets.START:
            seen = rows[:, : config.history + config.starts - 1]
            latent = self._latents(trainee.encoder, seen, generator).flatten(0, 1)
            foreseen: Tensor = trainee.step(latent, moves)
            return (foreseen - self.targets[ahead]).square().mean()
        latent = self._latents(trainee.encoder, rows, generator)
        first = latent[:, : config.starts].flatten(0, 1)
        later = latent[:, 1:].unfold(1, config.horizon, 1)[:, : config.starts]
        later = later.flatten(0, 1).transpose(1, 2)
        directions = random_directions(latent.shape[2], config.projections, generator, latent)
        total: Tensor = (trainee.step(first, moves) - later).square().mean()
        total = total + config.collapse_weight * sigreg(latent.flatten(0, 1), directions)
        if trainee.recover is not None:
            recovered = trainee.recover(torch.cat((first, later[:, -1]), dim=1))
            total = total + config.inverse_weight * inverse_dynamics(recovered, moves)
        return total

    def _latents(
        self, encoder: ArrayEncoder, rows: Int[Tensor, "batch row"], generator: torch.Generator
    ) -> Float[Tensor, "batch moment latent"]:
        """Of arrays that each have nuisances of their own."""
        plain = self.arrays[rows.flatten()]
        views = encoder.views(self.config.nuisances.disturbed(plain, self.spread, generator))
        views = views * self.config.nuisances.mask(len(plain), plain.shape[1], generator)
        latent: Tensor = encoder(encoder.frames(views).reshape(*rows.shape, -1), self.moves[rows])
        return latent
