from functools import partial

import torch

from procwm.training.head_fit import WARPS, averaged_quadratic, fit, fit_warped, left_out
from procwm.training.quadratic_form import Quadratic, View, as_network


def _latents(labels: int, leads: int = 3) -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn((labels, leads, 4), generator=generator, dtype=torch.float64)


def _form(curved: float) -> Quadratic:
    square = curved * torch.tensor([[0.5, 0.2, 0.0, 0.0], [0.2, -0.3, 0.0, 0.0]] + [[0.0] * 4] * 2)
    return Quadratic(-1.0, torch.tensor([1.0, -2.0, 0.0, 0.5], dtype=torch.float64), square.double())


def test_the_network_is_the_quadratic_form_where_labels_were() -> None:
    latents, form = _latents(32), _form(1.0)
    network = as_network(form, latents).requires_grad_(False)
    error = network(latents).squeeze(-1) - form(latents)
    assert float(error.abs().max()) < 0.03 * float(form(latents).std())


def test_a_straight_form_becomes_one_exact_layer() -> None:
    latents, form = _latents(32), _form(0.0)
    network = as_network(form, latents)
    assert len(network) == 1
    assert torch.allclose(network(latents).squeeze(-1), form(latents), atol=1e-12)


def test_far_outside_of_the_labels_the_network_stays_bounded() -> None:
    network = as_network(_form(1.0), _latents(32)).requires_grad_(False)
    assert float(network(1e6 * _latents(32)).abs().max()) < 1e5


def test_a_curved_truth_is_found_from_few_labels() -> None:
    latents, form = _latents(32), _form(1.0)
    # All leads of a label see the same truth.
    latents = latents[:, :1] + 0.01 * latents
    values = form(latents[:, 0])
    found, held_out = averaged_quadratic(latents, values, torch.ones(len(values), dtype=torch.float64))
    assert float((held_out - values[:, None]).square().mean().sqrt()) < 0.25 * float(values.std())
    other = torch.randn((200, 4), generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    assert float((found(other) - form(other)).square().mean().sqrt()) < 0.25 * float(form(other).std())


def test_noise_is_not_taken_for_curvature() -> None:
    latents = _latents(24, leads=1)
    noise = 0.3 * torch.randn(24, generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    values = _form(0.0)(latents[:, 0]) + noise
    found, _ = averaged_quadratic(latents, values, torch.ones(24, dtype=torch.float64))
    assert float(found.square.abs().max()) < 0.2


def test_what_is_said_of_a_label_left_out_does_not_depend_on_its_value() -> None:
    latents, form = _latents(16, leads=2), _form(0.0)
    values = form(latents[:, 0])
    wrong = values.clone()
    wrong[3] += 0.01
    for fitted in (partial(fit, curvature=1.0, weight=1e-3), partial(fit_warped, warp=0.2, weight=1e-3)):
        held_out, other = (left_out(fitted, latents, labels) for labels in (values, wrong))
        assert torch.allclose(held_out[3], other[3])
        assert not torch.allclose(held_out[4], other[4])


def test_a_form_of_features_is_the_same_form_of_the_latent() -> None:
    generator = torch.Generator().manual_seed(3)
    draw = lambda *shape: torch.randn(shape, generator=generator, dtype=torch.float64)  # noqa: E731
    view, square = View(draw(2, 4), draw(2)), draw(2, 2)
    form = Quadratic(0.7, draw(2), square + square.T)
    latents = draw(50, 4)
    assert torch.allclose(form.seen_through(view)(latents), form(view(latents)))


def test_few_features_that_carry_the_truth_beat_the_whole_latent() -> None:
    generator = torch.Generator().manual_seed(4)
    latents = torch.randn((20, 1, 12), generator=generator, dtype=torch.float64)
    view = View(torch.eye(12, dtype=torch.float64)[:2], torch.zeros(2, dtype=torch.float64))
    values = latents[:, 0, 0] * latents[:, 0, 1]
    _, whole = averaged_quadratic(latents, values, torch.ones(len(values), dtype=torch.float64))
    found, seen = averaged_quadratic(latents, values, torch.ones(20, dtype=torch.float64), [view])
    assert float((seen[:, 0] - values).square().mean()) < 0.5 * float((whole[:, 0] - values).square().mean())
    assert float(found.square[2:].abs().max()) < 1e-12


def test_an_error_where_the_plant_seldom_is_weighs_little() -> None:
    generator = torch.Generator().manual_seed(5)
    latents = torch.randn((30, 1, 2), generator=generator, dtype=torch.float64)
    seldom = torch.arange(30) % 2 == 0
    values = torch.where(seldom, latents[:, 0, 1], latents[:, 0, 0])
    views = [
        View(torch.eye(2, dtype=torch.float64)[[row]], torch.zeros(1, dtype=torch.float64)) for row in (0, 1)
    ]
    pulls = []
    for weight in (1e-3, 1.0, 1e3):
        found, _ = averaged_quadratic(latents, values, torch.where(seldom, weight, 1.0).double(), views)
        pulls.append(float(found.linear[0] / found.linear.abs().sum()))
    assert pulls[0] > pulls[1] > pulls[2]


def _orifice(latents: torch.Tensor) -> torch.Tensor:
    """A square along one direction, rising wherever the latents are."""
    along = torch.tensor([0.3, -0.2, 0.1, 0.25, 0.0, 0.15, -0.1, 0.2, 0.0, 0.1], dtype=torch.float64)
    return (2.0 + latents @ along).square()


def test_a_bend_along_one_direction_is_found_from_fewer_labels_than_pairs_of_latents() -> None:
    generator = torch.Generator().manual_seed(6)
    latents = torch.randn((20, 1, 10), generator=generator, dtype=torch.float64)
    values = _orifice(latents[:, 0])
    found, held_out = averaged_quadratic(latents, values, torch.ones(20, dtype=torch.float64))
    other = torch.randn((500, 10), generator=generator, dtype=torch.float64)
    error = found(other) - _orifice(other)
    assert float(error.square().mean().sqrt()) < 0.1 * float(_orifice(other).std())
    assert float((held_out[:, 0] - values).square().mean().sqrt()) < 0.2 * float(values.std())


def test_labels_that_are_all_the_same_give_a_constant_on_every_scale() -> None:
    latents, values = _latents(8), torch.full((8,), 3.0, dtype=torch.float64)
    for warp in WARPS:
        assert torch.allclose(fit_warped(latents, values, warp, 1e-3)(latents), values[:, None])
