"""The whole objective: read outputs and latents ahead, keep the latent Gaussian and controllable."""

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from procwm.training.config import TrainingConfig
from procwm.training.identification import STATE_RIDGE, ridge
from procwm.training.preparation import Material
from procwm.training.tensors import MOST_CHECKED, Future, LogTensors, spread
from procwm.world.encoders.encoder import WindowEncoder
from procwm.world.encoders.features import window_features
from procwm.world.losses import inverse_dynamics, latent_prediction, output_loss, random_directions, sigreg
from procwm.world.predictors.residual import ResidualPredictor
from procwm.world.protocols import ModelInput

_INVERSE_HIDDEN = 32


@dataclass(frozen=True, eq=False)
class Losses:
    """The terms of one step, unweighted."""

    output: Float[Tensor, ""]
    latent: Float[Tensor, ""]
    sigreg: Float[Tensor, ""]
    inverse: Float[Tensor, ""]
    companion: Float[Tensor, ""]

    def total(self, config: TrainingConfig) -> Float[Tensor, ""]:
        """Their weighted sum."""
        return (
            config.output_weight * self.output
            + config.latent_weight * self.latent
            + config.sigreg_weight * self.sigreg
            + config.inverse_weight * self.inverse
            + config.companion_weight * self.companion
        )


@dataclass(frozen=True, eq=False)
class Scales:
    """Errors of the linear start over the horizon, which make the weights of the losses free of units.

    Attributes:
        output: of the outputs, by lead: each counts by what the linear start misses of it.
        companion: of the PVs that belong to the process.
        latent: of each latent direction, squared: what it cannot foresee counts less.
    """

    output: Float[Tensor, "step cv"]
    companion: float
    latent: Float[Tensor, " latent"]


class Trainee(nn.Module):
    """The parts that are trained: those of the world model, and two heads that only training needs.

    Attributes:
        inverse: latents now and later to the moves between them.
        witness: the latent to the PVs that belong to the process, `None` without any. No plan asks for
            them, and a guardrail may: what they tell must stay in the latent.
    """

    def __init__(self, material: Material, config: TrainingConfig) -> None:
        super().__init__()
        tensors, latent = material.part.tensors, material.latent
        mv, dv, outputs = tensors.mv.shape[1], tensors.dv.shape[1], tensors.outputs.shape[1]
        self.encoder = WindowEncoder(
            history=material.rule.history,
            tags=len(material.rule.tags),
            latent=latent,
            hidden=config.encoder_hidden,
            kind=config.encoder,
        )
        self.predictor = ResidualPredictor(latent=latent, mv=mv, dv=dv, hidden=config.predictor_hidden)
        self.readout = nn.Linear(latent, outputs)
        self.inverse = nn.Sequential(
            nn.Linear(2 * latent, _INVERSE_HIDDEN), nn.Tanh(), nn.Linear(_INVERSE_HIDDEN, mv)
        )
        self.companions = material.companions
        self.witness = nn.Linear(latent, len(self.companions)) if len(self.companions) else None
        with torch.no_grad():
            for layer, identified in (
                (self.encoder.linear, material.reference.encoder),
                (self.predictor.linear, material.reference.step),
                (self.readout, material.reference.readout),
            ):
                layer.weight.copy_(identified.weight)
                layer.bias.copy_(identified.bias)
            if self.witness is not None:
                moments = spread(material.part.moments, MOST_CHECKED)
                known = material.reference.encoder(window_features(tensors.windows(moments)).double())
                seen = tensors.others[moments][:, self.companions].double()
                weight, bias = ridge(known, seen, STATE_RIDGE)
                self.witness.weight.copy_(weight.T)
                self.witness.bias.copy_(bias)

    def imagine(
        self,
        latent: Float[Tensor, "batch latent"],
        mv: Float[Tensor, "batch step mv"],
        dv: Float[Tensor, "batch step dv"],
    ) -> Float[Tensor, "batch step latent"]:
        """Latents ahead; row 0 is the end of the first interval."""
        states = []
        for k in range(mv.shape[1]):
            latent = self.predictor(latent, mv[:, k], dv[:, k])
            states.append(latent)
        return torch.stack(states, dim=1)


