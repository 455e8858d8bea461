import torch

from procwm.learning.labelled.distillation import distilled

MOMENTS = 600


def _latents(seed: int = 0) -> torch.Tensor:
    """Of two leads, the second seen through noise."""
    generator = torch.Generator().manual_seed(seed)
    present = torch.randn((MOMENTS, 1, 3), generator=generator, dtype=torch.float64)
    noise = torch.randn((MOMENTS, 1, 3), generator=generator, dtype=torch.float64)
    return torch.cat((present, present + 0.05 * noise), dim=1)


def _truth(latents: torch.Tensor) -> torch.Tensor:
    return 1.0 + latents[:, 0, 0] - 0.5 * latents[:, 0, 1] * latents[:, 0, 2]


def test_a_curved_value_is_learned_at_every_lead_and_for_every_target() -> None:
    latents, ones = _latents(), torch.ones(MOMENTS, dtype=torch.float64)
    targets = torch.stack((_truth(latents), 2.0 * _truth(latents)), dim=1)
    for column, form in enumerate(distilled(latents, targets, ones)):
        for lead in range(2):
            error = form(_latents(1)[:, lead]) - (column + 1) * _truth(_latents(1))
            assert float(error.std()) < 0.12 * (column + 1)


def test_a_straight_value_is_not_bent() -> None:
    latents, ones = _latents(), torch.ones(MOMENTS, dtype=torch.float64)
    (form,) = distilled(latents, latents[:, 0, :1], ones)
    assert float(form.square.abs().max()) < 0.01
    assert abs(float(form.linear[0]) - 1.0) < 0.05


def test_moments_far_from_the_limit_do_not_decide() -> None:
    latents = _latents()
    far = latents[:, 0, 0] > 0.5
    truth = torch.where(far, -20.0, latents[:, 0, 0])
    errors = []
    for weight in (1e-4, 1.0):
        near = torch.where(far, weight, 1.0).double()
        (form,) = distilled(latents, truth[:, None], near)
        errors.append(float((form(latents[~far, 0]) - truth[~far]).abs().mean()))
    assert errors[0] < 0.05 < errors[1]
