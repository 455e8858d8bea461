"""What keeps a model that is left alone from leaving for nowhere."""

import math
from dataclasses import replace
from functools import cache

import numpy as np
import pytest
import torch
from learning_cases import INTERVAL_NS, PLANT, QUICK, START_NS, record
from torch import nn

from procwm.data.series import Log, TagSeries
from procwm.learning import train as trainer
from procwm.learning.identification.preparation import Prepared, prepare
from procwm.learning.identification.regression import regress, sums
from procwm.learning.identification.state_space import state_space, states
from procwm.learning.optimisation import early_stopping as trial
from procwm.learning.optimisation.gradient_descent import Optimisation
from procwm.learning.optimisation.runaway import runs_away
from procwm.plant.tags import PlantSpec, Role, Tag, names_of
from procwm.world.predictors.stability import keep_stable, stable

BALANCED = PlantSpec(
    name="balanced",
    interval_s=10.0,
    tags=(
        Tag(name="Y.PV", role=Role.CV, range=(-10.0, 10.0), setpoint=0.0),
        Tag(name="U.SP", role=Role.MV, range=(-1.0, 1.0), limits=(-1.0, 1.0)),
    ),
)


def _radius(transition: torch.Tensor) -> float:
    return float(torch.linalg.eigvals(transition.double()).abs().max())


def _transition(weight: torch.Tensor) -> torch.Tensor:
    return torch.eye(len(weight), dtype=weight.dtype) + weight[:, : len(weight)]


def _balanced(rows: int = 400) -> Log:
    """A plant that falls away by a twentieth every interval, and somebody who turns it round in time."""
    rng = np.random.default_rng(5)
    y, u = np.empty(rows), np.empty(rows)
    level, move = 0.5, -0.2
    for row in range(rows):
        if (level * move > 0.0 and abs(level) > 1.0) or row % 7 == 0:
            move = -math.copysign(rng.uniform(0.3, 0.9), level)
        y[row], u[row] = level, move
        level = 1.05 * level + 0.3 * move
    time_ns = START_NS + INTERVAL_NS * np.arange(rows, dtype=np.int64)
    good = np.zeros(rows, dtype=np.int8)
    return Log(
        series={
            "Y.PV": TagSeries(time_ns, y + 0.001 * rng.standard_normal(rows), good),
            "U.SP": TagSeries(time_ns + 1_000_000, u, good),
        },
        mv_names=names_of(BALANCED.mvs),
    )


@cache
def _prepared() -> Prepared:
    return prepare(PLANT, record(600).log, QUICK)


def test_a_stable_matrix_and_one_that_integrates_stay_as_they_are() -> None:
    decaying = torch.tensor([[0.9, 0.5], [0.0, 0.2]])
    integrating = torch.tensor([[1.0, 0.3], [0.0, 0.6]])
    turning = torch.tensor([[0.0, -1.0], [1.0, 0.0]])
    for transition in (decaying, integrating, turning):
        assert stable(transition) is transition


def test_growing_modes_alone_are_drawn_back() -> None:
    modes = torch.tensor([[1.0, 0.4, 0.1], [0.0, 1.0, 0.5], [0.3, 0.0, 1.0]]).double()
    before = torch.diag(torch.tensor([1.2, 0.7, -1.5]).double())
    after = torch.diag(torch.tensor([1.0, 0.7, -1.0]).double())
    found = stable(modes @ before @ torch.linalg.inv(modes))
    assert torch.allclose(found, modes @ after @ torch.linalg.inv(modes))


@pytest.mark.parametrize(
    "transition",
    [
        torch.tensor([[1.1, 1.0], [0.0, 1.1]]),
        torch.tensor([[1.1, 1e6], [0.0, 1.1 + 1e-9]], dtype=torch.float64),
        1.3 * torch.tensor([[0.8, -0.6], [0.6, 0.8]]),
        3.0 * torch.ones((4, 4)),
    ],
)
def test_no_growth_is_left_even_where_modes_coincide(transition: torch.Tensor) -> None:
    found = stable(transition)
    assert _radius(found) <= 1.0 + 1e-5
    assert found.dtype == transition.dtype


def test_a_linear_step_keeps_what_its_inputs_do_when_it_is_drawn_back() -> None:
    step = nn.Linear(3, 2)
    with torch.no_grad():
        step.weight.copy_(torch.tensor([[0.2, 0.0, 3.0], [0.0, -0.5, 4.0]]))
    keep_stable(step)
    wanted = torch.tensor([[0.0, 0.0, 3.0], [0.0, -0.5, 4.0]])
    assert torch.allclose(step.weight, wanted, atol=1e-6)


def test_the_linear_start_of_a_log_that_shows_growth_does_not_grow() -> None:
    config = replace(QUICK, history=8, horizon=20, latent=3)
    reference = prepare(BALANCED, _balanced(), config).whole.reference
    assert _radius(_transition(reference.step.weight)) <= 1.0 + 1e-5


def test_sizes_are_compared_by_models_that_grow_where_the_log_says_so() -> None:
    material = prepare(BALANCED, _balanced(), replace(QUICK, history=8, horizon=20, latent=3)).whole
    log, moments = material.part.tensors, material.part.moments
    seen = states(log, moments, regress(sums(log, moments, 20, material.companions), material.ridge), 3)
    assert _radius(_transition(state_space(log, seen, 3, may_grow=True).step.weight)) > 1.01
    assert _radius(_transition(state_space(log, seen, 3).step.weight)) <= 1.0 + 1e-5


def test_training_cannot_make_the_linear_part_grow() -> None:
    run = Optimisation(_prepared().training, replace(QUICK, linear_rate=1.0, steps=10), 0)
    for _ in range(10):
        run.advance()
        for label in ("trainee", "average"):
            assert _radius(_transition(run.tensors()[f"{label}/predictor.linear.weight"])) <= 1.0 + 1e-5


def test_a_model_that_leaves_for_nowhere_is_found_out() -> None:
    material = _prepared().whole
    average = Optimisation(material, QUICK, 0).average
    args = (material.reference, material.part, material.horizon)
    assert not runs_away(average, *args)
    average.predictor.network[-1].bias.fill_(0.3)
    assert runs_away(average, *args)
    average.predictor.network[-1].bias.fill_(torch.nan)
    assert runs_away(average, *args)


def test_a_trial_that_came_to_such_a_model_is_not_gone_on_with(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trial, "runs_away", lambda *_: True)
    model = trainer.train(PLANT, record(1500).log, config=replace(QUICK, members=0))
    assert (model.metrics["best_step"], model.metrics["validation_error"]) == (0, pytest.approx(1.0))
    assert any("runs away" in note for note in model.metrics["notes"])


def test_a_training_that_came_to_such_a_model_ends_with_its_linear_start(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(trainer, "runs_away", lambda *_: True)
    model = trainer.train(PLANT, record(1500).log, config=replace(QUICK, members=0))
    assert model.metrics["best_step"] == 0
    assert any("runs away" in note for note in model.metrics["notes"])
    assert model.reference is not None
    assert torch.allclose(model.predictor.linear.weight, model.reference.step.weight, atol=1e-6)
    assert not model.predictor.network[-1].weight.any()
