"""Where a plant is to come to rest, by hand."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from procwm.planning.ensemble_planner import EnsemblePlanner
from procwm.planning.objective import objective
from procwm.planning.planner import MpcPlanner
from procwm.planning.prediction import Evaluator
from procwm.planning.problem import ControlProblem, Plan, PlanStatus
from procwm.planning.ranked import Freedom, UnsolvedError
from procwm.planning.steady_state import NoSteadyState, SteadyState, SteadyTargets
from procwm.planning.transcription import transcribe
from procwm.plant.tags import PlantSpec, Role, Tag, names_of
from procwm.testing import control_problem, exact_model
from procwm.world.model import WorldModel

AMPLE_S = 60.0


def cv(name: str, **options: Any) -> Tag:
    return Tag(name=name, role=Role.CV, range=(0.0, 10.0), **options)


def mv(name: str, **options: Any) -> Tag:
    return Tag(name=name, role=Role.MV, range=(-5.0, 5.0), max_move=1.0, move_weight=0.05, **options)


def plant(
    tags: tuple[Tag, ...],
    gains: list[list[float]],
    *,
    pole: float = 0.8,
    offset: float = 1.0,
    guards: dict[str, tuple[np.ndarray, float]] | None = None,
) -> WorldModel:
    """Lags `y' = pole y + (1 - pole) gains u + offset`, which rest at `gains u + 5`."""
    outputs = sum(tag.role is Role.CV for tag in tags)
    return exact_model(
        PlantSpec(name="lags", interval_s=1.0, tags=tags),
        state_matrix=pole * np.eye(outputs),
        input_matrix=(0.2 if pole == 1.0 else 1.0 - pole) * np.array(gains),
        offset=np.full(outputs, offset),
        guards=guards or {},
        horizon=20,
    )


def posed(model: WorldModel, y: list[float], last: list[float], **changes: Any) -> ControlProblem:
    latent = model.scaler.scale(np.array(y), model.output_names)
    return control_problem(model, latent=latent, last_mv=np.array(last), **changes)


def rest(model: WorldModel, problem: ControlProblem) -> SteadyState:
    layer = SteadyTargets(transcribe(model), problem.horizon)
    found = layer.targets(problem, problem.last_mv, deadline=np.inf)
    assert isinstance(found, SteadyState), found
    return found


def run(
    model: WorldModel, problem: ControlProblem, cycles: int, load: float = 0.0
) -> tuple[ControlProblem, Plan]:
    """Follow plans on a plant whose outputs are off the model's by `load` from the first lead on."""
    planner, plan = MpcPlanner(model), None
    problem = replace(problem, bias=np.full(problem.bias.shape, load))
    for _ in range(cycles):
        plan = planner.plan(problem, warm_start=plan, deadline_s=AMPLE_S)
        assert plan.status is PlanStatus.OPTIMAL, plan.note
        scaled = model.tensor(plan.mv[None, :1], names_of(model.plant.mvs))
        after = model.imagine(torch.as_tensor(problem.latent)[None], scaled, scaled.new_zeros((1, 1, 0)))
        problem = replace(problem, latent=after[0, 0].numpy(), last_mv=plan.mv[0])
    assert plan is not None
    return problem, plan


def test_a_spare_mv_rests_at_its_ideal_value_and_the_setpoint_has_no_offset() -> None:
    """5 + 2 a + b = 7 with b at -1 has a = 1.5."""
    model = plant((cv("Y", setpoint=7.0), mv("A"), mv("B", ideal=-1.0)), [[2.0, 1.0]])
    assert rest(model, posed(model, [5.0], [0.0, 0.0])).mv == pytest.approx([1.5, -1.0], abs=1e-5)
    problem, plan = run(model, posed(model, [5.0], [0.0, 0.0]), 40)
    assert problem.last_mv == pytest.approx([1.5, -1.0], abs=2e-3)
    assert plan.cv[-1] == pytest.approx([7.0], abs=1e-3)


def test_a_load_leaves_no_offset_either() -> None:
    """5 + 2 a + b + 0.5 = 7 with b at -1 has a = 1.25."""
    model = plant((cv("Y", setpoint=7.0), mv("A"), mv("B", ideal=-1.0)), [[2.0, 1.0]])
    problem, plan = run(model, posed(model, [5.0], [0.0, 0.0]), 40, load=0.5)
    assert problem.last_mv == pytest.approx([1.25, -1.0], abs=2e-3)
    assert plan.cv[-1] == pytest.approx([7.0], abs=1e-3)


