"""Predictors that another log of the same plant might have taught, by the bootstrap.

Each member learns from stretches of the log drawn with replacement, as long as the horizon, because rows near
each other tell the same (Kuensch, The jackknife and the bootstrap for general stationary observations, Annals
of Statistics 17 (1989), 1217-1241), from a linear part identified from them and a network of its own
(Lakshminarayanan, Pritzel and Blundell, Simple and scalable predictive uncertainty estimation using deep
ensembles, NeurIPS 2017). Encoder and read-outs are those of the trained model, so that every window is
encoded once, and heads fitted to that latent serve all members.
"""

import copy
from collections.abc import Iterable, Mapping, Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from procwm.errors import TrainingError
from procwm.learning.config import TrainingConfig
from procwm.learning.dataset.parts import Part
from procwm.learning.dataset.tensors import Future
from procwm.learning.identification.preparation import Material
from procwm.learning.identification.regression import CHUNK
from procwm.learning.identification.state_space import Steps, state_step
from procwm.learning.optimisation.adamw import AdamW, RateGroup
from procwm.learning.optimisation.gradient_descent import beside_linear, schedule
from procwm.learning.optimisation.learning_objective import Scales, Trainee, relative_error, scales
from procwm.learning.optimisation.losses import latent_prediction, output_loss
from procwm.learning.optimisation.runaway import runs_away
from procwm.learning.optimisation.unrolling import unrolled_each
from procwm.world.disagreement import stacked
from procwm.world.predictors.stability import keep_stable
from procwm.world.protocols import Predictor

_BATCH = 64
"""Moments a step and member."""
_MOST_STEPS = 300


def learned_members(
    material: Material, trained: Trainee, *, steps: int, config: TrainingConfig, seed: int
) -> tuple[Predictor, ...]:
    """`config.members` predictors of the latents of `trained`, each from its own bootstrap of the log.

    Args:
        material: what `trained` learned from.
        steps: what held-out time liked best, at most `_MOST_STEPS` of which are taken; members of 0 steps
            are linear.
        seed: of bootstraps, first weights and batches.

    Raises:
        TrainingError: the loss is not finite.
    """
    if not config.members:
        return ()
    generator = torch.Generator().manual_seed(seed)
    part = material.part
    latent = _encoded(trained, part)
    drawn = [bootstrap(part.moments, material.horizon, generator) for _ in range(config.members)]
    # First weights are drawn from the global generator; the caller's is not ours to move.
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        fresh = [Trainee(material, config).predictor for _ in drawn]
        scale = scales(material, config)
    members = [_identified(own, part, latent, moments) for own, moments in zip(fresh, drawn, strict=True)]
    if not steps:
        return tuple(members)
    linear = copy.deepcopy(members)
    _train(members, drawn, latent, material, trained, scale, min(steps, _MOST_STEPS), config, generator)
    return tuple(
        start if _runs_away(member, trained, material) else member
        for start, member in zip(linear, members, strict=True)
    )


def bootstrap(
    moments: Int[Tensor, " moment"], length: int, generator: torch.Generator
) -> Int[Tensor, " drawn"]:
    """Moments of stretches of `length` moments, drawn with replacement; about as many as there are."""
    stretches = torch.split(moments, length)
    picked = torch.randint(len(stretches), (len(stretches),), generator=generator)
    return torch.cat([stretches[index] for index in picked.tolist()])


@torch.no_grad()
def _encoded(trained: Trainee, part: Part) -> Float[Tensor, "row latent"]:
    """Latents by row; those of rows without a whole window are no latents, and belong to no moment."""
    history = part.grid.rule.history
    rows = torch.arange(history - 1, len(part.grid))
    found = torch.cat([trained.encoder(part.tensors.windows(some)) for some in torch.split(rows, CHUNK)])
    return torch.cat((found.new_zeros((history - 1, found.shape[1])), found))


