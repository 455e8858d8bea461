"""The oracle's optimisation: collocation on the true equations over one horizon, solved by IPOPT."""

from dataclasses import dataclass
from typing import Any

import casadi
import numpy as np
from jaxtyping import Float

from procwm.comparison.metrics import LIMIT_PENALTY
from procwm.comparison.oracle_equations import (
    IPOPT,
    OBJECTIVE_SCALE,
    collocation,
    elements_per_interval,
    imagine,
    outputs_and_guards,
    rest,
    settling_intervals,
    squares,
    state_scale,
)
from procwm.plant.scenario import Scenario

_GUARD_PENALTY = 1e3
"""Linear weight of a broken guardrail, relative to its nominal value. Linear, so that a guardrail
holds exactly wherever it can be held, and a solution exists where it cannot."""
_BACK_OFF = 0.03
"""Kept free of every guardrail, relative to its nominal value: disturbances move within an interval."""
_TOLERANCE = 1e-5
"""Largest constraint violation of a solution, in scaled units."""
_IPOPT_WARM: dict[str, Any] = {
    "ipopt.warm_start_init_point": "yes",
    "ipopt.mu_init": 1e-4,
    "ipopt.warm_start_bound_push": 1e-6,
    "ipopt.warm_start_mult_bound_push": 1e-6,
}


@dataclass(frozen=True, kw_only=True, eq=False)
class Situation:
    """What the oracle knows at one instant, engineering units.

    Attributes:
        state: true state of the equations.
        last_mv: MVs in force.
        disturbance: true disturbances, taken to last.
        target: setpoint of every output, NaN where it has none.
    """

    state: Float[np.ndarray, " state"]
    last_mv: Float[np.ndarray, " mv"]
    disturbance: Float[np.ndarray, " disturbance"]
    target: Float[np.ndarray, " output"]


@dataclass(frozen=True, kw_only=True, eq=False)
class Guess:
    """Where a solve starts.

    Attributes:
        mv: MVs over the horizon, engineering units.
        points: scaled states at the collocation points of every interval.
        wanted: targets of every output over the horizon, inside its zone.
        dual: multipliers of the constraints; `None` for a start from nothing.
    """

    mv: Float[np.ndarray, "mv horizon"]
    points: Float[np.ndarray, "point horizon"]
    wanted: Float[np.ndarray, "output horizon"]
    dual: Float[np.ndarray, " constraint"] | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class OracleSolution:
    """A local solution; `objective` is infinite where the solver found none."""

    guess: Guess
    objective: float


