"""The training loss: foresee outputs and latent states, and keep the latent states from collapsing."""

import copy
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from procwm.learning.config import CollapsePrevention, FirstWeights, TrainingConfig
from procwm.learning.dataset.masking import with_hidden_stretches
from procwm.learning.dataset.tensors import MOST_CHECKED, Future, LogTensors, scattered
from procwm.learning.identification.preparation import Material
from procwm.learning.identification.state_space import STATE_RIDGE, ridge
from procwm.learning.optimisation.collapse import barlow_twins, info_nce, random_directions, sigreg, vicreg
from procwm.learning.optimisation.losses import inverse_dynamics, latent_prediction, output_loss
from procwm.learning.optimisation.unrolling import unrolled
from procwm.world.encoders.features import window_features
from procwm.world.parts.specs import StepShape, WindowShape
from procwm.world.predictors.rollout import alone
from procwm.world.protocols import Encoder, Predictor

_INVERSE_HIDDEN = 32


@dataclass(frozen=True, eq=False)
class Losses:
    """The terms of one step, unweighted."""

    output: Float[Tensor, ""]
    latent: Float[Tensor, ""]
    collapse: Float[Tensor, ""]
    inverse: Float[Tensor, ""]
    companion: Float[Tensor, ""]

    def total(self, config: TrainingConfig) -> Float[Tensor, ""]:
        """Their weighted sum."""
        return (
            config.output_weight * self.output
            + config.latent_weight * self.latent
            + config.collapse_weight * self.collapse
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

    output: Float[Tensor, "step output"]
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
        self.encoder: Encoder = config.encoder.build(
            WindowShape(history=material.rule.history, tags=len(material.rule.tags), latent=latent)
        )
        self.predictor: Predictor = config.predictor.build(
            StepShape(latent=latent, mv=mv, dv=dv, outputs=outputs)
        )
        self.readout = nn.Linear(latent, outputs)
        self.inverse = nn.Sequential(
            nn.Linear(2 * latent, _INVERSE_HIDDEN), nn.Tanh(), nn.Linear(_INVERSE_HIDDEN, mv)
        )
        self.companions = material.companions
        self.witness = nn.Linear(latent, len(self.companions)) if len(self.companions) else None
        if config.start is FirstWeights.LINEAR:
            self._start_linear(material)
        else:
            # A latent that starts at 0 everywhere has collapsed before the first step.
            self.encoder.identified.reset_parameters()

    def only(self, kind: str) -> "Trainee":
        """A copy with that part of the predictor alone."""
        trainee = copy.deepcopy(self)
        trainee.predictor = alone(trainee.predictor, kind)
        return trainee

    @torch.no_grad()
    def _start_linear(self, material: Material) -> None:
        for layer, identified in (
            (self.encoder.identified, material.reference.encoder),
            (self.predictor.identified, material.reference.step),
            (self.readout, material.reference.readout),
        ):
            layer.weight.copy_(identified.weight)
            layer.bias.copy_(identified.bias)
        if self.witness is not None:
            tensors = material.part.tensors
            moments = scattered(material.part.moments, MOST_CHECKED)
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
        kind: str | None = None,
    ) -> Float[Tensor, "batch step latent"]:
        """Latents ahead; row 0 is the end of the first interval.

        Args:
            kind: of the predictor's parts the one that is asked; `None` for the predictor as it is.
        """
        return unrolled(self.predictor if kind is None else alone(self.predictor, kind), latent, mv, dv)


def losses(
    trainee: Trainee,
    average: Trainee,
    log: LogTensors,
    moments: Int[Tensor, " batch"],
    horizon: int,
    config: TrainingConfig,
    generator: torch.Generator,
    scales: Scales,
    expected: Float[Tensor, "batch step output"] | None = None,
) -> Losses:
    """All terms on a batch of moments; `horizon` rows are imagined and all of their outputs compared.

    Every network of the predictor foresees by itself, and the terms are means over them.

    Latents are compared, and kept from collapsing, at a few random steps ahead: encoding what followed is
    the costly part.

    Args:
        average: running average of the trainee, which takes no gradient: the target network of BYOL (Grill
            et al., arXiv 2006.07733) and I-JEPA (Assran et al., arXiv 2301.08243).
        expected: what the linear start foresees of the outputs, where `config.restraint` asks for it.
    """
    drawn = torch.randperm(horizon, generator=generator)[: config.targets]
    ahead = drawn.sort().values + 1
    later = moments[:, None] + ahead
    seen = log.windows(moments)
    if config.hidden:
        seen = with_hidden_stretches(seen, config.hidden, log.mv_columns, generator)
    present = trainee.encoder(seen)
    target = trainee.encoder if config.collapse is not CollapsePrevention.EMA else average.encoder
    encoded = target(log.windows(later.flatten())).reshape(*later.shape, present.shape[-1])
    future = log.future(moments, horizon)
    if expected is not None:
        future = replace(future, outputs=future.outputs.lerp(expected, config.restraint or 0.0))
    # One after the other along the batch: means over it are means over the predictor's networks, too.
    parts = trainee.predictor.parts()
    rows = torch.cat([unrolled(part, present, future.mv, future.dv) for part in parts])
    future, targets = future.repeated(len(parts)), encoded.repeat(len(parts), 1, 1)
    read = rows if config.joint_readout else rows.detach()
    foreseen = rows[:, ahead - 1]
    last = int(ahead[-1])
    recovered = trainee.inverse(torch.cat((present, encoded[:, -1]), dim=-1))
    return Losses(
        output=relative_error(
            output_loss(trainee.readout(read), future.outputs, future.outputs_valid, config.huber),
            future.outputs_valid,
            scales.output[:horizon],
        ).mean(),
        latent=_latent_error(foreseen, targets, scales, config),
        collapse=_collapse(present, encoded, foreseen, targets, config, generator),
        inverse=inverse_dynamics(recovered, future.mv[: len(moments), :last]),
        companion=_companion_error(trainee, read, future, config.huber) / scales.companion,
    )


