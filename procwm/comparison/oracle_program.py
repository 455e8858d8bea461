"""The oracle's optimisation: collocation on the true equations over one horizon, solved by IPOPT."""

from dataclasses import dataclass
from typing import Any

import casadi
import numpy as np
from jaxtyping import Float

from procwm.comparison.linearise import linearise
from procwm.comparison.metrics import LIMIT_PENALTY
from procwm.plant.scenario import Equations, Scenario
from procwm.plant.tags import PlantSpec

_POINTS = 3
"""Radau points per element: L-stable, of order 5."""
_ELEMENT_LAGS = 6.0
"""An element spans at most this many of the plant's fastest time constants."""
_HORIZON_LAGS = 4.0
"""The horizon covers this many of the plant's slowest time constants."""
_SHORTEST, _LONGEST = 20, 60
"""Intervals a horizon has at least and at most."""
_OBJECTIVE_SCALE = 1e3
"""Brings costs, squares of small fractions of a span, near 1 for the solver's tolerances."""
_GUARD_PENALTY = 1e3
"""Linear weight of a broken guardrail, relative to its nominal value. Linear, so that a guardrail
holds exactly wherever it can be held, and a solution exists where it cannot."""
_BACK_OFF = 0.03
"""Kept free of every guardrail, relative to its nominal value: disturbances move within an interval."""
_TOLERANCE = 1e-5
"""Largest constraint violation of a solution, in scaled units."""
_IPOPT: dict[str, Any] = {
    "print_time": False,
    "error_on_fail": False,
    "show_eval_warnings": False,
    "detect_simple_bounds": True,
    "expand": False,
    "ipopt.print_level": 0,
    "ipopt.sb": "yes",
    "ipopt.max_iter": 200,
    "ipopt.tol": 1e-6,
}
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
    """Minimises `metrics.cost` over a horizon on the true equations. Built once per scenario.

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
        self.horizon = horizon or _settling_intervals(scenario)
        self._equations, self._guarded = scenario.equations, guarded
        self._scale = _scale(scenario.equations)
        self._collocation = _collocation(
            scenario.equations, scenario.plant.interval_s, self._scale, elements or _elements(scenario)
        )
        self._imagine = _imagine(self._collocation, self.horizon)
        self._look = _seen(scenario.equations, scenario.plant, self._scale).map(self.horizon)
        self._cold, self._warm = self._assemble()
        self._rest = _rest(self._equations, self.plant)

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
            _OBJECTIVE_SCALE
            * (
                _squares(outputs - wanted, [tag.weight / tag.span**2 for tag in plant.outputs])
                + _squares(moves, [tag.move_weight / tag.span**2 for tag in plant.mvs])
                + _squares(excess, [LIMIT_PENALTY / tag.span**2 for tag in plant.outputs])
                + breach
            )
        )
        given = [state, last_mv, d, wanted_low, wanted_high]
        slack = casadi.vertcat(casadi.fmax(opti.lbg - opti.g, 0), casadi.fmax(opti.g - opti.ubg, 0))
        answer = [mv, points, wanted, opti.lam_g, opti.f, casadi.mmax(slack)]
        solvers = []
        for name, options, start in (
            ("cold", _IPOPT, [mv, points, wanted]),
            ("warm", _IPOPT | _IPOPT_WARM, [mv, points, wanted, opti.lam_g]),
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
        return _GUARD_PENALTY / _OBJECTIVE_SCALE * casadi.sum1(casadi.vec(broken))

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


def _squares(value: Any, weight: list[float]) -> Any:
    """Sum over all entries of `weight * value^2`, one weight a row."""
    return casadi.dot(casadi.repmat(casadi.DM(weight), 1, value.shape[1]) * value, value)


def _settling_intervals(scenario: Scenario) -> int:
    lags = _HORIZON_LAGS * linearise(scenario.equations).slowest_s / scenario.plant.interval_s
    return int(np.clip(np.ceil(lags), _SHORTEST, _LONGEST))


def _elements(scenario: Scenario) -> int:
    fastest_s = 1.0 / float(np.max(np.abs(np.linalg.eigvals(linearise(scenario.equations).A))))
    return int(np.ceil(scenario.plant.interval_s / (_ELEMENT_LAGS * fastest_s)))


def _scale(equations: Equations) -> Float[np.ndarray, " state"]:
    size = np.abs(np.array(equations.steady_state))
    return np.where(size > 0, size, 1.0)


def _symbols(equations: Equations) -> tuple[Any, Any, Any]:
    return (
        casadi.SX.sym("x", len(equations.states)),
        casadi.SX.sym("mv", len(equations.nominal_mv)),
        casadi.SX.sym("d", len(equations.disturbances)),
    )


def _collocation(
    equations: Equations, interval_s: float, scale: Float[np.ndarray, " state"], elements: int
) -> Any:
    """`(begin, points, mv, d) -> defects` of one interval; states scaled, the last point is its end."""
    begin, mv, d = _symbols(equations)
    points = casadi.SX.sym("points", len(scale) * _POINTS * elements)
    derivative, _, _ = casadi.collocation_coeff(casadi.collocation_points(_POINTS, "radau"))
    at = casadi.reshape(points, len(scale), _POINTS * elements)
    defects, before = [], begin
    for element in casadi.horzsplit(at, _POINTS):
        slopes = casadi.mtimes(casadi.horzcat(before, element), derivative)
        rates = [equations.rhs(element[:, j] * scale, mv, d) / scale for j in range(_POINTS)]
        defects.append(slopes - interval_s / elements * casadi.horzcat(*rates))
        before = element[:, -1]
    return casadi.Function("collocation", [begin, points, mv, d], [casadi.vec(casadi.horzcat(*defects))])


def _seen(equations: Equations, plant: PlantSpec, scale: Float[np.ndarray, " state"]) -> Any:
    """`(state scaled, mv, d) -> outputs over plant.outputs, guards`."""
    x, mv, d = _symbols(equations)
    rows = [equations.output_names.index(tag.name) for tag in plant.outputs]
    outputs = equations.outputs(x * scale, mv, d)[rows]
    return casadi.Function("seen", [x, mv, d], [outputs, equations.guards(x * scale, mv, d)])


def _imagine(collocation: Any, horizon: int) -> Any:
    """`(state scaled, mv over the horizon, d) -> points over the horizon`, by Newton's method."""
    nx, np_, nu, nd = (collocation.size1_in(i) for i in range(4))
    points, begin = casadi.SX.sym("points", np_), casadi.SX.sym("begin", nx)
    mv, d = casadi.SX.sym("mv", nu), casadi.SX.sym("d", nd)
    residual = casadi.Function(
        "residual", [points, casadi.vertcat(begin, mv, d)], [collocation(begin, points, mv, d)]
    )
    newton = casadi.rootfinder(
        "newton",
        "newton",
        residual,
        {"error_on_fail": False, "max_iter": 50, "show_eval_warnings": False, "regularity_check": False},
    )
    x, u, w = casadi.MX.sym("x", nx), casadi.MX.sym("u", nu), casadi.MX.sym("w", nd)
    reached = newton(casadi.repmat(x, np_ // nx, 1), casadi.vertcat(x, u, w))
    once = casadi.Function("once", [x, u, w], [reached[-nx:], reached])
    start, moves = casadi.MX.sym("start", nx), casadi.MX.sym("moves", nu, horizon)
    _, trajectory = once.mapaccum("trajectory", horizon)(start, moves, casadi.repmat(w, 1, horizon))
    return casadi.Function("imagine", [start, moves, w], [trajectory])


def _rest(equations: Equations, plant: PlantSpec) -> Any:
    """`(state, mv, d, target) -> mv` at the steady state nearest to the target."""
    opti = casadi.Opti()
    x, mv = opti.variable(len(equations.states)), opti.variable(len(plant.mvs))
    d, target = opti.parameter(len(equations.disturbances)), opti.parameter(len(plant.outputs))
    scale = _scale(equations)
    outputs, _ = _seen(equations, plant, scale)(x / scale, mv, d)
    opti.subject_to(equations.rhs(x, mv, d) / scale * plant.interval_s == 0)
    for row, tag in enumerate(plant.mvs):
        opti.subject_to(opti.bounded(tag.bounds[0], mv[row], tag.bounds[1]))
    weight = [tag.weight / tag.span**2 for tag in plant.outputs]
    opti.minimize(_OBJECTIVE_SCALE * _squares(outputs - target, weight))
    opti.solver("ipopt", _IPOPT)
    return opti.to_function("rest", [x, mv, d, target], [mv])
