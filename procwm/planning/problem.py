"""One cycle's planning problem and its answer, both values in engineering units."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float


@dataclass(frozen=True, kw_only=True, eq=False)
class ControlProblem:
    """Everything a planner needs to know in one cycle.

    Row `k` of a horizon axis is the end of interval `k + 1`: row 0 is a prediction, not the present.
    The axis `cv` runs over `PlantSpec.outputs`: CVs, then PVs with limits (target NaN, weight 0).

    Attributes:
        latent: the model's state now.
        last_mv: what the plant accepted last.
        dv: measured disturbances over the horizon.
        bias: disturbance estimate, added to the predicted outputs.
        target: setpoints; NaN where an output has none.
        zone_low, zone_high: no cost inside; -inf and +inf where an output has no zone. A target, where
            there is one, takes the zone's place.
        low, high: softened operating limits; -inf and +inf where there are none.
        weight, span: of each output.
        mv_low, mv_high, max_move: hard limits; `max_move` is +inf where there is none.
        move_weight, mv_span: of each MV.
    """

    latent: Float[np.ndarray, " latent"]
    last_mv: Float[np.ndarray, " mv"]
    dv: Float[np.ndarray, "horizon dv"]
    bias: Float[np.ndarray, "horizon cv"]
    target: Float[np.ndarray, "horizon cv"]
    zone_low: Float[np.ndarray, " cv"]
    zone_high: Float[np.ndarray, " cv"]
    low: Float[np.ndarray, " cv"]
    high: Float[np.ndarray, " cv"]
    weight: Float[np.ndarray, " cv"]
    span: Float[np.ndarray, " cv"]
    mv_low: Float[np.ndarray, " mv"]
    mv_high: Float[np.ndarray, " mv"]
    max_move: Float[np.ndarray, " mv"]
    move_weight: Float[np.ndarray, " mv"]
    mv_span: Float[np.ndarray, " mv"]

    @property
    def horizon(self) -> int:
        """Count of intervals ahead."""
        return int(self.dv.shape[0])


class PlanStatus(StrEnum):
    """How a plan came out. Only `OPTIMAL` and `FEASIBLE` may reach the plant."""

    OPTIMAL = "optimal"
    FEASIBLE = "feasible, not proven optimal"
    INFEASIBLE = "no plan keeps within the guardrails"
    DIVERGED = "the model's prediction is not finite"
    LATE = "no plan before the deadline"

    @property
    def usable(self) -> bool:
        """Whether the plan may reach the plant."""
        return self in (PlanStatus.OPTIMAL, PlanStatus.FEASIBLE)


@dataclass(frozen=True, eq=False)
class Multipliers:
    """What one unit more of a limit would save: above 0 at upper limits, below 0 at lower ones, else 0.

    A knot is the end of a block of moves.

    Attributes:
        range: of MV limits, cost per `mv_span`.
        move: of the largest change over each block, cost per `mv_span`.
        guard: of guardrails, cost per unit.
    """

    range: Float[np.ndarray, "knot mv"]
    move: Float[np.ndarray, "knot mv"]
    guard: Float[np.ndarray, "horizon guard"]


@dataclass(frozen=True, eq=False)
class Optimality:
    """How far a plan is from the Karush-Kuhn-Tucker conditions, as checked at the plan itself.

    Attributes:
        residual: largest component of the Lagrangian's gradient, cost per `mv_span` of a knot.
        gap: what the cost could still fall by, to second order: `r' H^-1 r / 2 + sum |multiplier| room`.
        multipliers: of the limits that are active.
    """

    residual: float
    gap: float
    multipliers: Multipliers


@dataclass(frozen=True, kw_only=True, eq=False)
class Plan:
    """An MV trajectory with what it is predicted to do.

    Attributes:
        status: how it came out.
        mv: moves to positions; within hard limits whenever the status is usable.
        cv: predicted outputs, disturbance estimate included.
        guard: predicted guardrails, calibrated margin included; safe where `<= 0`.
        cost: objective over the horizon, in the units of `docs` cost; `inf` where not usable.
        solve_s: wall time spent.
        rung: which part of the planner produced it, e.g. `program`, `sampling`, `previous`.
        note: one sentence for an operator where there is something to say.
        stopped: what ended the optimisation, in words; empty where there was none.
        optimality: at this plan, where an optimisation produced it.
        active: hard limits that the plan rests on, in words.
    """

    status: PlanStatus
    mv: Float[np.ndarray, "horizon mv"]
    cv: Float[np.ndarray, "horizon cv"]
    guard: Float[np.ndarray, "horizon guard"]
    cost: float
    solve_s: float
    rung: str
    note: str = field(default="")
    stopped: str = field(default="")
    optimality: Optimality | None = field(default=None)
    active: tuple[str, ...] = field(default=())

    @property
    def worst_guard(self) -> float:
        """Largest guardrail value over the horizon; -inf where there is no guardrail."""
        return float(self.guard.max()) if self.guard.size else float("-inf")


@runtime_checkable
class Planner(Protocol):
    """A function from a problem to a plan; the model was given when it was built."""

    @property
    def guard_names(self) -> Sequence[str]:
        """Guardrails that plans are held to."""
        ...

    def plan(self, problem: ControlProblem, *, warm_start: Plan | None, deadline_s: float) -> Plan:
        """The best usable plan found within `deadline_s`; never raises for a hard problem."""
        ...