def _latent_error(
    foreseen: Float[Tensor, "batch step latent"],
    encoded: Float[Tensor, "batch step latent"],
    scales: Scales,
    config: TrainingConfig,
) -> Float[Tensor, ""]:
    if config.collapse in (CollapsePrevention.BARLOW, CollapsePrevention.INFONCE):
        return foreseen.new_zeros(())
    return latent_prediction(foreseen, encoded, 1.0 / scales.latent)


def _collapse(
    present: Float[Tensor, "batch latent"],
    encoded: Float[Tensor, "batch step latent"],
    foreseen: Float[Tensor, "prediction step latent"],
    targets: Float[Tensor, "prediction step latent"],
    config: TrainingConfig,
    generator: torch.Generator,
) -> Float[Tensor, ""]:
    """What the chosen loss says of latents now and at the next step looked at, or of all predicted ones."""
    latents = torch.cat((present, encoded[:, 0]))
    if config.collapse is CollapsePrevention.SIGREG:
        return sigreg(latents, random_directions(latents.shape[-1], config.directions, generator, latents))
    if config.collapse is CollapsePrevention.VICREG:
        return vicreg(latents)
    if config.collapse is CollapsePrevention.BARLOW:
        return barlow_twins(foreseen.flatten(0, 1), targets.flatten(0, 1))
    if config.collapse is CollapsePrevention.INFONCE:
        return info_nce(foreseen, targets)
    return latents.new_zeros(())


@torch.no_grad()
def scales(material: Material, config: TrainingConfig) -> Scales:
    """What the linear start cannot foresee on its own training moments.

    Where that is not the start, its latents say nothing of those to come, whose directions weigh the same.
    """
    log, horizon, huber = material.part.tensors, material.horizon, config.huber
    moments = scattered(material.part.moments, MOST_CHECKED)
    trainee = Trainee(material, replace(config, start=FirstWeights.LINEAR))
    future = log.future(moments, horizon)
    rows = trainee.imagine(trainee.encoder(log.windows(moments)), future.mv, future.dv)
    loss = output_loss(trainee.readout(rows), future.outputs, future.outputs_valid, huber)
    output = mean_loss(loss, future.outputs_valid)
    squares = [
        (rows[:, lead] - trainee.encoder(log.windows(moments + 1 + lead))).square().mean(dim=0)
        for lead in range(0, horizon, max(1, horizon // 4))
    ]
    latent = torch.stack(squares).mean(dim=0).clamp(min=1e-6)
    if config.start is FirstWeights.RANDOM:
        latent = torch.ones_like(latent)
    # What the linear start foresees perfectly is not worth more than a thousandth of the rest.
    least = 1e-3 * output.amax(dim=0).clamp(min=1e-9)
    companion = _companion_error(trainee, rows, future, huber)
    return Scales(torch.maximum(output, least), max(float(companion), 1e-9), latent)


def _companion_error(
    trainee: Trainee, latents: Float[Tensor, "batch step latent"], future: Future, huber: float
) -> Float[Tensor, ""]:
    if trainee.witness is None:
        return latents.new_zeros(())
    values, valid = (part[..., trainee.companions] for part in (future.others, future.others_valid))
    loss = output_loss(trainee.witness(latents), values, valid, huber)
    return loss.sum() / valid.sum().clamp(min=1.0)


def mean_loss(
    loss: Float[Tensor, "moment step output"], valid: Float[Tensor, "moment step output"]
) -> Float[Tensor, "step output"]:
    """By lead and output, over what is valid."""
    return loss.sum(dim=0) / valid.sum(dim=0).clamp(min=1.0)


def relative_error(
    loss: Float[Tensor, "moment step output"],
    valid: Float[Tensor, "moment step output"],
    scale: Float[Tensor, "step output"],
) -> Float[Tensor, " moment"]:
    """Mean over leads and outputs of what each moment lost, relative to `scale`."""
    return (loss / scale).sum(dim=(1, 2)) / valid.sum(dim=(1, 2)).clamp(min=1.0)


@torch.no_grad()
def prediction_loss(
    trainee: Trainee, kind: str, log: LogTensors, moments: Int[Tensor, " moment"], horizon: int, huber: float
) -> tuple[Float[Tensor, "moment step output"], Float[Tensor, "moment step output"]]:
    """Output loss of every moment with that network, and where it is valid."""
    future = log.future(moments, horizon)
    rows = trainee.imagine(trainee.encoder(log.windows(moments)), future.mv, future.dv, kind)
    return output_loss(
        trainee.readout(rows), future.outputs, future.outputs_valid, huber
    ), future.outputs_valid
