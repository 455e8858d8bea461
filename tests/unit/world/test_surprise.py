"""What surprises a model: calibrated on ordinary time, told by tag, and never by what is missing."""

import numpy as np
import pytest
import torch
from learning_cases import PLANT, Record, record, trained

from procwm.data.checks.screening import screen
from procwm.data.window import grid
from procwm.learning.calibration import surprise_limits
from procwm.learning.calibration.surprise_limits import learned_surprise, surprises
from procwm.world.conformal import return_level
from procwm.world.surprise import Surprise


def judge() -> Surprise:
    """One latent that is the first of two tags; the second one is the MV; errors of sizes 1 and 2."""
    made = Surprise(tags=("a", "b"), leads=(1, 5), inputs=3).double()
    made.probe[:, 0, 0] = 1.0
    made.probe[:, 1, 1] = 1.0
    made.whiten[:] = torch.diag(torch.tensor([1.0, 0.5], dtype=torch.float64))
    made.limit[:] = torch.tensor([2.0, 4.0], dtype=torch.float64)
    return made


def ratio(latent: list[float], values: list[float]) -> tuple[float, int]:
    found = judge()(
        torch.tensor(latent, dtype=torch.float64)[None, :, None],
        torch.tensor([[7.0]], dtype=torch.float64),
        torch.tensor([values], dtype=torch.float64),
    )
    return float(found.ratio), int(found.tag)


def test_what_comes_as_expected_is_no_surprise() -> None:
    assert ratio([3.0, 3.0], [3.0, 7.0])[0] == 0.0


def test_the_worst_lead_counts_beside_its_own_limit() -> None:
    # At lead 1 sqrt(4 / 2) / 2, at lead 5 sqrt(36 / 2) / 4.
    assert ratio([1.0, -3.0], [3.0, 7.0])[0] == pytest.approx(np.sqrt(18.0) / 4.0)


def test_the_tag_that_tells_most_is_named() -> None:
    assert ratio([3.0, 3.0], [4.0, 7.0])[1] == 0
    assert ratio([3.0, 3.0], [4.0, 17.0])[1] == 1


def test_a_tag_without_a_measurement_neither_surprises_nor_hides_the_others() -> None:
    assert ratio([3.0, 3.0], [5.0, np.nan])[0] == pytest.approx(1.0)
    assert np.isnan(ratio([3.0, 3.0], [np.nan, np.nan])[0])


def test_a_lead_without_a_prediction_is_left_out() -> None:
    assert ratio([np.nan, 3.0], [7.0, 7.0])[0] == pytest.approx(np.sqrt(8.0) / 4.0)
    assert np.isnan(ratio([np.nan, np.nan], [7.0, 7.0])[0])


def test_a_limit_is_reached_as_seldom_as_was_asked() -> None:
    rng = np.random.default_rng(0)
    seen, later = (rng.pareto(3.0, count) + 1.0 for count in (20 * 400, 20 * 20_000))
    limit = return_level(seen, 20, 1000.0)
    # One block in a thousand of 20,000: twenty, give or take what 400 blocks can tell.
    reached = int((later.reshape(-1, 20).max(axis=1) > limit).sum())
    assert 8 <= reached <= 50, reached


def test_ordinary_time_seldom_surprises_and_a_broken_sensor_does() -> None:
    model = trained()
    ordinary = Record(2000, seed=21)
    rows = grid(ordinary.log, model.rule)
    found, _ = surprises(model, rows)
    # 2000 rows are 5.6 hours.
    assert int((found > 1.0).sum()) <= 5
    level = ordinary.log.series["LT.PV"]
    level.value[1000:] += 1.0
    assert np.nanmax(surprises(model, grid(ordinary.log, model.rule))[0][1000:1003]) > 2.0


def test_a_log_judged_some_rows_at_once_is_the_log_judged_as_a_whole(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = trained()
    rows = grid(Record(1500, seed=21).log, model.rule)
    kept = np.ones(len(rows), dtype=np.bool_)
    kept[700:720] = False
    whole = surprises(model, rows.where(kept))
    monkeypatch.setattr(surprise_limits, "_AT_ONCE", 100)
    for found, other in zip(surprises(model, rows.where(kept)), whole, strict=True):
        np.testing.assert_allclose(found, other, rtol=1e-9)
    assert np.isfinite(whole[0]).sum() > 1300


def test_too_little_held_out_time_gives_no_surprise_at_all() -> None:
    model = trained()
    rows = grid(screen(record(1500).log, PLANT).trusted(), model.rule)
    few = rows.slice(0, model.rule.history + 10 * model.horizon)
    assert learned_surprise(model, rows, few, model, rows) is None
    assert learned_surprise(model, rows, rows, model, rows) is not None