def losses(
    trainee: Trainee,
    log: LogTensors,
    moments: Int[Tensor, " batch"],
    horizon: int,
    config: TrainingConfig,
    generator: torch.Generator,
    scales: Scales,
) -> Losses:
    """All terms on a batch of moments; `horizon` rows are imagined and all of their outputs compared.

    Latents are compared, and made Gaussian, at a few random steps ahead: their targets come from the
    same encoder, which is the costly part.
    """
    drawn = torch.randperm(horizon, generator=generator)[: config.targets]
    ahead = drawn.sort().values + 1
    rows = torch.cat((moments[:, None], moments[:, None] + ahead), dim=1)
    windows: ModelInput = log.windows(rows.flatten())
    encoded = trainee.encoder(windows).unflatten(0, tuple(rows.shape))
    future = log.future(moments, horizon)
    imagined = trainee.imagine(encoded[:, 0], future.mv, future.dv)
    last = int(ahead[-1])
    recovered = trainee.inverse(torch.cat((encoded[:, 0], encoded[:, -1]), dim=-1))
    directions = random_directions(encoded.shape[-1], config.directions, generator, encoded)
    return Losses(
        output=relative_error(
            output_loss(trainee.readout(imagined), future.outputs, future.outputs_valid, config.huber),
            future.outputs_valid,
            scales.output,
        ).mean(),
        latent=latent_prediction(imagined[:, ahead - 1], encoded[:, 1:], 1.0 / scales.latent),
        sigreg=sigreg(encoded[:, :2].flatten(0, 1), directions),
        inverse=inverse_dynamics(recovered, future.mv[:, :last]),
        companion=_companion_error(trainee, imagined, future, config.huber) / scales.companion,
    )


@torch.no_grad()
def scales(
    trainee: Trainee, log: LogTensors, moments: Int[Tensor, " moment"], horizon: int, huber: float
) -> Scales:
    """What the linear start cannot foresee on its own training moments."""
    future = log.future(moments, horizon)
    imagined = trainee.imagine(trainee.encoder(log.windows(moments)), future.mv, future.dv)
    missed = output_loss(trainee.readout(imagined), future.outputs, future.outputs_valid, huber)
    output = mean_loss(missed, future.outputs_valid)
    squares = [
        (imagined[:, lead] - trainee.encoder(log.windows(moments + 1 + lead))).square().mean(dim=0)
        for lead in range(0, horizon, max(1, horizon // 4))
    ]
    latent = torch.stack(squares).mean(dim=0)
    # What the linear start foresees perfectly is not worth more than a thousandth of the rest.
    least = 1e-3 * output.amax(dim=0).clamp(min=1e-9)
    companion = _companion_error(trainee, imagined, future, huber)
    return Scales(torch.maximum(output, least), max(float(companion), 1e-9), latent.clamp(min=1e-6))


def _companion_error(
    trainee: Trainee, imagined: Float[Tensor, "batch step latent"], future: Future, huber: float
) -> Float[Tensor, ""]:
    if trainee.witness is None:
        return imagined.new_zeros(())
    values, valid = (part[..., trainee.companions] for part in (future.others, future.others_valid))
    loss = output_loss(trainee.witness(imagined), values, valid, huber)
    return loss.sum() / valid.sum().clamp(min=1.0)


def mean_loss(
    loss: Float[Tensor, "moment step cv"], valid: Float[Tensor, "moment step cv"]
) -> Float[Tensor, "step cv"]:
    """By lead and output, over what is valid."""
    return loss.sum(dim=0) / valid.sum(dim=0).clamp(min=1.0)


def relative_error(
    loss: Float[Tensor, "moment step cv"],
    valid: Float[Tensor, "moment step cv"],
    scale: Float[Tensor, "step cv"],
) -> Float[Tensor, " moment"]:
    """Mean over leads and outputs of what each moment lost, relative to `scale`."""
    return (loss / scale).sum(dim=(1, 2)) / valid.sum(dim=(1, 2)).clamp(min=1.0)


@torch.no_grad()
def prediction_loss(
    trainee: Trainee, log: LogTensors, moments: Int[Tensor, " moment"], horizon: int, huber: float
) -> tuple[Float[Tensor, "moment step cv"], Float[Tensor, "moment step cv"]]:
    """Output loss of every moment, and where it is valid."""
    future = log.future(moments, horizon)
    imagined = trainee.imagine(trainee.encoder(log.windows(moments)), future.mv, future.dv)
    return output_loss(
        trainee.readout(imagined), future.outputs, future.outputs_valid, huber
    ), future.outputs_valid
