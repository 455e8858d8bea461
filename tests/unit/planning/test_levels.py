"""MVs that know a few values only: plans beside complete enumeration, and what is refused."""

import itertools
from dataclasses import replace

import numpy as np
import pytest
from hand_clock import HandClock

from procwm.control.targets import Targets
from procwm.errors import SpecError
from procwm.planning.foresight import Foresight
from procwm.planning.levels import Schedules
from procwm.planning.moves import MoveSpace, move_blocks
from procwm.planning.objective import objective
from procwm.planning.planner import MpcPlanner
from procwm.planning.prediction import Evaluator
from procwm.planning.problem import ControlProblem, PlanStatus
from procwm.planning.solution import Stop
from procwm.planning.sqp import SequentialProgram
from procwm.planning.transcription import transcribe
from procwm.plant.plantfile.specfile import dump_plant, parse_plant
from procwm.plant.request import Request
from procwm.plant.tags import PlantSpec, Role, Tag
from procwm.testing import check_planner, control_problem, exact_model
from procwm.world.model import WorldModel

HORIZON = 8
PUMP = Tag(name="P", role=Role.MV, range=(0.0, 1.0), levels=(0.0, 1.0), move_weight=0.002)
FAN = Tag(name="F", role=Role.MV, range=(0.0, 3.0), levels=(0.0, 1.0, 3.0), move_weight=0.002)
VALVE = Tag(name="V", role=Role.MV, range=(-1.0, 1.0), max_move=0.3, move_weight=0.1)


def tank(seed: int, *mvs: Tag) -> tuple[WorldModel, ControlProblem]:
    """Two coupled levels, pushed at random strength."""
    generator = np.random.default_rng(seed)
    levels = tuple(Tag(name=f"Y{i}", role=Role.CV, range=(0.0, 10.0), setpoint=5.0) for i in (1, 2))
    plant = PlantSpec(name="tank", interval_s=1.0, tags=(*levels, *mvs))
    model = exact_model(
        plant,
        state_matrix=np.array([[0.95, 0.05], [0.0, 0.8]]),
        input_matrix=generator.uniform(-1.0, 1.0, (2, len(mvs))),
        offset=np.array([0.0, 1.0]),
        horizon=HORIZON,
    )
    last = np.array([tag.levels[0] if tag.levels else 0.0 for tag in mvs])
    latent = model.scaler.scale(generator.uniform(2.0, 8.0, 2), ("Y1", "Y2"))
    return model, control_problem(model, latent=latent, last_mv=last)


def every_schedule(problem: ControlProblem) -> np.ndarray:
    """All of them, with a level for every block and discrete MV; other MVs rest."""
    blocks = move_blocks(HORIZON)
    lengths = [*blocks.lengths[:-1], HORIZON - sum(blocks.lengths[:-1])]
    choices = [itertools.product(problem.levels[mv], repeat=len(lengths)) for mv in problem.discrete]
    found = []
    for choice in itertools.product(*choices):
        mv = np.repeat(problem.last_mv[None], HORIZON, axis=0)
        for index, levels in zip(problem.discrete, choice, strict=True):
            mv[:, index] = np.repeat(levels, lengths)
        found.append(mv)
    return np.stack(found)


@pytest.mark.parametrize("seed", range(8))
def test_two_mvs_with_levels_are_planned_as_well_as_by_trying_every_schedule(seed: int) -> None:
    model, problem = tank(seed, PUMP, FAN)
    found = MpcPlanner(model).plan(problem, warm_start=None, deadline_s=60.0)
    best = Evaluator(model, problem).predict(every_schedule(problem)).cost.min()
    assert found.status is PlanStatus.FEASIBLE
    assert found.stopped == "no other level over any stretch of the horizon improves the plan"
    assert np.array_equal(found.mv, problem.on_levels(found.mv))
    assert found.cost <= 1.001 * best + 1e-9


