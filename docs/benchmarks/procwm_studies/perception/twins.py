"""Networks like that of procwm that learn from something else: every channel to come, or labels alone."""

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from procwm.learning.optimisation.adamw import AdamW, RateGroup
from procwm.learning.optimisation.gradient_descent import schedule
from procwm.learning.sensing.latent_objective import ArrayTraining
from procwm.world.arrays.array_encoder import ArrayEncoder
from procwm.world.arrays.array_views import fit_views
from procwm.world.arrays.latent_step import LatentStep

LATENTS = 12
_SCORES = 64
"""Principal components in which channels are reconstructed: all but nothing of their variance."""
_RATE = 1e-3
_SUPERVISED_STEPS = 100
"""A few labels are learned by heart in fewer than this."""


class Twin(nn.Module):
    """Encoder and predictor of the same architecture and size, and a linear map of what they say."""

    def __init__(self, arrays: Float[np.ndarray, "row channel"], mvs: int, outputs: int) -> None:
        super().__init__()
        config = ArrayTraining()
        self.encoder = ArrayEncoder(fit_views(arrays), history=config.history, mvs=mvs, latent=LATENTS)
        self.step = LatentStep(mvs=mvs, latent=LATENTS)
        nn.init.zeros_(self.step.identified.weight)
        with torch.no_grad():
            self.step.identified.weight[:, :LATENTS] = 0.95 * torch.eye(LATENTS)
        self.told = nn.Linear(LATENTS, outputs)

    def windows(
        self, arrays: Float[Tensor, "row channel"], mv: Float[Tensor, "row mv"], last: Int[Tensor, " moment"]
    ) -> Float[Tensor, "moment latent"]:
        """Latents at the rows `last`."""
        history = self.encoder.history
        rows = last[:, None] - torch.arange(history - 1, -1, -1)
        seen = self.encoder.views(arrays[rows.flatten()])
        latent: Tensor = self.encoder(self.encoder.frames(seen).reshape(*rows.shape, -1), mv[rows])
        return latent[:, 0]


def principal(
    arrays: Float[Tensor, "row channel"], count: int
) -> tuple[Float[Tensor, "channel component"], Float[Tensor, " channel"]]:
    """Directions of largest variance and the mean."""
    mean = arrays.mean(dim=0)
    _, vectors = torch.linalg.eigh(torch.cov((arrays - mean).T.double()))
    return vectors[:, -count:].flip(1).to(arrays.dtype), mean


def generative_twin(arrays: Float[Tensor, "row channel"], mv: Float[Tensor, "row mv"], seed: int) -> Twin:
    """One that foresees every channel, now and over the horizon, under the moves; it starts at components.

    Errors of the scores of all components are those of the channels, since the components are orthogonal.
    """
    config = ArrayTraining()
    count = min(_SCORES, arrays.shape[1])
    vectors, mean = principal(arrays, count)
    scores = (arrays - mean) @ vectors
    scores = scores / scores.square().sum(dim=1).mean().sqrt()
    twin, generator = _drawn(arrays, mv.shape[1], count, seed)
    views = twin.encoder.views
    with torch.no_grad():
        features = views(arrays).flatten(1)
        wanted = scores[:, :LATENTS] / scores[:, :LATENTS].std(dim=0)
        beside = torch.cat((features, torch.ones(len(features), 1)), dim=1).double()
        found = torch.linalg.lstsq(beside, wanted.double(), driver="gelsd")
        twin.encoder.identified.weight.copy_(found.solution[:-1].T)
        twin.encoder.identified.bias.copy_(found.solution[-1])
        twin.told.weight.zero_()
        twin.told.weight[:LATENTS] = torch.diag(scores[:, :LATENTS].std(dim=0))
        twin.told.bias.zero_()
    optimizer = AdamW([RateGroup(list(twin.parameters()), _RATE, config.decay)])
    for step in range(config.steps):
        latest = len(arrays) - config.horizon - 1
        last = torch.randint(config.history, latest, (2 * config.batch,), generator=generator)
        ahead = last[:, None] + 1 + torch.arange(config.horizon)
        latent = twin.windows(arrays, mv, last)
        error = (twin.told(twin.step(latent, mv[ahead])) - scores[ahead]).square().sum(dim=2).mean()
        now = (twin.told(latent) - scores[last]).square().sum(dim=1).mean()
        (error + now).backward()
        optimizer.step(schedule(step, config.steps))
    return twin.requires_grad_(False)


def supervised_twin(
    arrays: Float[Tensor, "row channel"],
    mv: Float[Tensor, "row mv"],
    rows: Int[Tensor, " label"],
    values: Float[Tensor, "label quantity"],
    seed: int,
) -> Twin:
    """One that learns from labels alone: now, and from a horizon before, with the nuisances of procwm added.

    Args:
        values: of mean 0 and variance 1.
    """
    config = ArrayTraining()
    twin, generator = _drawn(arrays, mv.shape[1], values.shape[1], seed)
    nn.init.normal_(twin.encoder.identified.weight, std=twin.encoder.identified.weight.shape[1] ** -0.5)
    optimizer = AdamW([RateGroup(list(twin.parameters()), _RATE, 10.0 * config.decay)])
    spread, before = float(arrays.std(dim=0).mean()), config.history + config.horizon
    early = rows - config.horizon
    usable = early >= config.history
    span, shown = torch.arange(1 - config.history, 1), arrays.clone()
    for step in range(_SUPERVISED_STEPS):
        picked = torch.randint(len(rows), (min(32, len(rows)),), generator=generator)
        both = torch.cat((rows[picked], early[picked]))
        needed = torch.unique((both[:, None] + span).clamp(min=0))
        shown[needed] = config.nuisances.disturbed(arrays[needed], spread, generator)
        now = twin.told(twin.windows(shown, mv, rows[picked].clamp(min=before)))
        kept = picked[usable[picked]]
        loss = (now - values[picked]).square().mean()
        if len(kept):
            ahead = early[kept][:, None] + 1 + torch.arange(config.horizon)
            later = twin.step(twin.windows(shown, mv, early[kept]), mv[ahead])[:, -1]
            loss = loss + (twin.told(later) - values[kept]).square().mean()
        loss.backward()
        optimizer.step(schedule(step, _SUPERVISED_STEPS))
    return twin.requires_grad_(False)


def random_twin(arrays: Float[Tensor, "row channel"], mvs: int, seed: int) -> Twin:
    """One that learned nothing."""
    twin, _ = _drawn(arrays, mvs, 1, seed)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        nn.init.normal_(twin.encoder.identified.weight, std=twin.encoder.identified.weight.shape[1] ** -0.5)
        for layer in twin.encoder.modules():
            if isinstance(layer, nn.Linear) and not layer.weight.any():
                layer.reset_parameters()
    return twin.requires_grad_(False)


def _drawn(
    arrays: Float[Tensor, "row channel"], mvs: int, outputs: int, seed: int
) -> tuple[Twin, torch.Generator]:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        twin = Twin(arrays.double().numpy(), mvs, outputs)
    return twin, torch.Generator().manual_seed(seed)
