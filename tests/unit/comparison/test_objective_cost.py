"""The cost of a plan, by hand."""

from dataclasses import replace

import numpy as np
import pytest

from procwm.comparison import metrics
from procwm.planning.objective import excess, objective, row_weights
from procwm.planning.problem import ControlProblem
from procwm.plant.tags import PlantSpec, Role, Tag
from procwm.testing import control_problem, exact_model

PLANT = PlantSpec(
    name="two tanks",
    interval_s=1.0,
    tags=(
        Tag(name="A", role=Role.CV, range=(0.0, 10.0), setpoint=5.0, weight=2.0, limits=(1.0, 8.0)),
        Tag(name="B", role=Role.CV, range=(0.0, 100.0), zone=(40.0, 60.0)),
        Tag(name="U", role=Role.MV, range=(0.0, 4.0), move_weight=0.5),
    ),
)


def two_rows() -> ControlProblem:
    model = exact_model(PLANT, state_matrix=np.eye(2), input_matrix=np.zeros((2, 1)), horizon=2)
    return control_problem(model, latent=np.zeros(2), last_mv=np.array([1.0]))


def test_cost_is_the_weighted_sum_of_squares_relative_to_spans() -> None:
    cv = np.array([[6.0, 50.0], [9.0, 70.0]])
    mv = np.array([[2.0], [2.0]])
    tail = 1.0 + 2 / 8
    first = 2.0 * 0.1**2 + 0.5 * 0.25**2
    last = 2.0 * 0.4**2 + 100.0 * 0.1**2 + 0.1**2
    assert objective(two_rows()).cost(cv, mv) == pytest.approx(first + tail * last)


def test_cost_is_that_of_the_benchmark_but_for_the_weight_of_the_last_row() -> None:
    generator = np.random.default_rng(0)
    cv = np.vstack((generator.uniform([0, 0], [10, 100], (1, 2)), [[5.0, 50.0]]))
    mv = generator.uniform(0, 4, (2, 1))
    moved, target = np.vstack(([[1.0]], mv)), np.array([[5.0, np.nan]] * 2)
    measured = metrics.interval_costs(PLANT, cv, moved, target).sum()
    assert objective(two_rows()).cost(cv, mv) == pytest.approx(measured)


def test_a_batch_of_trajectories_costs_what_each_costs_alone() -> None:
    generator = np.random.default_rng(1)
    cv, mv = generator.uniform(0, 100, (5, 2, 2)), generator.uniform(0, 4, (5, 2, 1))
    cost = objective(two_rows())
    alone = [float(cost.cost(cv[i], mv[i])) for i in range(5)]
    assert cost.cost(cv, mv) == pytest.approx(alone)


def test_inside_its_zone_an_output_costs_nothing() -> None:
    problem = replace(two_rows(), target=np.full((2, 2), np.nan))
    cv = np.array([[5.0, 41.0], [2.0, 59.0]])
    assert objective(problem).cost(cv, np.full((2, 1), 1.0)) == 0.0


def test_a_setpoint_in_force_replaces_the_zone() -> None:
    problem = replace(two_rows(), target=np.array([[5.0, 50.0]] * 2))
    assert objective(problem).cost(
        np.array([[5.0, 59.0], [5.0, 50.0]]), np.full((2, 1), 1.0)
    ) == pytest.approx(0.09**2)


def test_the_last_row_stands_for_what_comes_after_the_horizon() -> None:
    assert row_weights(40).tolist() == [1.0] * 39 + [6.0]


def test_excess_is_the_signed_distance_to_an_interval() -> None:
    low, high = np.zeros(3), np.ones(3)
    assert excess(np.array([-1.0, 0.5, 3.0]), low, high).tolist() == [-1.0, 0.0, 2.0]
