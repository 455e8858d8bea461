"""An array of channels in the two views that an encoder looks at, each with its usual variation taken out."""

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn

_FLOOR = 4.0
"""Variances below so many times the median one are noise, and are not blown up."""
_LEAST = 1e-6
"""Of the largest variance: what rounding leaves."""


class ArrayViews(nn.Module):
    """The channels as measured, and with offset and gain of every single array taken out, both whitened.

    Standard normal variates take out what scatter does (Barnes, Dhanoa and Lister, Applied Spectroscopy 43,
    772-777 (1989)). Whitening puts what varies little beside what varies much, because what matters is seldom
    what is large; by zero-phase components (Bell and Sejnowski, Vision Research 37, 3327-3338 (1997)), which
    leave every channel in its place for a convolution.
    """

    mean: Tensor
    whitening: Tensor

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(2, channels))
        self.register_buffer("whitening", torch.eye(channels).repeat(2, 1, 1))

    @property
    def channels(self) -> int:
        """Of an array."""
        return self.mean.shape[1]

    def forward(self, arrays: Float[Tensor, "row channel"]) -> Float[Tensor, "row 2 channel"]:
        """Both views of every array."""
        both = torch.stack((arrays, normal_variates(arrays)))
        return ((both - self.mean[:, None]) @ self.whitening).transpose(0, 1)


def normal_variates(arrays: Float[Tensor, "row channel"]) -> Float[Tensor, "row channel"]:
    """Every array less its mean, over its standard deviation."""
    centered = arrays - arrays.mean(dim=1, keepdim=True)
    spread = centered.square().mean(dim=1, keepdim=True).sqrt()
    return centered / spread.clamp(min=torch.finfo(arrays.dtype).eps)


def fit_views(arrays: Float[np.ndarray, "row channel"]) -> ArrayViews:
    """The views in which `arrays` vary evenly."""
    views = ArrayViews(arrays.shape[1])
    plain = torch.as_tensor(arrays, dtype=torch.float64)
    for view, seen in enumerate((plain, normal_variates(plain))):
        views.mean[view] = seen.mean(dim=0)
        views.whitening[view] = _whitening(seen)
    return views


def _whitening(seen: Float[Tensor, "row channel"]) -> Float[Tensor, "channel channel"]:
    variances, vectors = torch.linalg.eigh(torch.cov(seen.T))
    variances = variances.clamp(min=0.0)
    floor = torch.maximum(_FLOOR * variances.median(), _LEAST * variances[-1])
    floor = floor.clamp(min=torch.finfo(seen.dtype).tiny)
    shrunk = variances + floor
    # So scaled that an entry has unit variance on average.
    scale = (variances / shrunk).mean().sqrt().clamp(min=torch.finfo(seen.dtype).tiny)
    whitening: Tensor = vectors @ torch.diag(shrunk.rsqrt()) @ vectors.T / scale
    return whitening
