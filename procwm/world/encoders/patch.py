"""A small transformer over patches of rows."""

from dataclasses import dataclass
from typing import ClassVar

import torch
from jaxtyping import Float
from torch import Tensor, nn

from procwm.errors import SpecError
from procwm.world.encoders.encoder import EncoderSpec
from procwm.world.encoders.features import window_rows
from procwm.world.parts.perceptron import zero_linear
from procwm.world.parts.specs import WindowShape, check_count
from procwm.world.protocols import ModelInput

PATCH = 8
"""Rows of a patch."""
_HEADS, _LAYERS = 2, 2


class PatchNetwork(nn.Module):
    """Every eight rows of all tags are one token; the last one is read out by a layer that starts at zero.

    Patches as in PatchTST (Nie et al., A time series is worth 64 words, ICLR 2023, arXiv 2211.14730), but
    with all tags in one token: how tags hang together is what a latent state is about. A patch in which
    nothing was measured is not attended to.
    """

    def __init__(self, *, history: int, tags: int, latent: int, width: int) -> None:
        super().__init__()
        self.missing = -history % PATCH
        patches = (history + self.missing) // PATCH
        self.embedding = nn.Linear(PATCH * 2 * tags, width)
        self.position = nn.Parameter(torch.zeros((patches, width)))
        nn.init.normal_(self.position, std=0.02)
        self.layers = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, _HEADS, 2 * width, dropout=0.0, activation="gelu", batch_first=True, norm_first=True
            )
            for _ in range(_LAYERS)
        )
        self.last = zero_linear(width, latent)

    def forward(self, window: ModelInput) -> Float[Tensor, "batch latent"]:
        """What the network adds to the latent at the end of each window."""
        before = (0, 0, self.missing, 0)
        valid = nn.functional.pad(window.valid, before)
        rows = window_rows(ModelInput(nn.functional.pad(window.values, before), valid))
        tokens = self.embedding(self._patches(rows)) + self.position
        unseen = self._patches(valid).sum(dim=-1) == 0
        # What asks must have something to attend to.
        unseen[:, -1] = False
        for layer in self.layers:
            tokens = layer(tokens, src_key_padding_mask=unseen)
        latent: Tensor = self.last(tokens[:, -1])
        return latent

    def _patches(self, rows: Float[Tensor, "batch row channel"]) -> Float[Tensor, "batch patch feature"]:
        return rows.reshape(len(rows), len(self.position), PATCH * rows.shape[-1])


@dataclass(frozen=True, kw_only=True)
class PatchEncoder(EncoderSpec):
    """An encoder with a transformer of tokens of `width` numbers."""

    kind: ClassVar[str] = "patch"

    width: int = 16

    def __post_init__(self) -> None:
        check_count(self.kind, "width", self.width)
        if self.width % _HEADS:
            raise SpecError(f"{self.kind}: width is {self.width}; it must be a multiple of {_HEADS}")

    def network(self, shape: WindowShape) -> nn.Module:
        """What is added to the linear part."""
        return PatchNetwork(history=shape.history, tags=shape.tags, latent=shape.latent, width=self.width)
