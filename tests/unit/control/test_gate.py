from dataclasses import replace

import numpy as np
import pytest

from procwm.control.gate import Gate
from procwm.planning.prediction import Prediction
from procwm.planning.problem import ControlProblem, Plan, PlanStatus
from procwm.plant.tags import PlantSpec, Role, Tag

HORIZON = 4

PLANT = PlantSpec(
    name="one level",
    interval_s=1.0,
    tags=(
        Tag(name="L", role=Role.CV, unit="%", range=(0.0, 100.0), setpoint=50.0),
        Tag(name="V", role=Role.MV, unit="%", range=(0.0, 100.0), limits=(10.0, 90.0), max_move=5.0),
    ),
)
GATE = Gate(plant=PLANT, guard_names=("overflow",))


def problem(last_mv: float = 50.0) -> ControlProblem:
    one = np.ones(1)
    return ControlProblem(
        latent=np.zeros(1),
        last_mv=last_mv * one,
        dv=np.zeros((HORIZON, 0)),
        bias=np.zeros((HORIZON, 1)),
        target=np.full((HORIZON, 1), 50.0),
        zone_low=-np.inf * one,
        zone_high=np.inf * one,
        low=-np.inf * one,
        high=np.inf * one,
        weight=one,
        span=100.0 * one,
        mv_low=10.0 * one,
        mv_high=90.0 * one,
        max_move=5.0 * one,
        move_weight=0.1 * one,
        mv_span=100.0 * one,
    )


def plan(*mv: float, status: PlanStatus = PlanStatus.OPTIMAL) -> Plan:
    return Plan(
        status=status,
        mv=np.array(mv)[:, None],
        cv=np.full((len(mv), 1), 50.0),
        guard=np.full((len(mv), 1), -1.0),
        cost=1.0,
        solve_s=0.0,
        rung="test",
    )


def prediction(guard: float = -1.0, cost: float = 1.0) -> Prediction:
    levels = np.full((1, HORIZON, 1), 50.0)
    row = np.array([-1.0, -1.0, guard, -1.0])
    return Prediction(levels, levels, row[None, :, None], np.array([cost]))


def test_a_plan_within_every_limit_passes() -> None:
    assert GATE.refusal(plan(55.0, 60.0, 60.0, 60.0), problem()) is None


@pytest.mark.parametrize("status", [PlanStatus.INFEASIBLE, PlanStatus.DIVERGED, PlanStatus.LATE])
def test_a_plan_that_did_not_come_out_is_refused_in_its_own_words(status: PlanStatus) -> None:
    assert GATE.refusal(plan(50.0, 50.0, 50.0, 50.0, status=status), problem()) == status.value


def test_a_move_beyond_max_move_is_refused() -> None:
    assert (
        GATE.refusal(plan(55.1, 55.1, 55.1, 55.1), problem()) == "V: the plan moves by 5.1 %, allowed are 5"
    )


def test_a_later_move_beyond_max_move_is_refused_too() -> None:
    assert "moves by 6 %" in str(GATE.refusal(plan(55.0, 61.0, 61.0, 61.0), problem()))


@pytest.mark.parametrize(("last", "asked"), [(89.0, 90.5), (11.0, 9.0)])
def test_a_value_beyond_a_limit_is_refused(last: float, asked: float) -> None:
    refusal = GATE.refusal(plan(*[asked] * HORIZON), problem(last))
    assert refusal == f"V: the plan asks for {asked:g} %, outside [10, 90]"


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_value_that_is_not_finite_is_refused_wherever_it_stands(value: float) -> None:
    assert GATE.refusal(plan(50.0, 50.0, 50.0, value), problem()) == "V: the plan is not finite"


def test_a_plan_of_another_length_is_refused() -> None:
    assert "plan of shape (2, 1)" in str(GATE.refusal(plan(50.0, 50.0), problem()))


def test_an_mv_outside_its_limits_must_come_back_as_fast_as_it_may() -> None:
    outside = problem(98.0)
    assert GATE.refusal(plan(93.0, 90.0, 90.0, 90.0), outside) is None
    assert "outside [10, 93]" in str(GATE.refusal(plan(96.0, 91.0, 90.0, 90.0), outside))


def test_rounding_passes_and_does_not_reach_the_plant() -> None:
    over = 90.0 + 5e-5
    assert GATE.refusal(plan(over, over, over, over), problem(89.0)) is None
    assert GATE.setpoints(np.array([over]), problem(89.0), ()) == {"V": 90.0}


def test_rounding_never_moves_an_mv_by_more_than_max_move() -> None:
    assert GATE.setpoints(np.array([55.0 + 5e-5]), problem(), ())["V"] == 55.0


def test_a_prediction_that_is_not_finite_is_refused() -> None:
    assert GATE.prediction_refusal(prediction(cost=np.inf)) == "the model's prediction is not finite"


def test_a_guardrail_broken_anywhere_on_the_horizon_is_refused_by_name() -> None:
    assert GATE.prediction_refusal(prediction(0.2)) == "guardrail overflow is predicted at 0.2 in 3 intervals"
    assert GATE.prediction_refusal(prediction(0.0)) is None


def test_a_gate_without_guardrails_judges_the_prediction_alone() -> None:
    bare = replace(GATE, guard_names=())
    safe = prediction()
    assert bare.prediction_refusal(Prediction(safe.mv, safe.cv, safe.guard[..., :0], safe.cost)) is None


def test_the_gate_refuses_any_other_level_and_writes_the_exact_one() -> None:
    stepped = replace(problem(50.0), max_move=np.array([10.0]), levels=((40.0, 50.0, 60.0),))
    assert GATE.refusal(plan(60.0, 60.0, 60.0, 60.0), stepped) is None
    sentence = "V: the plan asks for 55 %, which is none of 40, 50, 60"
    assert GATE.refusal(plan(60.0, 55.0, 60.0, 60.0), stepped) == sentence
    assert GATE.setpoints(np.array([60.0 + 5e-5]), stepped, ()) == {"V": 60.0}