class OracleProgram:
    """Minimises `metrics.interval_costs` over a horizon on the true equations. Built once per scenario.

    MVs are constant over an interval, within their limits and largest moves; guardrails are
    constraints at the end of every interval; disturbances stay as they are. States follow by
    collocation at Radau points; derivatives are exact.
    """

    def __init__(
        self,
        scenario: Scenario,
        *,
        guarded: bool = True,
        horizon: int | None = None,
        elements: int | None = None,
    ) -> None:
        """Args:
        guarded: whether to keep the guardrails; without, it is the bar for those who know none.
        horizon: in intervals; where `None`, long enough to settle.
        elements: collocation elements in an interval; where `None`, enough for the fastest mode.
        """
        self.plant = scenario.plant
        self.horizon = horizon or settling_intervals(scenario)
        self._equations, self._guarded = scenario.equations, guarded
        self._scale = state_scale(scenario.equations)
        self._collocation = collocation(
            scenario.equations,
            scenario.plant.interval_s,
            self._scale,
            elements or elements_per_interval(scenario),
        )
        self._imagine = imagine(self._collocation, self.horizon)
        self._look = outputs_and_guards(scenario.equations, scenario.plant, self._scale).map(self.horizon)
        self._cold, self._warm = self._assemble()
        self._rest = rest(self._equations, self.plant)

    def _assemble(self) -> tuple[Any, Any]:
        plant, N = self.plant, self.horizon
        nx, ny = len(self._scale), len(plant.outputs)
        opti = casadi.Opti()
        points = opti.variable(self._collocation.size1_in(1), N)
        mv = opti.variable(len(plant.mvs), N)
        wanted = opti.variable(ny, N)
        excess = opti.variable(ny, N)
        state, last_mv = opti.parameter(nx), opti.parameter(len(plant.mvs))
        d = opti.parameter(len(self._equations.disturbances))
        wanted_low, wanted_high = opti.parameter(ny), opti.parameter(ny)

        ends = points[-nx:, :]
        held = casadi.repmat(d, 1, N)
        begins = casadi.horzcat(state / self._scale, ends[:, :-1])
        opti.subject_to(casadi.vec(self._collocation.map(N)(begins, points, mv, held)) == 0)
        outputs, guards = self._look(ends, mv, held)
        moves = mv - casadi.horzcat(last_mv, mv[:, :-1])
        for row, tag in enumerate(plant.mvs):
            opti.subject_to(opti.bounded(tag.bounds[0], casadi.vec(mv[row, :]), tag.bounds[1]))
            if tag.max_move is not None:
                opti.subject_to(opti.bounded(-tag.max_move, casadi.vec(moves[row, :]), tag.max_move))
        for row, tag in enumerate(plant.outputs):
            opti.subject_to(opti.bounded(wanted_low[row], casadi.vec(wanted[row, :]), wanted_high[row]))
            if tag.limits is not None:
                opti.subject_to(casadi.vec(outputs[row, :] - excess[row, :]) <= tag.limits[1])
                opti.subject_to(casadi.vec(outputs[row, :] + excess[row, :]) >= tag.limits[0])
        opti.subject_to(casadi.vec(excess) >= 0)
        breach = self._breach(opti, guards)
        opti.minimize(
            OBJECTIVE_SCALE
            * (
                squares(outputs - wanted, [tag.weight / tag.span**2 for tag in plant.outputs])
                + squares(moves, [tag.move_weight / tag.span**2 for tag in plant.mvs])
                + squares(excess, [LIMIT_PENALTY / tag.span**2 for tag in plant.outputs])
                + breach
            )
        )
        given = [state, last_mv, d, wanted_low, wanted_high]
        slack = casadi.vertcat(casadi.fmax(opti.lbg - opti.g, 0), casadi.fmax(opti.g - opti.ubg, 0))
        answer = [mv, points, wanted, opti.lam_g, opti.f, casadi.mmax(slack)]
        solvers = []
        for name, options, start in (
            ("cold", IPOPT, [mv, points, wanted]),
            ("warm", IPOPT | _IPOPT_WARM, [mv, points, wanted, opti.lam_g]),
        ):
            opti.solver("ipopt", options)
            solvers.append(opti.to_function(name, [*given, *start], answer))
        return solvers[0], solvers[1]

    def _breach(self, opti: Any, guards: Any) -> Any:
        """What broken guardrails cost; adds the constraints that measure them."""
        if not (self._guarded and guards.numel()):
            return 0.0
        e = self._equations
        nominal = np.abs(np.array(e.guards(e.steady_state, e.nominal_mv, e.nominal_disturbance)).ravel())
        broken = opti.variable(*guards.shape)
        opti.subject_to(casadi.vec(guards / np.maximum(nominal, 1e-6) - broken) <= -_BACK_OFF)
        opti.subject_to(casadi.vec(broken) >= 0)
        return _GUARD_PENALTY / OBJECTIVE_SCALE * casadi.sum1(casadi.vec(broken))

    def solve(self, situation: Situation, guess: Guess) -> OracleSolution:
        """The local solution reached from `guess`."""
        low, high = self._wanted_bounds(situation.target)
        given = [situation.state, situation.last_mv, situation.disturbance, low, high]
        start = [guess.mv, guess.points, np.clip(guess.wanted, low[:, None], high[:, None])]
        cold = guess.dual is None
        answer = self._cold(*given, *start) if cold else self._warm(*given, *start, guess.dual)
        mv, points, wanted, dual, objective, violation = (value.full() for value in answer)
        usable = violation.item() <= _TOLERANCE and bool(np.isfinite(mv).all())
        return OracleSolution(
            guess=Guess(mv=mv, points=points, wanted=wanted, dual=dual.ravel()),
            objective=objective.item() if usable else np.inf,
        )

    def _wanted_bounds(
        self, target: Float[np.ndarray, " output"]
    ) -> tuple[Float[np.ndarray, " output"], Float[np.ndarray, " output"]]:
        """Where every output costs nothing: its setpoint, else its zone, else its whole range."""
        zones = np.array([tag.zone or tag.range for tag in self.plant.outputs])
        free = np.isnan(target)
        return np.where(free, zones[:, 0], target), np.where(free, zones[:, 1], target)

    def imagined(self, situation: Situation, mv: Float[np.ndarray, "mv horizon"]) -> Guess | None:
        """What the true equations do under `mv`; `None` where no finite answer was found."""
        points = self._imagine(situation.state / self._scale, mv, situation.disturbance).full()
        low, high = self._wanted_bounds(situation.target)
        middle = np.repeat(((low + high) / 2.0)[:, None], self.horizon, axis=1)
        return Guess(mv=mv, points=points, wanted=middle) if np.isfinite(points).all() else None

    def outputs(self, guess: Guess, situation: Situation) -> Float[np.ndarray, "horizon output"]:
        """The outputs at the end of every interval of a trajectory, engineering units."""
        ends = guess.points[-len(self._scale) :]
        held = np.repeat(situation.disturbance[:, None], self.horizon, axis=1)
        outputs, _ = self._look(ends, guess.mv, held)
        seen: np.ndarray = outputs.full().T
        return seen

    def resting_mv(self, situation: Situation) -> Float[np.ndarray, " mv"]:
        """The MVs that would hold the outputs nearest to their targets at rest."""
        low, high = self._wanted_bounds(situation.target)
        answer = self._rest(situation.state, situation.last_mv, situation.disturbance, (low + high) / 2.0)
        return np.array(answer).ravel()
