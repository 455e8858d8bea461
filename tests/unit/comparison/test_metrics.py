"""The numbers of a comparison, against sums done by hand."""

import numpy as np
import pytest

from procwm.comparison.metrics import (
    difference_error,
    gap,
    guard_violations,
    interval_costs,
    limit_violations,
    recovered,
)
from procwm.plant.tags import PlantSpec, Role, Tag

PLANT = PlantSpec(
    name="three outputs",
    interval_s=10.0,
    tags=(
        Tag(name="level", role=Role.CV, range=(0.0, 10.0), setpoint=5.0, weight=2.0, limits=(1.0, 8.0)),
        Tag(name="purity", role=Role.CV, range=(0.0, 1.0), zone=(0.4, 0.6)),
        Tag(name="valve", role=Role.MV, range=(0.0, 100.0), limits=(10.0, 90.0), move_weight=0.5),
        Tag(name="heat", role=Role.PV, range=(0.0, 200.0), limits=(0.0, 150.0)),
        Tag(name="flow", role=Role.PV, range=(0.0, 1.0)),
    ),
)
REST = np.array([[5.0, 0.5, 100.0]])
TARGET = np.array([[5.0, np.nan, np.nan]])
STILL = np.array([[50.0], [50.0]])


def cost(plant: PlantSpec, cv: np.ndarray, mv: np.ndarray, target: np.ndarray) -> float:
    return float(interval_costs(plant, cv, mv, target).sum())


def test_a_run_on_target_within_limits_and_without_a_move_costs_nothing() -> None:
    assert cost(PLANT, REST, STILL, TARGET) == 0.0


def test_errors_are_squared_shares_of_the_span_times_the_weight() -> None:
    assert cost(PLANT, np.array([[7.0, 0.5, 100.0]]), STILL, TARGET) == pytest.approx(2.0 * 0.2**2)


def test_the_target_in_force_counts_and_not_the_one_in_the_plant_file() -> None:
    assert cost(PLANT, REST, STILL, np.array([[3.0, np.nan, np.nan]])) == pytest.approx(2.0 * 0.2**2)


def test_outside_a_zone_its_nearest_edge_is_the_target() -> None:
    below, above = np.array([[5.0, 0.1, 100.0]]), np.array([[5.0, 0.7, 100.0]])
    assert cost(PLANT, below, STILL, TARGET) == pytest.approx(0.3**2)
    assert cost(PLANT, above, STILL, TARGET) == pytest.approx(0.1**2)


def test_a_setpoint_goes_before_a_zone() -> None:
    target = np.array([[5.0, 0.45, np.nan]])
    assert cost(PLANT, REST, STILL, target) == pytest.approx(0.05**2)


def test_moves_count_from_the_interval_before_the_first() -> None:
    assert cost(PLANT, REST, np.array([[40.0], [50.0]]), TARGET) == pytest.approx(0.5 * 0.1**2)


def test_a_broken_limit_costs_a_hundred_times_its_squared_share_even_of_a_pv() -> None:
    assert cost(PLANT, np.array([[5.0, 0.5, 170.0]]), STILL, TARGET) == pytest.approx(100.0 * 0.1**2)


def test_violations_count_intervals_and_outputs() -> None:
    cv = np.array([[0.5, 0.5, 151.0], [8.0, 0.0, 150.0], [9.0, 1.0, 10.0]])
    assert limit_violations(PLANT, cv).tolist() == [2, 0, 1]


def test_a_guardrail_is_safe_up_to_zero_and_broken_above() -> None:
    guard = np.array([[0.0, -1.0], [1e-9, 2.0]])
    assert guard_violations(guard).tolist() == [1, 1]
    assert guard_violations(np.zeros((3, 0))).tolist() == []


def test_gap_and_recovered_stand_between_pi_and_the_oracle() -> None:
    assert gap(1.1, 1.0) == pytest.approx(0.1)
    assert recovered(1.0, 2.0, 1.0) == 1.0
    assert recovered(2.0, 2.0, 1.0) == 0.0
    assert recovered(1.25, 2.0, 1.0) == pytest.approx(0.75)


def test_what_has_no_yardstick_is_not_a_number() -> None:
    assert np.isnan(gap(1.0, 0.0))
    assert np.isnan(recovered(1.0, 2.0, 2.0))


def test_the_error_of_a_difference_is_that_of_independent_stretches() -> None:
    """What both runs share is no noise; ten stretches that differ by n have the error of their sum."""
    shared = np.random.default_rng(0).exponential(size=100)
    assert difference_error(shared, shared) == 0.0
    apart = np.repeat(np.arange(10.0), 10) / 10.0
    assert difference_error(shared + apart, shared) == pytest.approx(
        np.sqrt(10.0) * np.std(np.arange(10.0), ddof=1)
    )