def test_without_a_spare_mv_an_ideal_value_does_not_move_the_setpoint() -> None:
    model = plant((cv("Y", setpoint=7.0), mv("A", ideal=-3.0)), [[2.0]])
    problem, plan = run(model, posed(model, [5.0], [0.0]), 40)
    assert problem.last_mv == pytest.approx([1.0], abs=2e-3)
    assert plan.cv[-1] == pytest.approx([7.0], abs=1e-3)


def test_with_linear_prices_the_cheapest_vertex_is_chosen() -> None:
    """min 3 a + b with 2 a + b = 2: b saves more than a for the same output, so b goes to its limit of 4."""
    model = plant(
        (cv("Y", setpoint=7.0), mv("A", price=3.0), mv("B", price=1.0, limits=(-5.0, 4.0))), [[2.0, 1.0]]
    )
    assert rest(model, posed(model, [5.0], [0.0, 0.0])).mv == pytest.approx([-1.0, 4.0], abs=1e-4)


def test_with_quadratic_prices_costs_are_balanced() -> None:
    """min a^2 + b^2 with 2 a + b = 2 has (a, b) = (0.8, 0.4)."""
    tags = (cv("Y", setpoint=7.0), mv("A", price_quadratic=1.0), mv("B", price_quadratic=1.0))
    model = plant(tags, [[2.0, 1.0]])
    assert rest(model, posed(model, [5.0], [0.0, 0.0])).mv == pytest.approx([0.8, 0.4], abs=1e-4)


def test_an_output_worth_having_goes_to_the_edge_of_its_zone_or_where_its_square_costs_more() -> None:
    """min -y + p a with y = 5 + 2 a, zone [4, 8]: the edge; with y^2 / 14 as well: y = 7."""
    model = plant((cv("Y", zone=(4.0, 8.0), price=-1.0), mv("A")), [[2.0]])
    assert rest(model, posed(model, [5.0], [0.0])).mv == pytest.approx([1.5], abs=1e-4)
    _, plan = run(model, posed(model, [5.0], [0.0]), 40)
    assert plan.cv[-1] == pytest.approx([8.0], abs=1e-2)
    model = plant((cv("Y", zone=(4.0, 8.0), price=-1.0, price_quadratic=1 / 14), mv("A")), [[2.0]])
    assert rest(model, posed(model, [5.0], [0.0])).mv == pytest.approx([1.0], abs=1e-4)


def test_lower_ranks_give_way_first() -> None:
    """One MV, two outputs 5 + a and 5 + 2 a that are to be at 6 and 9; ranks say which of them is."""
    for ranks, place, missed in (
        ((1, 2), 1.0, [0.0, -2.0]),
        ((2, 1), 2.0, [1.0, 0.0]),
        ((None, 1), 2.0, [1.0, 0.0]),
    ):
        tags = (cv("X", setpoint=6.0, rank=ranks[0]), cv("Y", setpoint=9.0, rank=ranks[1]), mv("A"))
        model = plant(tags, [[1.0], [2.0]])
        found = rest(model, posed(model, [5.0, 5.0], [0.0]))
        assert found.mv == pytest.approx([place], abs=1e-4)
        assert found.goal_missed == pytest.approx(missed, abs=1e-4)
    _, plan = run(model, posed(model, [5.0, 5.0], [0.0]), 40)
    assert plan.cv[-1] == pytest.approx([7.0, 9.0], abs=2e-3)
    assert plan.note == "X cannot rest at its target: 1 above"


def test_equal_ranks_share_what_is_missing_by_their_weights() -> None:
    """min 3 (a - 1)^2 + (2 a - 4)^2 has a = 11 / 7."""
    tags = (cv("X", setpoint=6.0, rank=1, weight=3.0), cv("Y", setpoint=9.0, rank=1), mv("A"))
    model = plant(tags, [[1.0], [2.0]])
    assert rest(model, posed(model, [5.0, 5.0], [0.0])).mv == pytest.approx([11 / 7], abs=1e-4)


