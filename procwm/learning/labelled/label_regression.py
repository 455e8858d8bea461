"""What a handful of labels says of every moment of a log: kernel ridge regressions, averaged."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

RIDGES = (1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1.0)
"""Weights tried, relative to unit variance of a feature."""
CURVATURES = (0.0, 0.1, 0.3, 1.0)
"""Scales tried for products of features: small ones are bent only where many labels ask for it."""
WARPS = (-0.35, -0.2, -0.1, 0.1, 0.2, 0.35)
"""Bends tried for the scale of the labels; at 0.35 it is six times as steep at one end as at the other."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """One kind of regression.

    Attributes:
        curvature: scale of the products of features.
        warp: bend of the labels' scale.
        ridge: weight of the squared coefficients.
    """

    curvature: float
    warp: float
    ridge: float


KINDS = tuple(
    Kind(curvature=curvature, warp=warp, ridge=ridge)
    for (curvature, warp), ridge in itertools.product(
        [(each, 0.0) for each in CURVATURES] + [(0.0, each) for each in WARPS], RIDGES
    )
)
"""All that are tried."""
_NEGLIGIBLE = 1e-6
"""A weight below this adds nothing."""


def labels_everywhere(
    views: Sequence[Float[Tensor, "moment _"]],
    labelled: Int[Tensor, " label"],
    values: Float[Tensor, " label"],
    typical: Float[Tensor, " label"],
    near: Float[Tensor, " label"],
) -> tuple[Float[Tensor, " moment"], Float[Tensor, "label moment"]]:
    """The value at every moment, and the value there had one label been left out.

    The regression with the least error is often so by luck, so all are averaged by how likely they are,
    `e^(-n/2) n^(-p/2)` with mean squared error `e` of labels left out, `n` of them, and `p` effective
    parameters (Schwarz, Estimating the dimension of a model, Annals of Statistics 6 (1978), 461-464;
    Hoeting, Madigan, Raftery and Volinsky, Bayesian model averaging, Statistical Science 14 (1999),
    382-417). An error of a label left out has paid for `p` once already, as Akaike's criterion does.
    For a label left out, its own error has no part in the weights.

    Args:
        views: features of every moment, of unit variance; each view is tried by itself.
        labelled: the moments that have a label.
        values: of the labels.
        typical: weight of each label's error: how much of the operation it stands for.
        near: how much each label matters to a regression, 1 at the limit.
    """
    count = len(values)
    share = typical / typical.sum()
    everyone = torch.arange(count)
    others = torch.stack([everyone[everyone != label] for label in range(count)])
    fits: list[tuple[_Fitted, Float[Tensor, "moment label"]]] = []
    errors, freedoms = [], []
    for view in views:
        straight = view @ view[labelled].T
        for kind in KINDS:
            fitted = _Fitted(straight[labelled], values, near, kind)
            fits.append((fitted, straight))
            missed = values - fitted(others, straight[labelled])[everyone, everyone]
            errors.append(missed.square() * share)
            freedoms.append(fitted.freedom)
    error, freedom = torch.stack(errors), torch.tensor(freedoms, dtype=values.dtype)
    total = error.sum(dim=1, keepdim=True)
    weights = _likelihood(total, freedom, count).squeeze(1)
    weights_without = _likelihood(total - error, freedom, count)
    found = torch.zeros(len(views[0]), dtype=values.dtype)
    without = torch.zeros((count, len(views[0])), dtype=values.dtype)
    for (fitted, straight), weight, each in zip(fits, weights, weights_without, strict=True):
        if max(float(weight), float(each.max())) > _NEGLIGIBLE:
            found += weight * fitted(everyone[None], straight).squeeze(0)
            without += each[:, None] * fitted(others, straight)
    return found, without


def _likelihood(
    error: Float[Tensor, "kind column"], freedom: Float[Tensor, " kind"], labels: int
) -> Float[Tensor, "kind column"]:
    logarithm = error.clamp(min=torch.finfo(error.dtype).tiny).log()
    excess = max(0.0, 0.5 * math.log(labels) - 1.0)
    return torch.softmax(-0.5 * labels * logarithm - excess * freedom[:, None], dim=0)


class _Fitted:
    """Ridge regressions of one kind, each to some of the labels, in terms of a kernel."""

    def __init__(
        self,
        straight: Float[Tensor, "label label"],
        values: Float[Tensor, " label"],
        near: Float[Tensor, " label"],
        kind: Kind,
    ) -> None:
        """Take the products of the labels' features with each other, `straight`, and what is to be fitted."""
        self._values, self._near, self._kind = values, near, kind
        self._among = self._kernel(straight)

    def __call__(
        self, kept: Int[Tensor, "fit kept"], straight: Float[Tensor, "moment label"]
    ) -> Float[Tensor, "fit moment"]:
        """The value at moments, by the labels that each fit keeps.

        Args:
            kept: the labels of each fit.
            straight: products of the moments' features with those of the labels.
        """
        among, share = self._system(kept)
        values = self._values[kept]
        scale = _Scale.of(values, self._kind.warp)
        targets = scale.bent(values)
        middle = (share * targets).sum(dim=1, keepdim=True)
        coefficients = self._solve(among, share, (targets - middle)[..., None]).squeeze(2)
        centered = coefficients - share * coefficients.sum(dim=1, keepdim=True)
        # What the labels that are left out have no part in.
        weights = torch.zeros((len(kept), len(self._values)), dtype=values.dtype)
        weights.scatter_(1, kept, centered)
        offset: Tensor = middle - ((among @ share[..., None]).squeeze(2) * centered).sum(dim=1, keepdim=True)
        return scale.straight(weights @ self._kernel(straight).T + offset)

    def _kernel(self, straight: Float[Tensor, "row label"]) -> Float[Tensor, "row label"]:
        return straight + self._kind.curvature**2 * straight.square()

    @property
    def freedom(self) -> float:
        """Effective count of parameters: the trace of what takes labels to fitted values."""
        among, share = self._system(torch.arange(len(self._values))[None])
        return 1.0 + float(torch.trace(self._solve(among, share, _centered(among, share))[0]))

    def _system(
        self, kept: Int[Tensor, "fit kept"]
    ) -> tuple[Float[Tensor, "fit kept kept"], Float[Tensor, "fit kept"]]:
        """The kernel among the labels kept, and the share of each in the fit."""
        near = self._near[kept]
        return self._among[kept[:, :, None], kept[:, None, :]], near / near.sum(dim=1, keepdim=True)

    def _solve(
        self,
        among: Float[Tensor, "fit kept kept"],
        share: Float[Tensor, "fit kept"],
        targets: Float[Tensor, "fit kept column"],
    ) -> Float[Tensor, "fit kept column"]:
        regular = _centered(among, share)
        regular.diagonal(dim1=1, dim2=2).add_(self._kind.ridge / share)
        solution: Tensor = torch.linalg.solve(regular, targets)
        return solution


