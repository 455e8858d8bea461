import numpy as np
import pytest

from procwm.errors import TrainingError
from procwm.world.conformal import band, least_count, margin, rank, symmetric_margin


def test_the_rank_counts_the_new_moment_too() -> None:
    assert rank(9, 0.9) == 9
    assert rank(19, 0.9) == 18
    assert rank(20, 0.9) == 19


@pytest.mark.parametrize(("coverage", "count"), [(0.5, 1), (0.9, 9), (0.95, 19)])
def test_so_many_residuals_are_needed(coverage: float, count: int) -> None:
    assert least_count(coverage) == count
    assert margin(np.arange(count, dtype=float), coverage) == count - 1
    if count > 1:
        with pytest.raises(TrainingError, match=f"at least {count} are needed"):
            margin(np.arange(count - 1, dtype=float), coverage)


@pytest.mark.parametrize("coverage", [0.0, 1.0, -1.0, float("nan")])
def test_a_coverage_that_is_no_share_is_refused(coverage: float) -> None:
    with pytest.raises(TrainingError, match="between 0 and 1"):
        margin(np.zeros(10), coverage)


def test_the_stated_coverage_holds_on_average() -> None:
    rng = np.random.default_rng(0)
    covered = [rng.standard_normal() <= margin(rng.standard_normal(16), 0.9) for _ in range(4000)]
    # Exactly ceil(17 * 0.9) / 17 = 0.941; three standard errors are 0.011.
    assert abs(np.mean(covered) - 16 / 17) < 0.012


def test_a_label_that_stands_for_little_of_the_operation_hardly_moves_the_margin() -> None:
    residuals = np.array([*np.linspace(-1.0, 1.0, 30), 50.0, 60.0])
    typical = np.array([100.0] * 30 + [1.0, 1.0])
    assert margin(residuals, 0.9) > 0.9
    assert margin(residuals, 0.95) == 60.0
    assert margin(residuals, 0.95, typical) <= 1.0
    assert margin(residuals, 0.95, typical) == margin(residuals[:30], 0.95)


def test_labels_drawn_more_often_from_one_side_still_hold_the_coverage() -> None:
    rng = np.random.default_rng(1)
    covered = []
    for _ in range(4000):
        # Half of the labels stand for the tenth of the operation where errors are five times as large.
        rare = np.arange(32) < 16
        residuals = rng.standard_normal(32) * np.where(rare, 5.0, 1.0)
        wanted = margin(residuals, 0.9, np.where(rare, 0.1, 0.9))
        covered.append(rng.standard_normal() * (5.0 if rng.random() < 0.1 else 1.0) <= wanted)
    assert abs(np.mean(covered) - 0.9) < 0.03


def test_a_symmetric_margin_holds_its_coverage_and_varies_less() -> None:
    rng = np.random.default_rng(3)
    draws = rng.standard_normal((2000, 32))
    plain = np.array([margin(row, 0.95) for row in draws])
    symmetric = np.array([symmetric_margin(row[:, None], 0.95) for row in draws])
    fresh = rng.standard_normal(2000)
    assert float(np.mean(fresh <= symmetric)) >= 0.94
    assert symmetric.std() < 0.8 * plain.std()


@pytest.mark.parametrize("coverage", [0.5, 0.3, 1.0, float("nan")])
def test_a_symmetric_margin_of_no_coverage_is_refused(coverage: float) -> None:
    with pytest.raises(TrainingError, match="must be between"):
        symmetric_margin(np.zeros((30, 1)), coverage)


def test_several_leads_of_one_label_count_as_one_label() -> None:
    residuals = np.random.default_rng(4).standard_normal((20, 1))
    assert symmetric_margin(np.repeat(residuals, 3, axis=1), 0.9) == symmetric_margin(residuals, 0.9)
    with pytest.raises(TrainingError, match="3 labels"):
        symmetric_margin(np.zeros((3, 40)), 0.9)


def test_a_band_holds_its_share_of_later_errors_at_every_lead() -> None:
    rng = np.random.default_rng(2)
    walk = np.cumsum(rng.standard_normal(5000))
    ahead = np.stack([np.append(walk[lead:], np.full(lead, np.nan)) - walk for lead in (1, 2, 3, 4)], axis=1)
    widths = band(ahead[:2000, :, None], 0.9)[:, 0]
    held = np.mean(np.abs(ahead[2000:-4]) <= widths, axis=0)
    assert held == pytest.approx([0.9] * 4, abs=0.03)
    assert widths == pytest.approx(1.645 * np.sqrt([1.0, 2.0, 3.0, 4.0]), rel=0.1)


def test_a_band_that_so_few_errors_cannot_show_is_endless() -> None:
    errors = np.linspace(-1.0, 1.0, 20)[:, None, None].repeat(4, axis=1)
    widths = band(errors, 0.9)[:, 0]
    # 20, 10, 6 and 5 independent errors; 9 are needed.
    assert np.isfinite(widths).tolist() == [True, True, False, False]


def test_what_was_not_measured_does_not_count_towards_a_band() -> None:
    errors = np.full((30, 1, 2), np.nan)
    errors[:12, 0, 0] = 1.0
    assert band(errors, 0.9).tolist() == [[1.0, np.inf]]
