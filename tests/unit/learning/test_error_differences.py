"""A difference between models counts where it is more than chance."""

import math

import torch

from procwm.learning.evaluation.error_differences import ErrorDifference, error_differences

ROWS, LEAD = 2000, 5


def found(own: float, other: float, rows: int = ROWS) -> ErrorDifference:
    """Errors of two models with these standard deviations of their own."""
    generator = torch.Generator().manual_seed(1)

    errors = {
        name: size * torch.randn((rows, 1), generator=generator)
        for name, size in (("model", own), ("linear", other))
    }
    return error_differences(errors, torch.ones((rows, 1)), torch.arange(rows), LEAD)["linear"]


def test_models_that_are_alike_are_not_told_apart() -> None:
    alike = found(0.1, 0.1)
    assert not alike.told
    assert 0.0 < alike.chance < 0.02


def test_a_better_model_is_told_by_the_sign_of_the_difference() -> None:
    assert found(0.1, 0.2).told
    assert found(0.1, 0.2).difference < 0 < found(0.2, 0.1).difference


def test_a_log_of_few_horizons_tells_nothing() -> None:
    short = found(0.1, 0.2, rows=5 * LEAD)
    assert not short.told
    assert math.isnan(short.chance)
    assert short.as_dict()["chance"] is None
