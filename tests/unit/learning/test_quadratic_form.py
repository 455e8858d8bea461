import torch

from procwm.learning.labelled.quadratic_form import Quadratic, as_network, average


def _latents() -> torch.Tensor:
    generator = torch.Generator().manual_seed(0)
    return torch.randn((32, 3, 4), generator=generator, dtype=torch.float64)


def _form(curved: float) -> Quadratic:
    square = curved * torch.tensor([[0.5, 0.2, 0.0, 0.0], [0.2, -0.3, 0.0, 0.0]] + [[0.0] * 4] * 2)
    return Quadratic(-1.0, torch.tensor([1.0, -2.0, 0.0, 0.5], dtype=torch.float64), square.double())


def test_the_network_is_the_quadratic_form_where_labels_were() -> None:
    latents, form = _latents(), _form(1.0)
    network = as_network(form, latents).requires_grad_(False)
    error = network(latents).squeeze(-1) - form(latents)
    assert float(error.abs().max()) < 0.03 * float(form(latents).std())


def test_a_straight_form_becomes_one_exact_layer() -> None:
    latents, form = _latents(), _form(0.0)
    network = as_network(form, latents)
    assert len(network) == 1
    assert torch.allclose(network(latents).squeeze(-1), form(latents), atol=1e-12)


def test_far_outside_of_the_labels_the_network_stays_bounded() -> None:
    network = as_network(_form(1.0), _latents()).requires_grad_(False)
    assert float(network(1e6 * _latents()).abs().max()) < 1e5


def test_an_average_of_forms_says_the_average_of_what_they_say() -> None:
    weights = torch.tensor([0.3, 0.7], dtype=torch.float64)
    both, latents = average([_form(1.0), _form(-0.5)], weights), _latents()
    assert torch.allclose(both(latents), 0.3 * _form(1.0)(latents) + 0.7 * _form(-0.5)(latents))