def _centered(
    kernel: Float[Tensor, "fit kept kept"], share: Float[Tensor, "fit kept"]
) -> Float[Tensor, "fit kept kept"]:
    """The kernel of features less their weighted means."""
    mean = kernel @ share[..., None]
    return kernel - mean - mean.mT + share[:, None] @ mean


@dataclass(frozen=True, kw_only=True)
class _Scale:
    """Labels brought to -1 to 1, `y = u + warp (u^2 - 1)`, where `u` is linear in the features.

    One direction of the features, along which the label bends (Box and Cox, An analysis of
    transformations, Journal of the Royal Statistical Society B 26 (1964), 211-252): products of features
    have a coefficient for every pair, more than there are labels; this has one. The level behind an
    orifice goes with the square of what flows in.
    """

    middle: Float[Tensor, "fit 1"]
    half: Float[Tensor, "fit 1"]
    warp: float

    @classmethod
    def of(cls, values: Float[Tensor, "fit kept"], warp: float) -> "_Scale":
        low, high = values.amin(dim=1, keepdim=True), values.amax(dim=1, keepdim=True)
        # Labels may all be the same once one is left out.
        half = ((high - low) / 2.0).clamp(min=torch.finfo(values.dtype).tiny)
        return cls(middle=(high + low) / 2.0, half=half, warp=warp)

    def bent(self, values: Float[Tensor, "fit kept"]) -> Float[Tensor, "fit kept"]:
        relative = (values - self.middle) / self.half
        if self.warp == 0.0:
            return relative
        return ((1.0 + 4.0 * self.warp * (relative + self.warp)).sqrt() - 1.0) / (2.0 * self.warp)

    def straight(self, values: Float[Tensor, "fit moment"]) -> Float[Tensor, "fit moment"]:
        return self.middle + self.half * (values + self.warp * (values.square() - 1.0))
