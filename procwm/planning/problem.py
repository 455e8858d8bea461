"""One cycle's planning problem and its answer, both values in engineering units."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from procwm.plant.tags import PlantSpec

ROUNDING = 1e-6
"""Of an MV's span: what a solver's tolerance may leave."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Priorities:
    """Where the plant is to rest: what gives way first, and what to do with freedom that is left.

    Attributes:
        rank: of each output's limits and goal, 1 the most important; +inf where none is given.
        price, price_quadratic: of each output's value and of its square, cost per interval.
        mv_price, mv_price_quadratic: likewise of each MV.
        ideal: where each MV is to rest; NaN where there is no such value.
    """

    rank: Float[np.ndarray, " output"]
    price: Float[np.ndarray, " output"]
    price_quadratic: Float[np.ndarray, " output"]
    mv_price: Float[np.ndarray, " mv"]
    mv_price_quadratic: Float[np.ndarray, " mv"]
    ideal: Float[np.ndarray, " mv"]

    @property
    def place_mvs(self) -> bool:
        """Whether there is a price or a resting value, for which MVs have a place to rest at."""
        prices = (self.price, self.price_quadratic, self.mv_price, self.mv_price_quadratic)
        return any(price.any() for price in prices) or bool(np.isfinite(self.ideal).any())


def priorities(plant: PlantSpec) -> Priorities | None:
    """Those of the plant file; `None` where it has no rank, no price and no resting value."""
    outputs, mvs = plant.outputs, plant.mvs
    found = Priorities(
        rank=np.array([np.inf if tag.rank is None else tag.rank for tag in outputs], dtype=float),
        price=np.array([tag.price for tag in outputs]),
        price_quadratic=np.array([tag.price_quadratic for tag in outputs]),
        mv_price=np.array([tag.price for tag in mvs]),
        mv_price_quadratic=np.array([tag.price_quadratic for tag in mvs]),
        ideal=np.array([np.nan if tag.ideal is None else tag.ideal for tag in mvs]),
    )
    return found if found.place_mvs or np.isfinite(found.rank).any() else None


@dataclass(frozen=True, kw_only=True, eq=False)
class ControlProblem:
    """Everything a planner needs to know in one cycle.

    Row `k` of a horizon axis is the end of interval `k + 1`: row 0 is a prediction, not the present.
    The axis `output` runs over `PlantSpec.outputs`: CVs, then PVs with limits (target NaN, weight 0).

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
        priorities: for the steady-state target layer; `None` where nothing asks for it.
        rest: where MVs are drawn to, weakly; NaN where nowhere, `None` where none is drawn anywhere.
        levels: of each MV that knows a few values only, ascending; empty for one that may take any, and for
            all of them where there are none.
        back_off: by which `low` and `high` are drawn in at every row; `None` is nothing.
    """

    latent: Float[np.ndarray, " latent"]
    last_mv: Float[np.ndarray, " mv"]
    dv: Float[np.ndarray, "horizon dv"]
    bias: Float[np.ndarray, "horizon output"]
    target: Float[np.ndarray, "horizon output"]
    zone_low: Float[np.ndarray, " output"]
    zone_high: Float[np.ndarray, " output"]
    low: Float[np.ndarray, " output"]
    high: Float[np.ndarray, " output"]
    weight: Float[np.ndarray, " output"]
    span: Float[np.ndarray, " output"]
    mv_low: Float[np.ndarray, " mv"]
    mv_high: Float[np.ndarray, " mv"]
    max_move: Float[np.ndarray, " mv"]
    move_weight: Float[np.ndarray, " mv"]
    mv_span: Float[np.ndarray, " mv"]
    priorities: Priorities | None = None
    rest: Float[np.ndarray, " mv"] | None = None
    levels: tuple[tuple[float, ...], ...] = ()
    back_off: Float[np.ndarray, "horizon output"] | None = None

    @property
    def horizon(self) -> int:
        """Count of intervals ahead."""
        return int(self.dv.shape[0])

    @property
    def discrete(self) -> tuple[int, ...]:
        """Numbers of the MVs that have levels."""
        return tuple(mv for mv, levels in enumerate(self.levels) if levels)

    @property
    def mv_bounds(self) -> tuple[Float[np.ndarray, " mv"], Float[np.ndarray, " mv"]]:
        """Lowest and highest value of each MV, widened to what a move inwards can reach."""
        low = np.minimum(self.mv_low, self.last_mv + self.max_move)
        high = np.maximum(self.mv_high, self.last_mv - self.max_move)
        return low, high

    def places(self, mv: int) -> Float[np.ndarray, " place"]:
        """Where MV number `mv`, which has levels, may be: those within limits.

        Where none of them is within its largest move, it may also stay where it is.
        """
        levels = np.array(self.levels[mv])
        low, high = (bound[mv] for bound in self.mv_bounds)
        rounding = ROUNDING * self.mv_span[mv]
        levels = levels[(levels >= low - rounding) & (levels <= high + rounding)]
        near = np.abs(levels - self.last_mv[mv]) <= self.max_move[mv] + rounding
        return levels if near.any() else np.sort(np.append(levels, self.last_mv[mv]))

    def on_levels(self, mv: Float[np.ndarray, "*rows mv"]) -> Float[np.ndarray, "*rows mv"]:
        """`mv` with those that have levels at the nearest place that they may be at."""
        moved = mv.copy()
        for index in self.discrete:
            places = self.places(index)
            moved[..., index] = places[np.abs(mv[..., index, None] - places).argmin(axis=-1)]
        return moved


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
        cost: objective over the horizon; `inf` where not usable.
        solve_s: wall time spent.
        rung: which part of the planner produced it, such as `sqp`, `sampling`, `previous`.
        note: one sentence for an operator where there is something to say.
        stopped: what ended the optimisation, in words; empty where there was none.
        optimality: at this plan, where an optimisation produced it.
        active: hard limits that the plan rests on, in words.
    """

    status: PlanStatus
    mv: Float[np.ndarray, "horizon mv"]
    cv: Float[np.ndarray, "horizon output"]
    guard: Float[np.ndarray, "horizon guard"]
    cost: float
    solve_s: float
    rung: str
    note: str = ""
    stopped: str = ""
    optimality: Optimality | None = None
    active: tuple[str, ...] = ()

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


@runtime_checkable
class VersionedPlanner(Planner, Protocol):
    """A planner that can be had for another version of its model."""

    def through(self, model: Any, /) -> Planner:
        """The same planner through `model`."""
        ...
