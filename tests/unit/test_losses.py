import torch

from procwm.world.losses import (
    inverse_dynamics,
    latent_prediction,
    output_loss,
    random_directions,
    sigreg,
)


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


def test_latent_prediction_is_weighted_by_direction() -> None:
    predicted = torch.zeros((2, 3, 2))
    encoded = torch.ones((2, 3, 2))
    assert float(latent_prediction(predicted, encoded, torch.tensor([1.0, 3.0]))) == 2.0


def test_inverse_dynamics_leaves_out_mvs_that_stood_still() -> None:
    mv = torch.zeros((2, 4, 2))
    mv[0, :, 0] = torch.tensor([0.0, 0.0, 1.0, 1.0])
    mv[:, :, 1] = 5.0
    recovered = torch.zeros((2, 2))
    assert float(inverse_dynamics(recovered, mv)) == 0.25
    recovered[0, 0] = 0.5
    assert float(inverse_dynamics(recovered, mv)) == 0.0


def test_inverse_dynamics_of_a_log_at_rest_is_zero() -> None:
    assert float(inverse_dynamics(torch.ones((3, 1)), torch.zeros((3, 4, 1)))) == 0.0


def test_output_loss_is_square_inside_and_linear_outside_and_skips_what_is_missing() -> None:
    measured = torch.zeros((1, 1, 3))
    predicted = torch.tensor([[[0.5, 3.0, 100.0]]])
    valid = torch.tensor([[[1.0, 1.0, 0.0]]])
    assert output_loss(predicted, measured, valid, 1.0).tolist() == [[[0.25, 5.0, 0.0]]]
