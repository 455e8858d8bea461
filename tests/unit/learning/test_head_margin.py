"""A margin that grows where the plant seldom was."""

import torch

from procwm.learning.labelled.head_margin import strangeness, with_margin
from procwm.learning.labelled.quadratic_form import Quadratic

_EACH = torch.eye(3, dtype=torch.float64)
"""Every direction is read by itself."""


def _normal(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def _flat() -> Quadratic:
    return Quadratic(0.0, torch.zeros(3, dtype=torch.float64), torch.zeros((3, 3), dtype=torch.float64))


def test_strangeness_is_one_on_average_and_least_at_the_middle_of_the_log() -> None:
    latents = 5.0 + _normal(4000, 3) @ torch.diag(torch.tensor([1.0, 10.0, 0.1], dtype=torch.float64))
    strange = strangeness(latents, _EACH)
    values = strange(latents)
    assert abs(float(values.mean()) - 1.0) < 0.05
    assert abs(float(strange(latents.mean(dim=0)))) < 1e-6
    assert float(values.min()) > -1e-6


def test_what_is_not_read_from_a_latent_makes_it_no_stranger() -> None:
    latents = _normal(4000, 3)
    strange = strangeness(latents, torch.tensor([[1.0, 0.0, 0.0], [0.0, 2.0, 0.0]], dtype=torch.float64))
    along = strange(10.0 * torch.eye(3, dtype=torch.float64))
    assert float(along[0]) > 40.0 < float(along[1])
    assert float(along[2]) < 0.5


def test_readings_that_are_almost_alike_are_not_told_apart() -> None:
    latents = _normal(4000, 3)
    alike = torch.tensor([[1.0, 0.0, 0.0], [1.0, 0.01, 0.0]], dtype=torch.float64)
    strange = strangeness(latents, alike)
    assert float(strange(torch.tensor([0.0, 10.0, 0.0], dtype=torch.float64))) < 1.0


def test_errors_that_grow_with_distance_get_a_margin_that_grows() -> None:
    latents = 2.0 * _normal(200, 2, 3)
    strange = strangeness(_normal(4000, 3, seed=1), _EACH)
    size = 0.1 * (1.0 + 0.1 * strange(latents))
    residuals = size * _normal(200, 2, seed=2)
    form, flat = with_margin(_flat(), residuals, strange, latents, 0.95, torch.ones(200, dtype=torch.float64))
    far, near = latents[:, 0].square().sum(dim=1).topk(20).indices, latents[:, 0].square().sum(dim=1).argmin()
    margins = form(latents[:, 0]) + flat
    assert float(margins[far].min()) > 1.4 * float(margins[near])
    held = residuals[:, 0] <= margins
    assert 0.9 < float(held.double().mean()) < 1.0
    assert float(held[far].double().mean()) > 0.8


def test_errors_alike_everywhere_get_a_margin_alike_everywhere() -> None:
    latents, strange = 2.0 * _normal(400, 1, 3), strangeness(_normal(4000, 3, seed=1), _EACH)
    residuals = 0.1 * _normal(400, 1, seed=3)
    form, flat = with_margin(_flat(), residuals, strange, latents, 0.95, torch.ones(400, dtype=torch.float64))
    assert float(form(latents).abs().max()) < 0.02 * flat + 0.3 * flat
