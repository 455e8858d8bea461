"""Losses against collapse, on distributions whose value is known."""

import math

import pytest
import torch

from procwm.learning.optimisation.collapse import barlow_twins, info_nce, random_directions, sigreg, vicreg


def _generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def _sigreg(latent: torch.Tensor) -> float:
    return float(sigreg(latent, random_directions(latent.shape[1], 64, _generator(), latent)))


NORMAL = torch.randn((4000, 6), generator=_generator(), dtype=torch.float64)


def test_directions_have_unit_length() -> None:
    directions = random_directions(6, 64, _generator(), NORMAL)
    assert directions.shape == (6, 64)
    assert torch.allclose(directions.norm(dim=0), torch.ones(64, dtype=torch.float64))


def test_sigreg_is_near_zero_for_a_standard_normal_and_large_for_what_it_must_prevent() -> None:
    normal = _sigreg(NORMAL)
    assert normal < 2e-3
    assert _sigreg(torch.zeros_like(NORMAL)) > 100 * normal, "collapse to a point"
    flat = NORMAL.clone()
    flat[:, 1:] = NORMAL[:, :1]
    assert _sigreg(flat) > 20 * normal, "collapse to a line"
    assert _sigreg(3.0 * NORMAL) > 20 * normal, "too wide"
    assert _sigreg(NORMAL + 1.0) > 20 * normal, "off centre"
    assert _sigreg(NORMAL.sign()) > 5 * normal, "two clusters a direction"


def test_sigreg_does_not_grow_with_the_batch() -> None:
    wide = 2.0 * NORMAL
    assert abs(_sigreg(wide[:1000]) - _sigreg(wide)) < 0.1 * _sigreg(wide)


def test_sigreg_of_a_point_mass_is_its_integral() -> None:
    # phi of a point mass at 0 is 1: the statistic is the integral of (1 - exp(-t^2/2))^2 exp(-t^2/2).
    knots = torch.linspace(-3.0, 3.0, 20001, dtype=torch.float64)
    normal = torch.exp(-knots.square() / 2.0)
    expected = float(torch.trapezoid((1.0 - normal).square() * normal, knots))
    assert abs(_sigreg(torch.zeros_like(NORMAL)) - expected) < 1e-3


def test_sigreg_pulls_a_narrow_latent_apart() -> None:
    latent = (0.1 * NORMAL[:500]).requires_grad_()
    sigreg(latent, random_directions(6, 64, _generator(), latent)).backward()
    assert latent.grad is not None
    assert float((latent.grad * latent.detach()).sum()) < 0.0


def test_vicreg_of_known_distributions() -> None:
    assert float(vicreg(NORMAL)) == pytest.approx(0.0, abs=0.01)
    # A constant falls short of a standard deviation of 1 by all but the root of its floor.
    assert float(vicreg(torch.zeros_like(NORMAL))) == pytest.approx(0.99)
    assert float(vicreg(0.5 * NORMAL)) == pytest.approx(0.5, abs=0.02)
    assert float(vicreg(3.0 * NORMAL)) == pytest.approx(0.0, abs=0.05), "width beyond 1 is free"
    # On a line every covariance is 1: five others to each of six latents, by a weight of 1/25.
    line = (NORMAL[:, :1] / NORMAL[:, :1].std()).expand(-1, 6)
    assert float(vicreg(line)) == pytest.approx(5.0 / 25.0, rel=1e-6)


def test_vicreg_does_not_grow_with_the_batch() -> None:
    narrow = 0.5 * NORMAL
    assert float(vicreg(narrow[:1000])) == pytest.approx(float(vicreg(narrow)), rel=0.05)


def test_barlow_twins_of_known_distributions() -> None:
    assert float(barlow_twins(NORMAL, NORMAL)) == pytest.approx(0.0, abs=1e-3)
    assert float(barlow_twins(NORMAL, 3.0 * NORMAL + 1.0)) == pytest.approx(0.0, abs=1e-3), "scale is free"
    assert float(barlow_twins(NORMAL, NORMAL.roll(1, dims=0))) == pytest.approx(1.0, abs=0.1), "unrelated"
    assert float(barlow_twins(NORMAL, -NORMAL)) == pytest.approx(4.0, abs=1e-2), "opposite"
    line = NORMAL[:, :1].expand(-1, 6)
    assert float(barlow_twins(line, line)) == pytest.approx(1.0, rel=1e-6), "redundant"
    still = torch.zeros_like(NORMAL)
    assert float(barlow_twins(still, still)) == pytest.approx(1.0, rel=1e-6), "collapsed"


def test_info_nce_of_known_distributions() -> None:
    still = torch.zeros((50, 2, 3), dtype=torch.float64)
    assert float(info_nce(still, still)) == pytest.approx(0.0, abs=1e-12), "a constant tells nothing: chance"
    apart = torch.randn((50, 2, 3), generator=_generator(), dtype=torch.float64) * 100.0
    assert float(info_nce(apart, apart)) == pytest.approx(-math.log(50)), "every one told from all others"
    assert float(info_nce(apart, apart.roll(1, dims=0))) > 100.0, "each taken for another"


def test_info_nce_compares_moments_and_not_steps() -> None:
    # Both moments are foreseen alike at one step and told apart at the other.
    latent = torch.zeros((2, 2, 1), dtype=torch.float64)
    latent[0, 1], latent[1, 1] = 100.0, -100.0
    assert float(info_nce(latent, latent)) == pytest.approx(-math.log(2) / 2.0)


@pytest.mark.parametrize(
    ("loss", "least", "most"), [("vicreg", 0.1, 9.0), ("infonce", 0.1, 9.0), ("barlow", 0.0, 1e-6)]
)
def test_a_narrow_latent_is_pulled_apart_except_by_barlow_twins_which_leave_scale_free(
    loss: str, least: float, most: float
) -> None:
    scale = torch.tensor(0.3, dtype=torch.float64, requires_grad=True)
    predicted, encoded = scale * NORMAL[:500], scale * (NORMAL[:500] + 0.3 * NORMAL[500:1000])
    value = {
        "vicreg": lambda: vicreg(encoded),
        "infonce": lambda: info_nce(predicted[:, None], encoded[:, None]),
        "barlow": lambda: barlow_twins(predicted, encoded),
    }[loss]()
    value.backward()
    assert scale.grad is not None
    assert least <= -float(scale.grad) <= most
