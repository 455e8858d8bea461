"""Plans kept to where the log was: on every rung, at a cost, and never impossible."""

from dataclasses import replace

import numpy as np
import pytest
import torch
from planning_cases import lag, latent

from procwm.control.controller import Controller
from procwm.errors import SpecError
from procwm.planning.data_region import DataRegion
from procwm.planning.foresight import Foresight
from procwm.planning.moves import MoveSpace, move_blocks
from procwm.planning.nlp import Program
from procwm.planning.objective import objective
from procwm.planning.planner import MpcPlanner
from procwm.planning.prediction import Evaluator, in_single_precision
from procwm.planning.problem import ControlProblem, Plan, PlanStatus
from procwm.planning.solution import Stop
from procwm.planning.sqp import SequentialProgram
from procwm.planning.transcription import transcribe
from procwm.plant.plantfile.specfile import parse_plant
from procwm.testing import check_planner, control_problem
from procwm.world.cloud import Cloud, cloud_of
from procwm.world.model import WorldModel

FAR = 9.0
"""A level that the log of `logged` never saw."""


def logged(low: float = 4.0, high: float = 6.0, guard_above: float | None = None) -> WorldModel:
    """A tank whose log knew levels from `low` to `high`, both counted from 5; plans may go twice as far."""
    model = lag(move_weight=0.0, guard_above=guard_above)
    cloud = Cloud(1).double()
    cloud.low, cloud.high = (torch.as_tensor(latent(model, level)) for level in (low, high))
    return model.with_calibration(cloud=cloud)


def posed(model: WorldModel, *, level: float = 5.0, target: float = FAR) -> ControlProblem:
    problem = control_problem(model, latent=latent(model, level), last_mv=np.array([0.0]))
    return replace(problem, target=np.full_like(problem.target, target))


def planned(model: WorldModel, problem: ControlProblem, *, data_region: bool = True) -> Plan:
    planner = MpcPlanner(model, data_region=data_region)
    return planner.plan(problem, warm_start=None, deadline_s=60.0)


def test_a_setpoint_that_the_log_never_saw_is_approached_as_far_as_the_log_goes() -> None:
    model = logged()
    free, kept = (planned(model, posed(model), data_region=on) for on in (False, True))
    assert free.status is kept.status is PlanStatus.OPTIMAL
    assert free.cv[-1, 0] == pytest.approx(FAR, abs=0.05)
    assert 7.0 < kept.cv[-1, 0] < 8.0


def test_what_lies_within_the_log_is_planned_as_without_the_region() -> None:
    model = logged()
    free, kept = (planned(model, posed(model, target=6.5), data_region=on) for on in (False, True))
    assert kept.mv == pytest.approx(free.mv, abs=1e-3)
    assert kept.cost == pytest.approx(free.cost, rel=1e-3)


@pytest.mark.parametrize("target", [FAR, 2.0])
def test_a_plant_that_is_outside_already_is_neither_refused_nor_driven_back(target: float) -> None:
    model = logged()
    plan = planned(model, posed(model, level=target, target=target))
    assert plan.status is PlanStatus.OPTIMAL
    assert plan.cv[:, 0] == pytest.approx(target, abs=0.02)


def test_guardrails_go_before_the_region() -> None:
    model = logged(low=5.5, high=8.0, guard_above=5.0)
    plan = planned(model, posed(model, level=6.0, target=6.0))
    without = planned(model, posed(model, level=6.0, target=6.0), data_region=False)
    assert plan.status is without.status
    model = logged(low=4.0, high=8.0, guard_above=5.0)
    plan = planned(model, posed(model, level=4.0))
    assert plan.status.usable
    assert plan.cv.max() <= 5.0 + 1e-3


def test_the_sequential_program_and_ipopt_find_the_same_plan_under_it() -> None:
    model = logged()
    region = DataRegion.of(_cloud(model))
    problem, transcript = region.laid_over(posed(model)), region.over(transcribe(model))
    blocks = move_blocks(problem.horizon)
    space, wanted = MoveSpace(blocks, problem), objective(problem)
    foresight = Foresight(transcript, space, wanted)
    one = SequentialProgram().solve(foresight, space.hold, deadline=np.inf)
    other = Program(transcript, blocks).solve(space, wanted, space.hold, deadline=np.inf)
    assert one.stopped is Stop.OPTIMAL
    assert one.optimality is not None
    assert foresight.point(one.knots).cost == pytest.approx(foresight.point(other.knots).cost, rel=1e-4)


def test_sampling_prices_candidates_as_the_program_does() -> None:
    model = logged()
    region = DataRegion.of(_cloud(model))
    problem = region.laid_over(posed(model))
    space = MoveSpace(move_blocks(problem.horizon), problem)
    quick = Evaluator(region.read_by(in_single_precision(model)), problem)
    foresight = Foresight(region.over(transcribe(model)), space, objective(problem))
    knots = space.clip(np.full_like(space.low, 3.0))
    assert quick.predict(space.expand(knots)[None]).cost[0] == pytest.approx(
        foresight.point(knots).cost, rel=1e-4
    )


def test_levels_are_chosen_within_the_region() -> None:
    model = logged()
    problem = replace(posed(model), levels=((-1.0, 0.0, 1.0, 2.0, 4.0),))
    free, kept = (planned(model, problem, data_region=on) for on in (False, True))
    assert kept.status.usable
    assert kept.cv[:-1].sum() < free.cv[:-1].sum()


def test_it_keeps_the_contract_of_a_planner() -> None:
    model = logged()
    check_planner(lambda model: MpcPlanner(model, data_region=True), model, posed(model))


def test_the_plant_file_asks_for_it_and_a_model_that_cannot_is_refused() -> None:
    model = lag()
    text = '[plant]\nname = "tank"\ninterval_s = 1.0\n[control]\ndata_region = true\n'
    text += '[[tag]]\nname = "Y"\nrole = "CV"\nunit = ""\nrange = [0, 10]\nsetpoint = 5.0\n'
    text += '[[tag]]\nname = "U"\nrole = "MV"\nunit = ""\nrange = [-5, 5]\nmove_weight = 0.1\n'
    plant = parse_plant(text, source="plant.toml")
    assert plant.control.data_region
    with pytest.raises(SpecError, match="data_region is on, and the model does not know where its log was"):
        Controller(plant, model)


def test_a_cloud_has_unit_variance_in_every_direction_and_bounds_that_hold_nearly_all() -> None:
    generator = torch.Generator().manual_seed(0)
    latents = torch.randn((4000, 3), generator=generator, dtype=torch.float64)
    latents = latents @ torch.tensor([[1.0, 2.0, 0.0], [0.0, 0.5, 1.0], [0.0, 0.0, 3.0]]).double() + 7.0
    cloud = cloud_of(latents)
    coordinates = cloud.coordinates(latents)
    torch.testing.assert_close(coordinates.T @ coordinates / 4000, torch.eye(3).double(), atol=1e-3, rtol=0.0)
    outside = (coordinates < cloud.low) | (coordinates > cloud.high)
    assert 0.0 < outside.double().mean() < 0.003
    assert float(cloud(latents).mean()) == pytest.approx(1.0, abs=1e-3)


def _cloud(model: WorldModel) -> Cloud:
    assert model.cloud is not None
    return model.cloud