def test_limits_come_before_every_setpoint_and_give_way_by_rank() -> None:
    """5 + a is not to be above 6, which only a <= 1 keeps; 5 - a is not to be below 4.5: a <= 0.5."""
    tags = (cv("X", setpoint=9.0, rank=1, limits=(0.0, 6.0)), cv("Y", rank=2, limits=(4.5, 9.0)), mv("A"))
    model = plant(tags, [[1.0], [-1.0]])
    found = rest(model, posed(model, [5.0, 5.0], [0.0]))
    assert found.mv == pytest.approx([0.5], abs=1e-4)
    assert found.limit_missed.tolist() == [0.0, 0.0]
    assert found.goal_missed == pytest.approx([-3.5, 0.0], abs=1e-4)
    apart = (cv("X", rank=1, limits=(7.0, 9.0)), cv("Y", rank=2, limits=(4.5, 9.0)), mv("A"))
    model = plant(apart, [[1.0], [-1.0]])
    problem = posed(model, [5.0, 5.0], [0.0])
    found = rest(model, problem)
    assert found.mv == pytest.approx([2.0], abs=1e-4)
    assert found.limit_missed == pytest.approx([0.0, -1.5], abs=1e-4)
    assert found.laid_over(problem).low == pytest.approx([7.0, 3.0], abs=1e-4)
    assert list(found.notes(model.output_names, ())) == ["Y cannot rest within its limits: 1.5 below"]


def test_an_integrating_output_is_brought_to_rest_and_its_setpoint_needs_no_other_mvs() -> None:
    """y' = y + 0.2 (a - b) rests where a = b; b is to rest at 2."""
    model = plant((cv("Y", setpoint=7.0), mv("A"), mv("B", ideal=2.0)), [[1.0, -1.0]], pole=1.0, offset=0.0)
    found = rest(model, posed(model, [5.0], [0.0, 0.0]))
    assert found.mv == pytest.approx([2.0, 2.0], abs=1e-4)
    assert not found.adrift.any()
    problem, plan = run(model, posed(model, [5.0], [0.0, 0.0]), 60)
    assert problem.last_mv == pytest.approx([2.0, 2.0], abs=5e-3)
    assert plan.cv[-1] == pytest.approx([7.0], abs=5e-3)


def test_what_cannot_be_brought_to_rest_is_said() -> None:
    model = plant((cv("Y", setpoint=7.0, rank=1), mv("A", limits=(1.0, 5.0))), [[1.0]], pole=1.0, offset=0.0)
    found = rest(model, posed(model, [5.0], [1.0]))
    assert found.mv == pytest.approx([1.0], abs=1e-4)
    assert list(found.notes(("Y",), ())) == ["Y cannot be brought to rest"]


def test_prices_do_not_buy_a_guardrail() -> None:
    guards = {"high": (np.ones(1), -6.0)}
    model = plant((cv("Y", zone=(4.0, 8.0), price=-1.0), mv("A")), [[2.0]], guards=guards)
    assert rest(model, posed(model, [5.0], [0.0])).mv == pytest.approx([0.5], abs=1e-3)
    _, plan = run(model, posed(model, [5.0], [0.0]), 30)
    assert plan.worst_guard <= 1e-6


def test_several_models_rest_where_the_guardrail_of_every_one_is_kept() -> None:
    """5 + a is worth having, and may be 6, which has a = 1; the second model says 5 + 2 a, so a = 0.5."""
    guards = {"high": (np.ones(1), -6.0)}
    tags = (cv("Y", zone=(4.0, 8.0), price=-1.0), mv("A"))
    models = [plant(tags, [[gain]], guards=guards) for gain in (1.0, 2.0)]
    _, alone = run(models[0], posed(models[0], [5.0], [0.0]), 20)
    assert alone.mv[-1] == pytest.approx([1.0], abs=1e-2)
    planner = EnsemblePlanner(models, tail=1.0)
    plan = planner.plan(posed(models[0], [5.0], [0.0]), warm_start=None, deadline_s=AMPLE_S)
    assert plan.mv[-1] == pytest.approx([0.5], abs=1e-2)
    assert plan.worst_guard <= 1e-6
    assert plan.note == ""


def test_several_models_give_way_by_the_ranks_too() -> None:
    """5 + a is to be at 6 and 5 + 2 a, which comes first, at 9."""
    tags = (cv("X", setpoint=6.0, rank=2), cv("Y", setpoint=9.0, rank=1), mv("A"))
    model = plant(tags, [[1.0], [2.0]])
    plan = EnsemblePlanner([model, model]).plan(
        posed(model, [7.0, 9.0], [2.0]), warm_start=None, deadline_s=AMPLE_S
    )
    assert plan.cv[-1] == pytest.approx([7.0, 9.0], abs=2e-3)
    assert plan.note == "X cannot rest at its target: 1 above"


def test_an_mv_that_is_held_stays_and_the_others_make_up_for_it() -> None:
    model = plant((cv("Y", setpoint=7.0), mv("A", ideal=0.0), mv("B", ideal=0.0)), [[2.0, 1.0]])
    problem = posed(model, [6.0], [0.5, 0.0], mv_low=np.array([0.5, -5.0]), mv_high=np.array([0.5, 5.0]))
    assert rest(model, problem).mv == pytest.approx([0.5, 1.0], abs=1e-4)