@pytest.mark.parametrize("seed", range(3))
def test_a_valve_is_planned_for_the_schedule_that_is_chosen(seed: int) -> None:
    model, problem = tank(seed, PUMP, VALVE)
    found = MpcPlanner(model).plan(problem, warm_start=None, deadline_s=60.0)
    blocks, transcript, wanted = move_blocks(HORIZON), transcribe(model), objective(problem)
    costs = []
    for schedule in every_schedule(problem):
        foresight = Foresight(transcript, MoveSpace(blocks, problem, schedule), wanted)
        answer = SequentialProgram().solve(foresight, foresight.space.hold, deadline=np.inf)
        costs.append(foresight.point(answer.knots).cost)
    assert found.cost <= 1.005 * min(costs) + 1e-9
    assert np.unique(found.mv[:, 0]).tolist() in ([0.0], [1.0], [0.0, 1.0])
    assert MoveSpace(blocks, problem).admits(found.mv)


def test_the_planner_keeps_its_contract_with_levels() -> None:
    check_planner(MpcPlanner, *tank(0, PUMP, VALVE))


def test_no_time_is_late_and_little_time_still_gives_levels() -> None:
    model, problem = tank(1, PUMP, FAN)
    planner = MpcPlanner(model, clock=HandClock(reading_s=0.01))
    assert planner.plan(problem, warm_start=None, deadline_s=0.0).status is PlanStatus.LATE
    short = planner.plan(problem, warm_start=None, deadline_s=0.3)
    assert short.stopped is Stop.DEADLINE
    assert short.status is PlanStatus.FEASIBLE
    assert np.array_equal(short.mv, problem.on_levels(short.mv))


def test_a_schedule_moves_by_no_more_than_it_may_and_returns_within_limits() -> None:
    _, problem = tank(0, replace(FAN, levels=(0.0, 1.0, 2.0, 3.0)), VALVE)
    problem = replace(problem, max_move=np.array([1.0, 0.3]), mv_low=np.array([2.0, -1.0]))
    schedules = Schedules(problem, move_blocks(HORIZON))
    tried = schedules.around(schedules.first(np.zeros((HORIZON, 2)), None))
    assert len(tried) > 3
    assert tried[:, :2, 0].tolist() == [[1.0, 2.0]] * len(tried)
    assert np.abs(np.diff(tried[:, :, 0], axis=1)).max() <= 1.0
    assert tried[:, 2:, 0].min() == 2.0


def test_an_mv_beside_its_levels_goes_to_one_and_stays_where_none_is_in_reach() -> None:
    model, problem = tank(0, PUMP, VALVE)
    beside = replace(problem, last_mv=np.array([0.4, 0.0]))
    assert beside.places(0).tolist() == [0.0, 1.0]
    stuck = replace(beside, max_move=np.array([0.1, 0.3]))
    assert stuck.places(0).tolist() == [0.0, 0.4, 1.0]
    found = MpcPlanner(model).plan(stuck, warm_start=None, deadline_s=60.0)
    assert found.mv[:, 0].tolist() == [0.4] * HORIZON


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"levels": (1.0,)}, r"P: levels are \[1.0\]; they must be two or more, ascending"),
        ({"levels": (1.0, 0.0)}, "two or more, ascending"),
        ({"levels": (0.0, float("nan"))}, "two or more, ascending"),
        ({"levels": (0.0, 2.0)}, r"are outside \[0.0, 1.0\], where the MV can be"),
        ({"max_move": 0.5}, "max_move is 0.5, less than the 1.0 between two levels"),
    ],
)
def test_levels_that_make_no_sense_are_refused(options: dict, sentence: str) -> None:  # type: ignore[type-arg]
    with pytest.raises(SpecError, match=sentence):
        replace(PUMP, **options)


def test_levels_are_read_from_a_plant_file_and_written_to_one() -> None:
    model, _ = tank(0, PUMP, VALVE)
    assert parse_plant(dump_plant(model.plant)) == model.plant
    with pytest.raises(SpecError, match="tag P: levels is 1; it must be a list of numbers, ascending"):
        parse_plant(
            dump_plant(model.plant)
            .replace("[0.0, 1.0]\nmove", "[0.0, 1.0]\nmove")
            .replace("levels = [0.0, 1.0]", "levels = 1")
        )


def test_limits_at_run_time_must_leave_a_level() -> None:
    plant = tank(0, PUMP, VALVE)[0].plant
    with pytest.raises(SpecError, match=r"P: none of its levels \[0.0, 1.0\] is inside \[0.2, 0.8\]"):
        Targets().with_(plant, Request(limits={"P": (0.2, 0.8)}))
