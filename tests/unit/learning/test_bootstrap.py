"""The ensemble of predictors: bootstraps of the log, one pass for all members, kept with the model."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import torch
from learning_cases import PLANT, QUICK, record

from procwm.errors import TrainingError
from procwm.learning.calibration.bootstrap import bootstrap, learned_members
from procwm.learning.config import TrainingConfig
from procwm.learning.identification.preparation import prepare
from procwm.learning.optimisation.learning_objective import Trainee
from procwm.learning.train import train
from procwm.planning.ensemble_planner import EnsemblePlanner
from procwm.testing import control_problem
from procwm.world.disagreement import disagreement
from procwm.world.model import WorldModel
from procwm.world.storage.model_files import load_model

CONFIG = replace(QUICK, members=3, steps=20)


@cache
def model() -> WorldModel:
    """With an ensemble; not to be changed."""
    return train(PLANT, record(1500).log, config=CONFIG)


def _latents(count: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    size = model().predictor.shape.latent
    return torch.randn((count, size), generator=generator, dtype=torch.float64)


def _moved(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    both = torch.randn((2, count, 8, 1), generator=generator, dtype=torch.float64)
    return both[0], both[1]


def test_every_member_predicts_with_a_predictor_of_its_own_and_shares_the_rest() -> None:
    members = model().members
    assert len(members) == 3
    assert all(member.encoder is model().encoder for member in members)
    assert all(member.readout is model().readout for member in members)
    weights = [member.predictor.linear.weight for member in (model(), *members)]
    assert not any(torch.equal(a, b) for i, a in enumerate(weights) for b in weights[:i])


def test_the_disagreement_is_that_of_members_asked_one_by_one() -> None:
    latent, (mv, dv) = _latents(5), _moved(5)
    own = model().rollout(latent, mv, dv).cv
    each = torch.stack([member.rollout(latent, mv, dv).cv for member in model().members])
    expected = (each - own).square().mean(dim=0).sqrt()
    torch.testing.assert_close(disagreement(model(), latent, mv, dv), expected)


def test_members_agree_where_the_log_was_and_not_far_away() -> None:
    near, (mv, dv) = 0.3 * _latents(50), _moved(50)
    far = near + 6.0
    inside, outside = (disagreement(model(), at, 0.3 * mv, 0.3 * dv).mean() for at in (near, far))
    assert outside > 3.0 * inside


def test_a_model_without_members_never_disagrees() -> None:
    latent, (mv, dv) = _latents(2), _moved(2)
    alone = model().members[0]
    assert alone.members == ()
    assert not disagreement(alone, latent, mv, dv).any()


def test_the_same_seed_gives_the_same_members_and_leaves_the_callers_random_state() -> None:
    material = prepare(PLANT, record(1500).log, CONFIG).training
    trained = Trainee(material, CONFIG)
    before = torch.random.get_rng_state()
    one, again, other = (
        learned_members(material, trained, steps=3, config=CONFIG, seed=seed) for seed in (5, 5, 6)
    )
    assert torch.equal(torch.random.get_rng_state(), before)
    for a, b, c in zip(one, again, other, strict=True):
        for name, value in a.state_dict().items():
            assert torch.equal(value, b.state_dict()[name])
        assert not torch.equal(a.linear.weight, c.linear.weight)


def test_a_bootstrap_draws_whole_stretches_with_replacement() -> None:
    moments = torch.arange(100, 200)
    drawn = bootstrap(moments, 10, torch.Generator().manual_seed(3))
    stretches = drawn.reshape(10, 10)
    assert (stretches.diff(dim=1) == 1).all()
    firsts = stretches[:, 0].tolist()
    assert set(firsts) <= set(range(100, 200, 10))
    assert len(set(firsts)) < 10


def test_the_ensemble_is_kept_with_the_weights(tmp_path: Path) -> None:
    model().save(tmp_path / "model")
    loaded = load_model(tmp_path / "model", PLANT)
    latent, (mv, dv) = _latents(2), _moved(2)
    for one, other in zip(model().members, loaded.members, strict=True):
        assert torch.equal(one.rollout(latent, mv, dv).cv, other.rollout(latent, mv, dv).cv)


def test_one_plan_is_made_for_the_model_and_its_members() -> None:
    problem = control_problem(
        model(), latent=np.zeros(model().predictor.shape.latent), last_mv=np.array([4.0])
    )
    planner = EnsemblePlanner([model(), *model().members], tail=1.0)
    assert planner.plan(problem, warm_start=None, deadline_s=60.0).status.usable


def test_a_negative_count_of_members_is_refused() -> None:
    with pytest.raises(TrainingError, match="members is -1; it must be at least 0"):
        TrainingConfig(members=-1)
