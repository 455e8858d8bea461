"""Which term of the objective teaches which part, and what becomes of latents that nothing holds apart."""

from dataclasses import replace
from functools import cache

import pytest
import torch
from learning_cases import PLANT, QUICK, record

from procwm.errors import TrainingError
from procwm.learning.config import CollapsePrevention, FirstWeights, TrainingConfig
from procwm.learning.dataset.masking import with_hidden_stretches
from procwm.learning.identification.preparation import Prepared, prepare
from procwm.learning.optimisation.gradient_descent import Optimisation
from procwm.learning.optimisation.learning_objective import Losses, Trainee, losses, scales
from procwm.world.protocols import ModelInput

RANDOM = replace(
    QUICK,
    start=FirstWeights.RANDOM,
    joint_readout=False,
    latent_weight=1.0,
    collapse_weight=1.0,
    inverse_weight=0.0,
    linear_rate=1e-2,
    encoder_rate=1e-2,
)


@cache
def _prepared() -> Prepared:
    return prepare(PLANT, record(1500).log, QUICK)


def _terms(config: TrainingConfig) -> tuple[Trainee, Trainee, Losses]:
    torch.manual_seed(0)
    material = _prepared().training
    trainee, average = Trainee(material, config), Trainee(material, config).requires_grad_(False)
    generator = torch.Generator().manual_seed(0)
    found = losses(
        trainee,
        average,
        material.part.tensors,
        material.part.moments[:64],
        material.horizon,
        config,
        generator,
        scales(material, config),
    )
    return trainee, average, found


def _reaches(term: torch.Tensor, part: torch.nn.Module) -> bool:
    gradients = torch.autograd.grad(term, tuple(part.parameters()), retain_graph=True, allow_unused=True)
    return any(gradient is not None and bool(gradient.abs().sum() > 0) for gradient in gradients)


@pytest.mark.parametrize("joint", [True, False])
def test_outputs_shape_the_latent_only_with_a_joint_readout(joint: bool) -> None:
    trainee, _, found = _terms(replace(QUICK, joint_readout=joint))
    assert _reaches(found.output, trainee.readout)
    assert _reaches(found.output, trainee.encoder) is joint
    assert _reaches(found.output, trainee.predictor) is joint


@pytest.mark.parametrize("choice", [CollapsePrevention.BARLOW, CollapsePrevention.INFONCE])
def test_losses_that_predict_by_themselves_replace_the_latent_loss(choice: CollapsePrevention) -> None:
    trainee, _, found = _terms(replace(RANDOM, collapse=choice))
    assert float(found.latent) == 0.0
    assert _reaches(found.collapse, trainee.predictor)
    assert _reaches(found.collapse, trainee.encoder)


@pytest.mark.parametrize("choice", [CollapsePrevention.SIGREG, CollapsePrevention.VICREG])
def test_the_others_stand_beside_it_and_leave_the_predictor_to_it(choice: CollapsePrevention) -> None:
    trainee, _, found = _terms(replace(RANDOM, collapse=choice))
    assert _reaches(found.latent, trainee.predictor)
    assert _reaches(found.collapse, trainee.encoder)
    assert not _reaches(found.collapse, trainee.predictor)


def test_a_running_average_encodes_what_is_to_be_foreseen() -> None:
    trainee, average, found = _terms(replace(RANDOM, collapse=CollapsePrevention.EMA))
    assert float(found.collapse) == 0.0
    assert _reaches(found.latent, trainee.encoder)
    with torch.no_grad():
        average.encoder.linear.bias.add_(5.0)
    material = _prepared().training
    moved = losses(
        trainee,
        average,
        material.part.tensors,
        material.part.moments[:64],
        material.horizon,
        replace(RANDOM, collapse=CollapsePrevention.EMA),
        torch.Generator().manual_seed(0),
        scales(material, RANDOM),
    )
    assert float(moved.latent.detach()) > float(found.latent.detach()) + 10.0


def _least_spread(choice: CollapsePrevention) -> float:
    run = Optimisation(_prepared().training, replace(RANDOM, collapse=choice), seed=0)
    for _ in range(80):
        run.advance()
    part = run.average
    seen = _prepared().training.part
    return float(part.encoder(seen.tensors.windows(seen.moments[::4])).std(dim=0).min())


def test_a_latent_that_nothing_holds_apart_collapses() -> None:
    assert _least_spread(CollapsePrevention.NONE) < 0.05
    assert _least_spread(CollapsePrevention.VICREG) > 0.3


def test_the_compared_horizon_grows_to_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[int] = []

    def noted(*given: object) -> Losses:
        assert isinstance(given[4], int)
        seen.append(given[4])
        return losses(*given)  # type: ignore[arg-type]

    monkeypatch.setattr("procwm.learning.optimisation.gradient_descent.losses", noted)
    config = replace(QUICK, steps=20, curriculum=0.5)
    run = Optimisation(_prepared().training, config, seed=0)
    for _ in range(config.steps):
        run.advance()
    assert seen[0] == 1
    assert seen == sorted(seen)
    assert seen[10:] == [8] * 10
    assert seen[9] < 9
    assert len(set(seen[:10])) > 5


def test_hidden_stretches_are_held_and_marked_and_mvs_are_spared() -> None:
    generator = torch.Generator().manual_seed(0)
    values = torch.arange(1.0, 13.0)[None, :, None].expand(200, 12, 3)
    window = ModelInput(values, torch.ones_like(values))
    found = with_hidden_stretches(window, 1.0, torch.tensor([1]), generator)
    assert torch.equal(found.values[..., 1], values[..., 1])
    assert bool((found.valid[..., 1] == 1.0).all())
    shown = found.valid[..., 0] == 1.0
    assert 0.2 < float(1.0 - shown.float().mean()) < 0.5, "two rows drawn evenly are a third apart"
    assert torch.equal(found.values[..., 0][shown], values[..., 0][shown])
    for tag_values, tag_shown in zip(found.values[..., 0].tolist(), shown.tolist(), strict=True):
        known = 0.0
        for value, there in zip(tag_values, tag_shown, strict=True):
            known = value if there else known
            assert value == known
    untouched = with_hidden_stretches(window, 0.0, torch.tensor([1]), generator)
    assert torch.equal(untouched.values, values)


@pytest.mark.parametrize("name", ["curriculum", "hidden"])
def test_a_share_beyond_one_is_refused(name: str) -> None:
    with pytest.raises(TrainingError, match=f"{name} is 1.5; it must be from 0 to 1"):
        replace(QUICK, **{name: 1.5})
