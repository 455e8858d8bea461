"""Whether a latent state has collapsed, and whether predictions make use of it and of the MVs."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from procwm.learning.dataset.tensors import LogTensors
from procwm.learning.identification.state_space import ridge
from procwm.world.model import WorldModel
from procwm.world.protocols import ModelInput

COLLAPSED_STD = 0.01
"""A latent direction that varies less than this carries nothing; training aims at 1."""
_PROBE_RIDGE = 1e-4
_NO_ERROR = 1e-3
"""Of a standard deviation: smaller errors are not told apart."""


@dataclass(frozen=True, kw_only=True)
class CollapseDiagnosis:
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
class Shuffled:
    """How much larger errors become when what a prediction is made from is mixed up; 1 where it is not used.

    Attributes:
        moves: with the moves of MVs to come of another moment.
        window: with the rows of the window in another order, all but the last one.
    """

    moves: float
    window: float


def collapse(
    latent: Float[Tensor, "moment latent"], tags: Float[Tensor, "moment tag"], names: tuple[str, ...]
) -> CollapseDiagnosis:
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
    return CollapseDiagnosis(std=tuple(std.tolist()), rank=float(entropy.exp()), probe_r2=found)


@torch.no_grad()
def shuffled(
    model: WorldModel,
    log: LogTensors,
    moments: Int[Tensor, " moment"],
    normalised_error: Callable[[Float[Tensor, "moment horizon output"]], Float[Tensor, " lead"]],
) -> Shuffled:
    """Mix up the moves to come, and the past, of `moments`.

    As the importance of an input is measured by permuting it: Breiman, Random forests, Machine Learning 45
    (2001), 5-32.

    Args:
        normalised_error: normalised error of predictions by lead; the lead that suffers most counts.
    """
    generator = torch.Generator().manual_seed(0)
    window, future = log.windows(moments), log.future(moments, model.horizon)
    latent, present = model.encode(window), log.mv[moments][:, None]
    others = torch.randperm(len(moments), generator=generator)
    order = torch.randperm(log.history - 1, generator=generator)
    rows = torch.cat((order, torch.tensor([log.history - 1])))
    past = ModelInput(window.values[:, rows], window.valid[:, rows])
    own, moved, blind = (
        normalised_error(model.readout(model.imagine(state, mv, future.dv))).clamp(min=_NO_ERROR)
        for state, mv in (
            (latent, future.mv),
            (latent, present + (future.mv - present)[others]),
            (model.encode(past), future.mv),
        )
    )
    return Shuffled(moves=float((moved / own).max()), window=float((blind / own).max()))
