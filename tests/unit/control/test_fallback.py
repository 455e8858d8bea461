from collections.abc import Callable

import numpy as np
import pytest
from test_gate import GATE, plan, problem

from procwm.control.fallback import RUNGS, Rung, fallback
from procwm.planning.prediction import Prediction
from procwm.planning.problem import Plan, PlanStatus

GuardOf = Callable[[np.ndarray], np.ndarray]


def predictor(guard: GuardOf) -> Callable[[np.ndarray], Prediction]:
    """Levels follow the valve; `guard` maps trajectories to guardrail values."""

    def predict(mv: np.ndarray) -> Prediction:
        values = guard(mv)
        cost = np.where(np.isfinite(values).all(axis=(1, 2)), 1.0, np.inf)
        return Prediction(mv, mv, values, cost)

    return predict


def above(level: float) -> GuardOf:
    """Unsafe where the valve is above `level`."""
    return lambda mv: (mv - level) / 10.0


def find(
    guard: GuardOf, *, last_good: Plan | None = None, age: int = 1, offered: Plan | None = None
) -> Rung | None:
    return fallback(problem(), predictor(guard), GATE, last_good=last_good, age=age, offered=offered)


def name(rung: Rung | None) -> str:
    return "shed" if rung is None else rung.name


def test_the_rest_of_the_last_good_plan_comes_first() -> None:
    rung = find(above(80.0), last_good=plan(50.0, 54.0, 58.0, 60.0))
    assert rung is not None
    assert rung.name == "tail"
    assert rung.plan.mv[:, 0].tolist() == [54.0, 58.0, 60.0, 60.0]


def test_a_tail_that_is_no_longer_predicted_safe_is_not_followed() -> None:
    assert name(find(above(57.0), last_good=plan(50.0, 54.0, 58.0, 60.0))) == "hold"


def test_an_old_tail_is_not_followed() -> None:
    assert name(find(above(80.0), last_good=plan(50.0, 50.0, 50.0, 54.0), age=3)) == "hold"


def test_a_tail_that_starts_too_far_from_what_is_in_force_is_not_followed() -> None:
    assert name(find(above(80.0), last_good=plan(40.0, 40.0, 40.0, 40.0))) == "hold"


def test_holding_is_checked_like_any_plan() -> None:
    assert name(find(above(51.0))) == "hold"
    assert name(find(above(49.0))) == "shed"


def test_nothing_is_followed_where_the_prediction_is_not_finite() -> None:
    assert name(find(lambda mv: np.full_like(mv, np.nan), last_good=plan(50.0, 50.0, 50.0, 50.0))) == "shed"


def recovery(*mv: float, status: PlanStatus = PlanStatus.INFEASIBLE) -> Plan:
    return plan(*mv, status=status)


def test_a_plan_that_breaks_a_broken_guardrail_less_than_holding_is_followed() -> None:
    rung = find(above(40.0), offered=recovery(45.0, 42.0, 40.0, 38.0))
    assert rung is not None
    assert rung.name == "recovery"
    assert rung.plan.status is PlanStatus.INFEASIBLE


def test_a_plan_no_better_than_holding_is_not_followed() -> None:
    assert name(find(above(40.0), offered=recovery(50.0, 50.0, 50.0, 50.0))) == "shed"


def test_a_plan_that_gets_worse_before_it_gets_better_is_not_followed() -> None:
    assert name(find(above(40.0), offered=recovery(51.0, 46.0, 41.0, 40.0))) == "shed"


def test_a_recovery_must_keep_every_hard_limit() -> None:
    assert name(find(above(40.0), offered=recovery(40.0, 38.0, 38.0, 38.0))) == "shed"


@pytest.mark.parametrize("status", [PlanStatus.DIVERGED, PlanStatus.LATE, PlanStatus.OPTIMAL])
def test_only_a_plan_that_says_it_is_infeasible_is_a_recovery(status: PlanStatus) -> None:
    assert name(find(above(40.0), offered=recovery(45.0, 42.0, 40.0, 38.0, status=status))) == "shed"


def test_every_rung_has_words_for_an_operator() -> None:
    assert set(RUNGS) == {"tail", "hold", "recovery"}
