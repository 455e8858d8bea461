"""One plan for several models: against answers by hand and by trying every move."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from procwm.errors import SpecError
from procwm.planning.ensemble_planner import EnsemblePlanner
from procwm.planning.planner import MpcPlanner
from procwm.planning.problem import ControlProblem, Plan, PlanStatus
from procwm.plant.tags import PlantSpec, Role, Tag
from procwm.testing import check_planner, control_problem, exact_model
from procwm.world.model import WorldModel

PLANT = PlantSpec(
    name="gain",
    interval_s=1.0,
    tags=(
        Tag(name="Y", role=Role.CV, range=(0.0, 10.0), setpoint=5.0),
        Tag(name="U", role=Role.MV, range=(0.0, 10.0)),
    ),
)
HORIZON = 3


def gains(*values: float, guard_above: float | None = None, plant: PlantSpec = PLANT) -> list[WorldModel]:
    """`y' = gain u`, one model for each gain."""
    guards = {} if guard_above is None else {"high": (np.ones(1), -guard_above)}
    return [
        exact_model(
            plant,
            state_matrix=np.zeros((1, 1)),
            input_matrix=np.array([[value]]),
            guards=guards,
            horizon=HORIZON,
        )
        for value in values
    ]


def planned(models: list[WorldModel], tail: float) -> Plan:
    return EnsemblePlanner(models, tail=tail).plan(posed(models[0]), warm_start=None, deadline_s=60.0)


def posed(model: WorldModel) -> ControlProblem:
    return control_problem(model, latent=np.zeros(1), last_mv=np.array([2.0]))


def test_the_average_of_two_gains_is_the_least_squares_answer() -> None:
    plan = planned(gains(1.0, 2.0), tail=1.0)
    assert plan.status is PlanStatus.OPTIMAL
    assert plan.mv[:, 0] == pytest.approx(5.0 * 3.0 / 5.0, abs=1e-2)


def test_in_the_worst_case_both_gains_miss_by_the_same() -> None:
    plan = planned(gains(1.0, 2.0), tail=0.0)
    assert plan.status is PlanStatus.OPTIMAL
    assert plan.mv[:, 0] == pytest.approx(10.0 / 3.0, abs=1e-2)


@pytest.mark.parametrize("tail", [0.0, 0.4, 0.5, 0.7, 1.0])
def test_the_mean_of_the_worst_is_as_good_as_trying_every_move(tail: float) -> None:
    values = np.array([0.7, 1.0, 1.5, 2.0])
    plan = planned(gains(*values), tail=tail)
    errors = np.sort((values * np.linspace(0.0, 10.0, 4001)[:, None] - 5.0) ** 2, axis=1)[:, ::-1]
    counted = max(1.0, 4.0 * tail)
    share = np.clip(counted - np.arange(4), 0.0, 1.0) / counted
    weights = 3.0 + HORIZON / 8.0
    assert plan.cost == pytest.approx(weights * (errors @ share).min() / 100.0, rel=2e-3)


def test_every_model_s_guardrail_is_kept() -> None:
    models = gains(1.0, 2.0, guard_above=5.5)
    plan = planned(models, tail=1.0)
    assert plan.mv[:, 0] == pytest.approx(2.75, abs=1e-2)
    assert plan.guard.shape == (HORIZON, 1)
    assert plan.guard.max() == pytest.approx(0.0, abs=1e-3)
    alone = MpcPlanner(models[0]).plan(posed(models[0]), warm_start=None, deadline_s=60.0)
    assert alone.mv[:, 0] == pytest.approx(5.0, abs=1e-2)


def test_one_model_is_planned_for_as_by_the_planner_for_one() -> None:
    plant = replace(PLANT, tags=(PLANT.tags[0], replace(PLANT.tags[1], max_move=0.7, move_weight=0.1)))
    (model,) = gains(1.0, plant=plant)
    model.predictor.network[-1].weight.copy_(torch.full_like(model.predictor.network[-1].weight, 0.1))
    model.predictor.network[0].weight.copy_(torch.ones_like(model.predictor.network[0].weight))
    one = MpcPlanner(model).plan(posed(model), warm_start=None, deadline_s=60.0)
    assert planned([model], tail=0.0).mv == pytest.approx(one.mv, abs=1e-3)


def test_it_keeps_the_contract_of_a_planner() -> None:
    check_planner(lambda model: EnsemblePlanner([model, model]), *(gains(1.0)[0], posed(gains(1.0)[0])))


def test_models_that_do_not_belong_together_are_refused() -> None:
    with pytest.raises(SpecError, match="needs at least one model and a tail between 0 and 1"):
        EnsemblePlanner(gains(1.0), tail=1.5)
    with pytest.raises(SpecError, match="need the same encoder, tags, scales, guardrails"):
        EnsemblePlanner([*gains(1.0), *gains(1.0, guard_above=3.0)])