def test_without_ranks_prices_and_resting_values_nothing_changes() -> None:
    model = plant((cv("Y", setpoint=7.0), mv("A"), mv("B")), [[2.0, 1.0]])
    problem = posed(model, [5.0], [0.0, 0.0])
    assert problem.priorities is None
    assert MpcPlanner(model).plan(problem, warm_start=None, deadline_s=AMPLE_S).note == ""
    assert not objective(problem).rest_weight.any()


def test_a_target_beyond_one_linearisation_is_no_target_that_cannot_be_had() -> None:
    """7 = 5 + 0.5 a has a = 4, eight tenths of the way; a layer with time for one step says nothing."""
    model = plant((cv("Y", setpoint=7.4, rank=1), mv("A")), [[0.5]])
    problem = posed(model, [2.6], [-4.8])
    found = rest(model, problem)
    assert found.mv == pytest.approx([4.8], abs=1e-4)
    assert found.goal_missed.tolist() == [0.0]


@pytest.mark.parametrize("part", ["latent", "bias", "dynamics"])
def test_without_a_finite_prediction_there_is_no_target_and_no_usable_plan(part: str) -> None:
    model = plant((cv("Y", setpoint=7.0), mv("A"), mv("B", ideal=-1.0)), [[2.0, 1.0]])
    problem = posed(model, [5.0], [0.0, 0.0])
    if part == "latent":
        problem = replace(problem, latent=np.array([np.nan]))
    elif part == "bias":
        problem = replace(problem, bias=np.full((20, 1), np.nan))
    else:
        model.predictor.linear.weight.fill_(1e200)
    plan = MpcPlanner(model).plan(problem, warm_start=None, deadline_s=AMPLE_S)
    assert plan.status is PlanStatus.DIVERGED
    assert "left out" in plan.note


def test_the_pull_towards_rest_is_the_same_for_every_solver() -> None:
    """The gradient that the check for an optimum uses, by differences."""
    model = plant((cv("Y", zone=(4.0, 8.0)), mv("A"), mv("B")), [[2.0, 1.0]])
    problem = replace(posed(model, [5.0], [0.0, 0.0]), rest=np.array([1.0, np.nan]))
    cost = objective(problem)
    drawn = np.zeros((20, 2))
    drawn[:, 0] = 1.0
    assert cost.cost(np.full((20, 1), 5.0), drawn) == pytest.approx(0.05 * 0.1**2)
    drawn[:, 0] = 0.0
    weights = 20 + 20 / 8
    assert cost.cost(np.full((20, 1), 5.0), drawn) == pytest.approx(0.01 * 0.1**2 * weights)
    assert np.isfinite(Evaluator(model, problem).predict(drawn[None]).cost).all()


def swinging(price: float, square: float) -> WorldModel:
    """Y and a companion turn around each other once in 150 intervals, and lose a third of their swing in 35.

    At rest Y is 5 + u, which takes about 250 intervals; the horizon is 10.
    """
    turn, shrink = 2.0 * np.pi / 150.0, 0.988
    matrix = shrink * np.array([[np.cos(turn), -np.sin(turn)], [np.sin(turn), np.cos(turn)]])
    rest_of = np.eye(2) - matrix
    tags = (
        cv("Y", zone=(1.0, 9.0), price=price),
        Tag(name="Z", role=Role.PV, range=(0.0, 10.0)),
        mv("A", price_quadratic=square),
    )
    return exact_model(
        PlantSpec(name="swing", interval_s=480.0, tags=tags),
        state_matrix=matrix,
        input_matrix=rest_of @ np.array([[1.0], [0.0]]),
        offset=rest_of @ np.array([5.0, 5.0]),
        states=("Y", "Z"),
        horizon=10,
    )


@pytest.mark.parametrize("price", [-1.0, 1.0])
def test_an_output_that_swings_slowly_keeps_its_price(price: float) -> None:
    """min p (5 + u) + u^2 / 4 has u = -2 p, whichever way Y has just been swinging."""
    model = swinging(price, 0.25)
    for latent in ([5.0, 5.0], [5.0 - 2.0 * price, 5.0]):
        problem = control_problem(
            model, latent=model.scaler.scale(np.array(latent), ("Y", "Z")), last_mv=np.zeros(1)
        )
        assert rest(model, problem).mv == pytest.approx([-2.0 * price], abs=1e-2)


