"""A symbolic plant model, advanced by one control interval or solved for its steady states."""

from collections.abc import Sequence
from dataclasses import dataclass

import casadi as ca
import numpy as np
from jaxtyping import Float

from procwm.errors import SimulationError
from procwm.plant.scenario import Equations


@dataclass(frozen=True, kw_only=True, eq=False)
class PlantState:
    """The plant at one instant: its state and what follows from it, engineering units."""

    state: Float[np.ndarray, " state"]
    outputs: Float[np.ndarray, " output"]
    guards: Float[np.ndarray, " guard"]


class Integrator:
    """Integrates the plant over a control interval with CVODES (variable-order BDF).

    Stiff and adaptive, so that it follows an ignition through its peak; MVs and disturbances are
    constant over the interval.
    """

    def __init__(self, equations: Equations, interval_s: float) -> None:
        x = ca.MX.sym("x", len(equations.states))
        mv = ca.MX.sym("mv", len(equations.nominal_mv))
        d = ca.MX.sym("d", len(equations.disturbances))
        flow = ca.integrator(
            "flow",
            "cvodes",
            {"x": x, "p": ca.vertcat(mv, d), "ode": equations.rhs(x, mv, d)},
            0.0,
            interval_s,
            {"abstol": 1e-8, "reltol": 1e-7, "max_num_steps": 20_000, "disable_internal_warnings": True},
        )
        end = flow(x0=x, p=ca.vertcat(mv, d))["xf"]
        self._advance = ca.Function("advance", [x, mv, d], [end, *_seen(equations, end, mv, d)])
        self._look = ca.Function("look", [x, mv, d], [x, *_seen(equations, x, mv, d)])

    def look(
        self,
        state: Float[np.ndarray, " state"],
        mv: Float[np.ndarray, " mv"],
        disturbance: Float[np.ndarray, " disturbance"],
    ) -> PlantState:
        """The plant at `state`."""
        return _plant_state(self._look(state, mv, disturbance))

    def advance(
        self,
        state: Float[np.ndarray, " state"],
        mv: Float[np.ndarray, " mv"],
        disturbance: Float[np.ndarray, " disturbance"],
    ) -> PlantState:
        """The plant one control interval after `state`; `SimulationError` where it has no finite answer."""
        try:
            reached = _plant_state(self._advance(state, mv, disturbance))
        except RuntimeError as error:
            raise SimulationError(_diverged(mv, disturbance, "the integrator gave up")) from error
        for values in (reached.state, reached.outputs, reached.guards):
            if not np.isfinite(values).all():
                raise SimulationError(_diverged(mv, disturbance, "its state is no longer finite"))
        return reached


def _seen(equations: Equations, x: ca.MX, mv: ca.MX, d: ca.MX) -> tuple[ca.MX, ca.MX]:
    return equations.outputs(x, mv, d), equations.guards(x, mv, d)


def _plant_state(columns: Sequence[ca.DM]) -> PlantState:
    state, outputs, guards = (column.full().ravel() for column in columns)
    return PlantState(state=state, outputs=outputs, guards=guards)


def _diverged(mv: np.ndarray, disturbance: np.ndarray, why: str) -> str:
    return f"the simulated plant diverged: {why} (MVs {mv.tolist()}, disturbances {disturbance.tolist()})"


class SteadyStates:
    """Where the plant comes to rest for given MVs, followed from the nominal point."""

    _STAGES = 8

    def __init__(self, equations: Equations) -> None:
        self._equations = equations
        x = ca.SX.sym("x", len(equations.states))
        p = ca.SX.sym("p", len(equations.nominal_mv))
        d = ca.DM(equations.nominal_disturbance)
        rest = ca.Function("rest", [x, p], [equations.rhs(x, p, d)])
        self._solve = ca.rootfinder(
            "solve", "newton", rest, {"abstol": 1e-10, "max_iter": 50, "error_on_fail": True}
        )
        self._nominal = np.asarray(equations.nominal_mv)

    def at(self, mv: Float[np.ndarray, " mv"]) -> PlantState | None:
        """The steady state reached continuously from the nominal one; `None` where there is none."""
        state = ca.DM(self._equations.steady_state)
        for stage in range(1, self._STAGES + 1):
            try:
                state = self._solve(state, self._nominal + (mv - self._nominal) * stage / self._STAGES)
            except RuntimeError:
                return None
        d = ca.DM(self._equations.nominal_disturbance)
        columns = (state, self._equations.outputs(state, mv, d), self._equations.guards(state, mv, d))
        return _plant_state(columns)
