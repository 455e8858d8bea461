import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from learning_cases import PLANT

from procwm.errors import SpecError, TrainingError
from procwm.world.scaler import Scaler, fit_scaler

SCALER = Scaler(("a", "b"), np.array([10.0, -1.0]), np.array([2.0, 0.5]))


@given(arrays(np.float64, (3, 2), elements=st.floats(-1e6, 1e6)))
def test_scaling_and_back_is_the_identity(values: np.ndarray) -> None:
    back = SCALER.unscale(SCALER.scale(values, ("a", "b")), ("a", "b"))
    np.testing.assert_allclose(back, values, rtol=1e-12, atol=1e-9)


def test_tags_may_come_in_any_order() -> None:
    np.testing.assert_allclose(SCALER.scale(np.array([[0.0, 12.0]]), ("b", "a")), [[2.0, 1.0]])


def test_nan_stays_nan() -> None:
    assert np.isnan(SCALER.scale(np.array([[np.nan, 0.0]]), ("a", "b"))[0, 0])


def test_an_unknown_tag_is_named() -> None:
    with pytest.raises(SpecError, match="no tag c"):
        SCALER.scale(np.zeros((1, 1)), ("c",))


@pytest.mark.parametrize("width", [0.0, -1.0, np.nan])
def test_a_width_that_is_not_above_zero_is_refused(width: float) -> None:
    with pytest.raises(SpecError, match="width"):
        Scaler(("a",), np.array([0.0]), np.array([width]))


def _fit(column: np.ndarray) -> Scaler:
    values = np.tile(column[:, None], (1, len(PLANT.names)))
    return fit_scaler(PLANT, PLANT.names, values, np.isfinite(values))


def test_a_rare_excursion_hardly_changes_the_scale() -> None:
    everyday = np.random.default_rng(0).normal(5.0, 1.0, 2000)
    excursion = everyday.copy()
    excursion[:10] = 19.0
    calm, rare = _fit(everyday), _fit(excursion)
    assert rare.center[0] == pytest.approx(calm.center[0], abs=0.02)
    assert rare.width[0] == pytest.approx(calm.width[0], rel=0.05)


def test_a_tag_that_mostly_stands_still_is_scaled_by_its_deviation() -> None:
    column = np.full(1000, 3.0)
    column[:100] = 8.0
    assert _fit(column).width[0] == pytest.approx(column.std())


def test_a_tag_that_never_moves_keeps_a_width_above_zero() -> None:
    assert _fit(np.full(10, 3.0)).width[0] == pytest.approx(0.02)


def test_missing_values_are_left_out() -> None:
    column = np.random.default_rng(0).normal(size=100)
    column[::2] = np.nan
    assert _fit(column).center[0] == pytest.approx(np.nanmedian(column))


def test_a_tag_without_any_value_is_named() -> None:
    with pytest.raises(TrainingError, match=r"LT\.PV: none of its values is Good"):
        _fit(np.full(10, np.nan))