def test_a_slow_swing_is_brought_to_its_economic_optimum_and_held_there_for_days(unchecked) -> None:
    """Two days of 480 s intervals; the plant gains a tenth less than the model, and rests half a unit off.

    max (4.5 + 0.9 u) - u^2 / 4 has u = 1.8; with the model's own gain u = 2, which is worth 1 % less.
    """
    model = swinging(-1.0, 0.25)
    planner, plan = MpcPlanner(model, iterations=3), None
    matrix = model.predictor.linear.weight[:, :2].numpy() + np.eye(2)
    center, width = model.scaler.part(("Y", "Z"))
    state, last, profit = np.array([4.5, 5.0]), np.zeros(1), []
    for _ in range(360):
        problem = control_problem(model, latent=(state - center) / width, last_mv=last)
        plan = planner.plan(problem, warm_start=plan, deadline_s=AMPLE_S)
        assert plan.status.usable
        assert plan.note == ""
        last = plan.mv[0]
        rests = np.array([4.5 + 0.9 * last[0], 5.0])
        state = rests + matrix @ (state - rests)
        profit.append(float(state[0] - last[0] ** 2 / 4.0))
    best = 4.5 + 0.9 * 1.8 - 1.8**2 / 4.0
    assert np.mean(profit[240:]) > 0.95 * best
    assert np.ptp(profit[240:]) < 0.05 * best


def test_an_output_that_integrates_is_led_to_where_it_costs_least() -> None:
    """y' = y + 0.2 a within [2, 8]: a price below 0 is worth the high end, above 0 the low one."""
    for options, place in (
        ({"price": -1.0}, 8.0),
        ({"price": 1.0}, 2.0),
        ({"price": -1.0, "price_quadratic": 0.1}, 5.0),
    ):
        tags = (cv("Y", zone=(1.0, 8.0), limits=(2.0, 9.0), **options), mv("A"))
        model = plant(tags, [[1.0]], pole=1.0, offset=0.0)
        found = rest(model, posed(model, [5.0], [0.0]))
        assert found.place == pytest.approx([place], abs=1e-6)
        assert found.mv == pytest.approx([0.0], abs=1e-4)
    tags = (cv("Y", zone=(1.0, 8.0), price=-1.0), mv("A"))
    model = plant(tags, [[1.0]], pole=1.0, offset=0.0)
    problem, led = run(model, posed(model, [5.0], [0.0]), 60)
    assert led.cv[-1] == pytest.approx([8.0], abs=1e-2)
    assert problem.last_mv == pytest.approx([0.0], abs=1e-2)


def test_a_last_wish_that_is_not_solved_leaves_what_was_solved_before_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The output goes to its setpoint, though where the spare MV rests has no verified answer."""
    model = plant((cv("Y", setpoint=7.0), mv("A"), mv("B", ideal=-1.0)), [[2.0, 1.0]])
    grant = Freedom.grant

    def refused(freedom: Freedom, matrix: np.ndarray, wish: Any, weight: np.ndarray) -> np.ndarray:
        if matrix.shape == (1, 2) and sorted(matrix[0]) == [0.0, 1.0]:
            raise UnsolvedError
        return grant(freedom, matrix, wish, weight)

    monkeypatch.setattr(Freedom, "grant", refused)
    found = rest(model, posed(model, [5.0], [0.0, 0.0]))
    assert 2.0 * found.mv[0] + found.mv[1] == pytest.approx(2.0, abs=1e-4)


def test_the_reason_for_having_no_targets_at_rest_is_the_true_one(monkeypatch: pytest.MonkeyPatch) -> None:
    model = plant((cv("Y", setpoint=7.0, rank=1), mv("A"), mv("B")), [[2.0, 1.0]])
    problem = posed(model, [5.0], [0.0, 0.0])

    def why(posed: ControlProblem, deadline: float = np.inf) -> SteadyState | NoSteadyState:
        return SteadyTargets(transcribe(model), 20).targets(posed, posed.last_mv, deadline=deadline)

    assert why(problem, deadline=-np.inf) is NoSteadyState.LATE
    assert why(replace(problem, latent=np.array([np.nan]))) is NoSteadyState.NOT_FINITE

    def unsolved(*_: Any) -> None:
        raise UnsolvedError

    monkeypatch.setattr(Freedom, "grant", unsolved)
    assert why(problem) is NoSteadyState.UNSOLVED
    plan = MpcPlanner(model).plan(problem, warm_start=None, deadline_s=AMPLE_S)
    assert plan.note == NoSteadyState.UNSOLVED