@torch.no_grad()
def _identified(
    predictor: Predictor,
    part: Part,
    latent: Float[Tensor, "row latent"],
    moments: Int[Tensor, " drawn"],
) -> Predictor:
    """`predictor` with a linear part from one step at each of `moments`."""
    tensors = part.tensors
    now, following = latent[moments].double(), latent[moments + 1].double()
    inputs = torch.cat((tensors.mv[moments + 1], tensors.dv[moments + 1]), dim=1).double()
    weight, bias = state_step(Steps(now, following, inputs), None, now.shape[1])
    predictor.identified.weight.copy_(weight.T)
    predictor.identified.bias.copy_(bias)
    return predictor


def _runs_away(member: Predictor, trained: Trainee, material: Material) -> bool:
    """Whether the model does, with `member` for its predictor."""
    whole = copy.deepcopy(trained)
    whole.predictor = member
    return runs_away(whole, material.reference, material.part, material.horizon)


def _train(
    members: Sequence[Predictor],
    drawn: Sequence[Tensor],
    latent: Float[Tensor, "row latent"],
    material: Material,
    trained: Trainee,
    scale: Scales,
    steps: int,
    config: TrainingConfig,
    generator: torch.Generator,
) -> None:
    """Fit every member to its own moments, all in one pass; `members` are changed."""
    log, horizon = material.part.tensors, material.horizon
    weights = stacked(members)
    optimizer = AdamW(_groups(members[0], weights, config))
    for step in range(steps):
        picked = [own[torch.randint(len(own), (_BATCH,), generator=generator)] for own in drawn]
        moments = torch.stack(picked)
        future = log.future(moments.flatten(), horizon)
        mv, dv = (value.reshape(*moments.shape, *value.shape[1:]) for value in (future.mv, future.dv))
        imagined = unrolled_each(members[0], weights, latent[moments], mv, dv).flatten(0, 1)
        ahead = torch.randperm(horizon, generator=generator)[: config.targets] + 1
        encoded = latent[moments.flatten()[:, None] + ahead]
        loss = config.latent_weight * latent_prediction(imagined[:, ahead - 1], encoded, 1.0 / scale.latent)
        loss = loss + _read_out(trained, imagined, future, scale, config)
        if not torch.isfinite(loss):
            raise TrainingError(
                f"the loss of the ensemble is not finite after {step} steps; a smaller rate than "
                f"{config.rate} may help"
            )
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step(schedule(step, steps))
    with torch.no_grad():
        for place, member in enumerate(members):
            for name, value in member.named_parameters():
                value.copy_(weights[name][place])
            keep_stable(member.identified)


def _read_out(
    trained: Trainee,
    imagined: Float[Tensor, "moment step latent"],
    future: Future,
    scale: Scales,
    config: TrainingConfig,
) -> Float[Tensor, ""]:
    """What the outputs, and the PVs that are foreseen beside them, were missed by."""
    missed = output_loss(trained.readout(imagined), future.outputs, future.outputs_valid, config.huber)
    loss = config.output_weight * relative_error(missed, future.outputs_valid, scale.output).mean()
    if trained.witness is None:
        return loss
    values, valid = (part[..., trained.companions] for part in (future.others, future.others_valid))
    missed = output_loss(trained.witness(imagined), values, valid, config.huber)
    return loss + config.companion_weight * missed.sum() / valid.sum().clamp(min=1.0) / scale.companion


def _groups(member: Predictor, weights: Mapping[str, Tensor], config: TrainingConfig) -> list[RateGroup]:
    """`weights` with the rates of the trained predictor's own parts; `member` says whose they are."""
    names = {id(parameter): name for name, parameter in member.named_parameters()}

    def of(parameters: Iterable[nn.Parameter]) -> list[Tensor]:
        return [weights[names[id(parameter)]] for parameter in parameters]

    return [
        *(
            RateGroup(of(beside_linear(part)), config.rate / part.spec.rate_divisor, config.decay)
            for part in member.parts()
        ),
        RateGroup(of(member.identified.parameters()), config.linear_rate, 0.0),
    ]
