"""Planners that do as they are told: doubles for tests of what surrounds a planner."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from hand_clock import HandClock

from procwm.planning.problem import ControlProblem, Plan, PlanStatus


class StubPlanner:
    """Answers every problem with `answer(problem)`, after `took_s` of `clock`; remembers the problems."""

    def __init__(self, answer: Callable[[ControlProblem], Any]) -> None:
        self.answer, self.took_s, self.clock = answer, 0.0, HandClock()
        self.problems: list[ControlProblem] = []
        self.warm_starts: list[Plan | None] = []

    @property
    def guard_names(self) -> Sequence[str]:
        return ()

    def plan(self, problem: ControlProblem, *, warm_start: Plan | None, deadline_s: float) -> Any:
        self.problems.append(problem)
        self.warm_starts.append(warm_start)
        self.clock.now_s += self.took_s
        return self.answer(problem)


def plan_of(mv: np.ndarray, status: PlanStatus = PlanStatus.OPTIMAL) -> Plan:
    """A plan that claims to keep every guardrail."""
    return Plan(
        status=status,
        mv=mv,
        cv=np.full((len(mv), 2), 50.0),
        guard=np.full((len(mv), 1), -1.0),
        cost=1.0,
        solve_s=0.0,
        rung="stub",
    )


def moving(*step: float, status: PlanStatus = PlanStatus.OPTIMAL) -> Callable[[ControlProblem], Plan]:
    """Answers that move every MV by `step` in every interval, limits or not."""

    def answer(problem: ControlProblem) -> Plan:
        rows = np.arange(1, problem.horizon + 1)[:, None]
        return plan_of(problem.last_mv + rows * np.array(step), status)

    return answer


def stepping(*step: float, status: PlanStatus = PlanStatus.OPTIMAL) -> Callable[[ControlProblem], Plan]:
    """Answers that move every MV by `step` once, and rest there."""

    def answer(problem: ControlProblem) -> Plan:
        return plan_of(np.repeat((problem.last_mv + np.array(step))[None], problem.horizon, axis=0), status)

    return answer
