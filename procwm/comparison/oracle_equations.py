"""The true equations over a horizon as CasADi functions: collocation, outputs, steady states."""

from typing import Any

import casadi
import numpy as np
from jaxtyping import Float

from procwm.comparison.linearise import linearise
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
OBJECTIVE_SCALE = 1e3
"""Brings costs, squares of small fractions of a span, near 1 for the solver's tolerances."""
IPOPT: dict[str, Any] = {
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
"""Options of every solve."""


def squares(value: Any, weight: list[float]) -> Any:
    """Sum over all entries of `weight * value^2`, one weight a row."""
    return casadi.dot(casadi.repmat(casadi.DM(weight), 1, value.shape[1]) * value, value)


def settling_intervals(scenario: Scenario) -> int:
    """Intervals of a horizon within which the plant settles."""
    lags = _HORIZON_LAGS * linearise(scenario.equations).slowest_s / scenario.plant.interval_s
    return int(np.clip(np.ceil(lags), _SHORTEST, _LONGEST))


def elements_per_interval(scenario: Scenario) -> int:
    """Collocation elements in an interval, enough for the fastest mode."""
    fastest_s = 1.0 / float(np.max(np.abs(np.linalg.eigvals(linearise(scenario.equations).A))))
    return int(np.ceil(scenario.plant.interval_s / (_ELEMENT_LAGS * fastest_s)))


def state_scale(equations: Equations) -> Float[np.ndarray, " state"]:
    """What states are divided by: their size at the steady state."""
    size = np.abs(np.array(equations.steady_state))
    return np.where(size > 0, size, 1.0)


def _symbols(equations: Equations) -> tuple[Any, Any, Any]:
    return (
        casadi.SX.sym("x", len(equations.states)),
        casadi.SX.sym("mv", len(equations.nominal_mv)),
        casadi.SX.sym("d", len(equations.disturbances)),
    )


def collocation(
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


def outputs_and_guards(equations: Equations, plant: PlantSpec, scale: Float[np.ndarray, " state"]) -> Any:
    """`(state scaled, mv, d) -> outputs over plant.outputs, guards`."""
    x, mv, d = _symbols(equations)
    rows = [equations.output_names.index(tag.name) for tag in plant.outputs]
    outputs = equations.outputs(x * scale, mv, d)[rows]
    return casadi.Function("seen", [x, mv, d], [outputs, equations.guards(x * scale, mv, d)])


def imagine(collocation: Any, horizon: int) -> Any:
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


def rest(equations: Equations, plant: PlantSpec) -> Any:
    """`(state, mv, d, target) -> mv` at the steady state nearest to the target."""
    opti = casadi.Opti()
    x, mv = opti.variable(len(equations.states)), opti.variable(len(plant.mvs))
    d, target = opti.parameter(len(equations.disturbances)), opti.parameter(len(plant.outputs))
    scale = state_scale(equations)
    outputs, _ = outputs_and_guards(equations, plant, scale)(x / scale, mv, d)
    opti.subject_to(equations.rhs(x, mv, d) / scale * plant.interval_s == 0)
    for row, tag in enumerate(plant.mvs):
        opti.subject_to(opti.bounded(tag.bounds[0], mv[row], tag.bounds[1]))
    weight = [tag.weight / tag.span**2 for tag in plant.outputs]
    opti.minimize(OBJECTIVE_SCALE * squares(outputs - target, weight))
    opti.solver("ipopt", IPOPT)
    return opti.to_function("rest", [x, mv, d, target], [mv])
