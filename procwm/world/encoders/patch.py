"""A small transformer over patches of rows."""

import torch
from jaxtyping import Float
from torch import Tensor, nn

from procwm.errors import SpecError
from procwm.world.encoders.features import window_rows
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
        if width % _HEADS:
            raise SpecError(f"a patch encoder of width {width}: it must be a multiple of {_HEADS}")
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
        self.last = nn.Linear(width, latent)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

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
