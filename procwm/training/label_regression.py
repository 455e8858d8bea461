"""What a handful of labels says of every moment of a log: kernel ridge regressions, averaged."""

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int
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
    everyone = torch.ones(count, dtype=torch.bool)
    share = typical / typical.sum()
    found, without, errors, freedoms = [], [], [], []
    for view in views:
        straight = view @ view[labelled].T
        for kind in KINDS:
            kernel = straight + kind.curvature**2 * straight.square()
            fitted = _Fitted(kernel, labelled, values, near, kind)
            found.append(fitted(everyone))
            others = [everyone.index_fill(0, torch.tensor([label]), False) for label in range(count)]
            without.append(torch.stack([fitted(kept) for kept in others]))
            missed = values - without[-1][torch.arange(count), labelled]
            errors.append(missed.square() * share)
            freedoms.append(fitted.freedom)
    error, freedom = torch.stack(errors), torch.tensor(freedoms, dtype=values.dtype)
    total = error.sum(dim=1, keepdim=True)
    weights = _likelihood(total, freedom, count).squeeze(1)
    weights_without = _likelihood(total - error, freedom, count)
    return (
        torch.einsum("k,km->m", weights, torch.stack(found)),
        torch.einsum("kl,klm->lm", weights_without, torch.stack(without)),
    )


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
        kernel: Float[Tensor, "moment label"],
        labelled: Int[Tensor, " label"],
        values: Float[Tensor, " label"],
        near: Float[Tensor, " label"],
        kind: Kind,
    ) -> None:
        self._kernel, self._among = kernel, kernel[labelled]
        self._values, self._near, self._kind = values, near, kind

    def __call__(self, kept: Bool[Tensor, " label"]) -> Float[Tensor, " moment"]:
        """The value at every moment, by the labels that are kept."""
        among, values = self._among[kept][:, kept], self._values[kept]
        scale = _Scale.of(values, self._kind.warp)
        targets = scale.bent(values)
        share = self._near[kept] / self._near[kept].sum()
        middle = share @ targets
        coefficients = self._solve(among, share, targets - middle)
        centered = coefficients - share * coefficients.sum()
        return scale.straight((self._kernel[:, kept] - among @ share) @ centered + middle)

    @property
    def freedom(self) -> float:
        """Effective count of parameters: the trace of what takes labels to fitted values."""
        share = self._near / self._near.sum()
        return 1.0 + float(torch.trace(self._solve(self._among, share, _centered(self._among, share))))

    def _solve(
        self,
        among: Float[Tensor, "kept kept"],
        share: Float[Tensor, " kept"],
        targets: Float[Tensor, "kept *column"],
    ) -> Float[Tensor, "kept *column"]:
        regular = _centered(among, share)
        regular.diagonal().add_(self._kind.ridge / share)
        return torch.linalg.solve(regular, targets)


def _centered(
    kernel: Float[Tensor, "label label"], share: Float[Tensor, " label"]
) -> Float[Tensor, "label label"]:
    """The kernel of features less their weighted means."""
    mean = kernel @ share
    return kernel - mean - mean[:, None] + share @ mean


@dataclass(frozen=True, kw_only=True)
class _Scale:
    """Labels brought to -1 to 1, `y = u + warp (u^2 - 1)`, where `u` is linear in the features.

    One direction of the features, along which the label bends (Box and Cox, An analysis of
    transformations, Journal of the Royal Statistical Society B 26 (1964), 211-252): products of features
    have a coefficient for every pair, more than there are labels; this has one. The level behind an
    orifice goes with the square of what flows in.
    """

    middle: Float[Tensor, ""]
    half: Float[Tensor, ""]
    warp: float

    @classmethod
    def of(cls, values: Float[Tensor, " label"], warp: float) -> "_Scale":
        low, high = values.aminmax()
        # Labels may all be the same once one is left out.
        half = ((high - low) / 2.0).clamp(min=torch.finfo(values.dtype).tiny)
        return cls(middle=(high + low) / 2.0, half=half, warp=warp)

    def bent(self, values: Float[Tensor, " label"]) -> Float[Tensor, " label"]:
        relative = (values - self.middle) / self.half
        if self.warp == 0.0:
            return relative
        return ((1.0 + 4.0 * self.warp * (relative + self.warp)).sqrt() - 1.0) / (2.0 * self.warp)

    def straight(self, values: Float[Tensor, " moment"]) -> Float[Tensor, " moment"]:
        return self.middle + self.half * (values + self.warp * (values.square() - 1.0))
