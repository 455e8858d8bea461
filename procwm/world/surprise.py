"""How far readings are from what the model predicted, relative to ordinary operation."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn


@dataclass(frozen=True, eq=False)
class Surprised:
    """The surprise of a batch of moments.

    Attributes:
        ratio: 1 is what ordinary operation reaches about once a day; NaN where nothing was expected or
            measured.
        tag: column of the tag that tells most of it.
    """

    ratio: Float[Tensor, " batch"]
    tag: Int[Tensor, " batch"]


class Surprise(nn.Module):
    """Violation of expectation: prediction errors of all measured tags at once, at several leads.

    A latent that was predicted `k` intervals before is read by a linear probe; the errors of the tags,
    made uncorrelated and of unit size by their covariance in the log, are summed up as a root mean
    square, as the squared prediction error of a multivariate monitor is. The largest of the leads counts,
    each beside its limit: a short one sees a jump at once, a long one what creeps in.

    Attributes:
        tags: measured tags that are expected, in order.
        leads: intervals ahead, ascending.
        probe: from `[latent, mv, dv, 1]` to the tags, by lead; scaled.
        whiten: errors to uncorrelated ones, by lead; symmetric, so that each still is mostly of its tag.
        limit: what the root mean square seldom reaches, by lead.
    """

    def __init__(self, *, tags: Sequence[str], leads: Sequence[int], inputs: int) -> None:
        """Args: inputs: width of `[latent, mv, dv, 1]`."""
        super().__init__()
        self.tags, self.leads = tuple(tags), tuple(leads)
        count, width = len(self.leads), len(self.tags)
        self.probe: Tensor
        self.whiten: Tensor
        self.limit: Tensor
        self.register_buffer("probe", torch.zeros((count, inputs, width)))
        self.register_buffer("whiten", torch.zeros((count, width, width)))
        self.register_buffer("limit", torch.ones(count))

    def errors(
        self,
        latent: Float[Tensor, "batch lead latent"],
        moved: Float[Tensor, "batch moved"],
        values: Float[Tensor, "batch tag"],
    ) -> Float[Tensor, "batch lead tag"]:
        """Measured less expected, scaled; NaN where a tag was not measured or nothing was expected.

        Args:
            latent: predicted for the moment `leads` intervals before it.
            moved: MVs and DVs of the interval that ends at the moment.
            values: of `tags`; NaN where not measured.
        """
        known = _with_one(moved)[:, None].expand(-1, len(self.leads), -1)
        expected = torch.einsum("blf,lft->blt", torch.cat((latent, known), dim=2), self.probe)
        return values[:, None] - expected

    def decode(
        self, latent: Float[Tensor, "batch latent"], moved: Float[Tensor, "batch moved"]
    ) -> Float[Tensor, "batch tag"]:
        """What the shortest lead's probe expects of the tags, scaled."""
        expected: Tensor = torch.cat((latent, _with_one(moved)), dim=1) @ self.probe[0]
        return expected

    def sizes(self, errors: Float[Tensor, "batch lead tag"]) -> Float[Tensor, "batch lead"]:
        """Root mean square of the uncorrelated errors of the known tags; NaN where none is known."""
        count = torch.isfinite(errors).sum(dim=2)
        size: Tensor = (self._uncorrelated(errors).square().sum(dim=2) / count.clamp(min=1)).sqrt()
        return torch.where(count > 0, size, torch.nan)

    def forward(
        self,
        latent: Float[Tensor, "batch lead latent"],
        moved: Float[Tensor, "batch moved"],
        values: Float[Tensor, "batch tag"],
    ) -> Surprised:
        """The surprise of every moment; arguments as in `errors`."""
        errors = self.errors(latent, moved, values)
        ratios = self.sizes(errors) / self.limit
        ratio, lead = torch.where(torch.isfinite(ratios), ratios, -torch.inf).max(dim=1)
        parts = self._uncorrelated(errors)[torch.arange(len(errors)), lead]
        return Surprised(torch.where(ratio >= 0.0, ratio, torch.nan), parts.abs().argmax(dim=1))

    def _uncorrelated(self, errors: Float[Tensor, "batch lead tag"]) -> Float[Tensor, "batch lead tag"]:
        # A tag that was not measured is taken to be as expected.
        return torch.einsum("blt,lts->bls", errors.nan_to_num(0.0, 0.0, 0.0), self.whiten)


def _with_one(moved: Float[Tensor, "batch moved"]) -> Float[Tensor, "batch input"]:
    return torch.cat((moved, moved.new_ones((len(moved), 1))), dim=1)
