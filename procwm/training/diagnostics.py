"""What a latent state is worth apart from prediction: spread, rank, what it knows, what moves it."""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from procwm.plant.tags import names_of
from procwm.training.identification import ridge
from procwm.world.model import WorldModel

COLLAPSED_STD = 0.01
"""A latent direction that varies less than this carries nothing; training aims at 1."""
_PROBE_RIDGE = 1e-4


@dataclass(frozen=True, kw_only=True)
class Collapse:
    """Signs of a collapsed latent. No one of them is enough: rank alone looks healthy at a spread of 0.001.

    Attributes:
        std: of each latent over the log, largest first.
        rank: effective rank of the latents' covariance, `exp` of the entropy of its normalised eigenvalues
            (Roy and Vetterli, The effective rank, EUSIPCO 2007).
        probe_r2: share of each tag's variance that a linear probe finds in the latent, fitted on the first
            half of the moments and scored on the second.
    """

    std: tuple[float, ...]
    rank: float
    probe_r2: dict[str, float]

    @property
    def collapsed(self) -> bool:
        """Whether most of the latent has no spread left."""
        return sum(value < COLLAPSED_STD for value in self.std) > len(self.std) / 2


@dataclass(frozen=True, kw_only=True)
class Gain:
    """How an output answers one MV at the end of the horizon.

    Attributes:
        gain: mean change of the output per unit of the MV, engineering units.
        positive: share of moments at which it is positive; near 0 or 1 where the sign is sure.
    """

    mv: str
    output: str
    gain: float
    positive: float


def collapse(
    latent: Float[Tensor, "moment latent"], tags: Float[Tensor, "moment tag"], names: tuple[str, ...]
) -> Collapse:
    """Diagnose `latent` beside the present values of `tags` (scaled)."""
    centered = latent - latent.mean(dim=0)
    variances = torch.linalg.eigvalsh(centered.T @ centered / len(latent)).clamp(min=0.0)
    shares = variances / variances.sum().clamp(min=1e-30)
    entropy = -(shares * shares.clamp(min=1e-30).log()).sum()
    half = len(latent) // 2
    coefficients, offset = ridge(latent[:half], tags[:half], _PROBE_RIDGE)
    error = (latent[half:] @ coefficients + offset - tags[half:]).square().mean(dim=0)
    variance = tags[half:].var(dim=0, correction=0)
    # A tag that stood still has no variance to explain.
    found = {
        name: float(1.0 - error[column] / variance[column])
        for column, name in enumerate(names)
        if variance[column] > 1e-8
    }
    std = latent.std(dim=0, correction=0).sort(descending=True).values
    return Collapse(std=tuple(std.tolist()), rank=float(entropy.exp()), probe_r2=found)


def gains(
    model: WorldModel,
    latent: Float[Tensor, "moment latent"],
    mv: Float[Tensor, "moment mv"],
    dv: Float[Tensor, "moment dv"],
) -> tuple[Gain, ...]:
    """Step every MV by half its scaled width from where it stood, and hold it over the horizon."""
    step = 0.5
    plant, horizon = model.plant, model.horizon
    held_mv = mv[:, None].expand(-1, horizon, -1)
    held_dv = dv[:, None].expand(-1, horizon, -1)
    base = model.readout(model.imagine(latent, held_mv, held_dv)[:, -1])
    _, output_width = model.scaler.part(model.output_names)
    _, mv_width = model.scaler.part(names_of(plant.mvs))
    found = []
    for column, tag in enumerate(plant.mvs):
        moved = held_mv.clone()
        moved[:, :, column] += step
        change = model.readout(model.imagine(latent, moved, held_dv)[:, -1]) - base
        for row, output in enumerate(model.output_names):
            per_unit = change[:, row] * float(output_width[row]) / (step * float(mv_width[column]))
            positive = float((per_unit > 0).double().mean())
            found.append(Gain(mv=tag.name, output=output, gain=float(per_unit.mean()), positive=positive))
    return tuple(found)
