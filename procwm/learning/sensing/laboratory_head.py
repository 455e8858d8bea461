"""A laboratory quantity read from a frozen latent state, learned from a handful of values."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from procwm.errors import TrainingError
from procwm.world.conformal import least_count, symmetric_margin

RIDGES = tuple(10.0**power for power in range(-6, 1))
"""Weights tried, relative to unit variance of a direction that the moves move."""
BAND = 0.9
"""Share of new values that the band is to hold."""
FEWEST = 3


@dataclass(frozen=True, kw_only=True, eq=False)
class LaboratoryHead:
    """A quantity as a weighted sum of directions, with the half-width of the band that new values keep to.

    Attributes:
        weights: of the directions of every look.
        offset: engineering units, as the weights.
        band: half-width that holds `BAND` of new values; infinite where there are too few to show it.
    """

    weights: tuple[Float[Tensor, " direction"], ...]
    offset: float
    band: float

    def __call__(self, directions: Sequence[Float[Tensor, "row _"]]) -> Float[np.ndarray, " row"]:
        """The quantity, engineering units, by the directions of every look."""
        parts = [each @ weight for each, weight in zip(directions, self.weights, strict=True)]
        return torch.stack(parts).sum(dim=0).numpy() + self.offset


def learn_laboratory_head(
    directions: Sequence[Float[Tensor, "label _"]],
    values: Float[np.ndarray, " label"],
    shares: Sequence[Float[Tensor, " _"]],
) -> LaboratoryHead:
    """The mean of ridge regressions on every look, by how well each foretells values left out.

    They differ in the look and in how far coefficients are shrunk; those of directions that the moves hardly
    move are shrunk more. One with the least error among few labels is often so by luck, therefore the mean.
    The band is conformal (`procwm.world.conformal`), from the errors of values left out.

    Args:
        directions: at the moments of the labels, of unit variance over the log, by look.
        values: of the laboratory, engineering units.
        shares: how far the moves move each direction, 0 to 1, by look.

    Raises:
        TrainingError: fewer than `FEWEST` values, or one that is not finite.
    """
    if len(values) < FEWEST:
        raise TrainingError(f"{len(values)} laboratory values were given; a head needs {FEWEST}")
    if not (np.isfinite(values).all() and all(bool(torch.isfinite(each).all()) for each in directions)):
        raise TrainingError("a laboratory value or its latent state is not finite; leave that moment out")
    target = torch.as_tensor(values, dtype=torch.float64)
    fits = [
        [_ridge(each * share, target, ridge) for ridge in RIDGES]
        for each, share in zip(directions, shares, strict=True)
    ]
    missed = torch.stack([left_out for look in fits for _, left_out in look])
    errors = missed.square().mean(dim=1).clamp(min=torch.finfo(missed.dtype).tiny)
    likely = torch.softmax(-0.5 * len(values) * errors.log(), dim=0)
    weights = tuple(
        share * (torch.stack([coefficients for coefficients, _ in look]).T @ part)
        for look, share, part in zip(fits, shares, likely.reshape(len(fits), -1), strict=True)
    )
    middle = sum(float(each.mean(dim=0) @ own) for each, own in zip(directions, weights, strict=True))
    band = _band((likely @ missed).numpy())
    return LaboratoryHead(weights=weights, offset=float(target.mean()) - middle, band=band)


def _ridge(
    features: Float[Tensor, "label direction"], values: Float[Tensor, " label"], ridge: float
) -> tuple[Float[Tensor, " direction"], Float[Tensor, " label"]]:
    """Coefficients, and the error at each label of a regression without it."""
    count = len(values)
    centered, targets = features - features.mean(dim=0), values - values.mean()
    gram = centered.T @ centered
    gram.diagonal().add_(ridge * count)
    solved = torch.linalg.solve(gram, centered.T)
    coefficients = solved @ targets
    # A label's own weight in its fitted value, that in the mean included.
    own = (centered * solved.T).sum(dim=1) + 1.0 / count
    return coefficients, (targets - centered @ coefficients) / (1.0 - own).clamp(min=1.0 / count**2)


def _band(missed: Float[np.ndarray, " label"]) -> float:
    sides = 0.5 * (1.0 + BAND)
    return symmetric_margin(missed[:, None], sides) if len(missed) >= least_count(BAND) else np.inf
