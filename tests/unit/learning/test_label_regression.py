import pytest
import torch

from procwm.learning.labelled import label_regression
from procwm.learning.labelled.label_regression import Kind, labels_everywhere

MOMENTS = 400


def _features(size: int, seed: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return torch.randn((MOMENTS, size), generator=generator, dtype=torch.float64)


def _spread(
    views: list[torch.Tensor],
    truth: torch.Tensor,
    labels: int,
    *,
    typical: torch.Tensor | None = None,
    near: torch.Tensor | None = None,
) -> tuple[torch.Tensor, torch.Tensor]:
    labelled, alike = torch.arange(labels), torch.ones(labels, dtype=torch.float64)
    return labels_everywhere(
        views,
        labelled,
        truth[labelled],
        alike if typical is None else typical,
        alike if near is None else near,
    )


def _error(found: torch.Tensor, truth: torch.Tensor) -> float:
    """Root mean squared, relative to the truth's spread."""
    return float((found - truth).square().mean().sqrt() / truth.std())


def test_a_line_is_found_exactly_from_more_labels_than_features() -> None:
    features = _features(3, 0)
    truth = 2.0 + features @ torch.tensor([1.0, -0.5, 0.3], dtype=torch.float64)
    found, without = _spread([features], truth, 12)
    assert _error(found, truth) < 1e-3
    assert _error(without[5], truth) < 1e-3


def test_a_bend_along_one_direction_needs_fewer_labels_than_there_are_pairs() -> None:
    features = _features(10, 1)
    along = torch.tensor([0.3, -0.2, 0.1, 0.25, 0.0, 0.15, -0.1, 0.2, 0.0, 0.1], dtype=torch.float64)
    truth = (2.0 + features @ along).square()
    found, without = _spread([features], truth, 20)
    assert _error(found, truth) < 0.1
    assert _error(without[torch.arange(20), torch.arange(20)], truth[:20]) < 0.2


def test_a_product_of_features_is_found_from_many_labels() -> None:
    features = _features(3, 2)
    truth = features[:, 0] * features[:, 1] + 0.3 * features[:, 2]
    found, _ = _spread([features], truth, 32)
    assert _error(found, truth) < 0.1


def test_noise_is_not_taken_for_curvature() -> None:
    features = _features(4, 3)
    line = features @ torch.tensor([1.0, -2.0, 0.0, 0.5], dtype=torch.float64)
    noise = 0.3 * torch.randn(MOMENTS, generator=torch.Generator().manual_seed(4), dtype=torch.float64)
    found, _ = _spread([features], line + noise, 24)
    assert _error(found, line) < 0.12


def test_the_view_that_explains_the_labels_decides() -> None:
    wide, narrow = _features(12, 5), _features(2, 6)
    truth = narrow[:, 0] + 0.5 * narrow[:, 1]
    both, _ = _spread([wide, narrow], truth, 16)
    alone, _ = _spread([wide], truth, 16)
    assert _error(both, truth) < 0.05
    assert _error(alone, truth) > 0.5


@pytest.mark.parametrize(
    "kind", [Kind(curvature=1.0, warp=0.0, ridge=1e-3), Kind(curvature=0.0, warp=0.2, ridge=1e-3)]
)
def test_what_a_regression_says_without_a_label_does_not_depend_on_its_value(
    kind: Kind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(label_regression, "KINDS", (kind,))
    features = _features(4, 7)
    truth = features[:, 0] + 0.2 * features[:, 1].square()
    wrong = truth.clone()
    wrong[3] += 0.5
    (_, without), (_, other) = _spread([features], truth, 16), _spread([features], wrong, 16)
    assert torch.allclose(without[3], other[3])
    assert not torch.allclose(without[4], other[4])


def test_an_error_where_the_plant_seldom_is_weighs_little() -> None:
    first, second = _features(1, 8), _features(1, 9)
    seldom = torch.arange(MOMENTS) % 2 == 0
    truth = torch.where(seldom, second[:, 0], first[:, 0])
    pulls = []
    for weight in (1e-3, 1.0, 1e3):
        typical = torch.where(seldom[:30], weight, 1.0).double()
        found, _ = _spread([first, second], truth, 30, typical=typical)
        pulls.append(_error(found, first[:, 0]))
    assert pulls[0] < pulls[1] < pulls[2]


def test_labels_far_from_the_limit_bend_nothing() -> None:
    features = _features(1, 10)
    truth = torch.where(features[:, 0] > 1.0, 30.0, features[:, 0])
    usual = features[:, 0] < 1.0
    near = 1.0 / (1.0 + truth[:24].square())
    weighed, _ = _spread([features], truth, 24, typical=near, near=near)
    alike, _ = _spread([features], truth, 24)
    assert _error(weighed[usual], truth[usual]) < 0.5 * _error(alike[usual], truth[usual])


@pytest.mark.parametrize("views", [1, 2])
def test_labels_that_are_all_the_same_give_a_constant(views: int) -> None:
    found, without = _spread([_features(4, 11)] * views, torch.full((MOMENTS,), 3.0).double(), 8)
    assert torch.allclose(found, torch.full_like(found, 3.0))
    assert torch.allclose(without, torch.full_like(without, 3.0))
