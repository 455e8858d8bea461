"""The quadratic program of a linear MPC, condensed to the MVs over the horizon."""

from collections.abc import Collection, Sequence
from typing import Any

import casadi
import numpy as np
from jaxtyping import Float

from procwm.comparison.linear_model import LinearModel
from procwm.comparison.metrics import LIMIT_PENALTY
from procwm.plant.tags import Interval

GUARD_PENALTY = 1e4
"""The same for a guardrail: a hundred times as heavy as a limit, which it must never be traded for."""
_OBJECTIVE_SCALE = 1e3
_CURVATURE = 1e-6
"""Added to every diagonal element, so that the program has one solution."""
_TOLERANCE = 1e-6
"""By how much a solution may break a constraint, scaled; a solver's word is not enough."""


class LinearProgram:
    """Minimises `metrics.interval_costs` over the horizon as the linear model predicts it.

    The variables are the scaled MVs of every interval, then one slack for every row of a zone or of
    an output's limits. Matrices are built once; only what depends on the state changes.
    """

    def __init__(self, model: LinearModel, horizon: int, *, guards: Collection[str] = ()) -> None:
        """The program of `model`.

        Args:
            model: predicts.
            horizon: in intervals.
            guards: outputs whose limits are guardrails.
        """
        self._outputs, self._mvs, self._horizon = model.plant.outputs, model.plant.mvs, horizon
        nu = len(self._mvs)
        self._mv_center, self._mv_scale = model.input_center[:nu], model.input_scale[:nu]
        self._center, self._scale = model.output_center, model.output_scale
        self._free, self._forced, self._known = _condensed(model, horizon, nu)
        spans = np.array([tag.span for tag in self._outputs]) / self._scale
        self._weight = np.array([tag.weight for tag in self._outputs]) / spans**2
        self._soft = [
            (row, weight / spans[row] ** 2, fixed)
            for row, tag in enumerate(self._outputs)
            for weight, given, fixed in (
                (tag.weight, tag.zone, None),
                (GUARD_PENALTY if tag.name in guards else LIMIT_PENALTY, tag.limits, tag.limits),
            )
            if given is not None
        ]
        mv_spans = np.array([tag.span for tag in self._mvs]) / self._mv_scale
        move_weight = np.tile(np.array([tag.move_weight for tag in self._mvs]) / mv_spans**2, horizon)
        self._moves = np.eye(horizon * nu) - np.eye(horizon * nu, k=-nu)
        self._move_curvature = self._moves.T @ (move_weight[:, None] * self._moves)
        self._move_pull = (self._moves.T * move_weight)[:, :nu]
        self._constraints = self._constraint_matrix()
        self._solver = _solver(self._constraints)

    def _constraint_matrix(self) -> Float[np.ndarray, "constraint variable"]:
        """Rows: moves, then every softened group's upper and lower sides."""
        N, groups = self._horizon, len(self._soft)
        rows = [np.hstack([self._moves, np.zeros((len(self._moves), groups * N))])]
        for group, (row, _, _) in enumerate(self._soft):
            slack = np.zeros((N, groups * N))
            slack[:, group * N : (group + 1) * N] = np.eye(N)
            rows += [np.hstack([self._forced[row], -slack]), np.hstack([self._forced[row], slack])]
        return np.vstack(rows)

    def solve(
        self,
        ahead: Float[np.ndarray, " state"],
        dv: Float[np.ndarray, " dv"],
        last_mv: Float[np.ndarray, " mv"],
        wanted: Sequence[Interval],
    ) -> Float[np.ndarray, " mv"]:
        """The first MVs of the best sequence, engineering units; `last_mv` where the solver has none.

        Args:
            ahead: state at the end of the first interval but for that interval's MVs and DVs.
            dv: scaled, held over the horizon.
            last_mv: in force, engineering units.
            wanted: what each output is to be inside of at no cost; a setpoint is an interval of width 0.
        """
        N, nu = self._horizon, len(self._mvs)
        free = self._free @ ahead + self._known @ dv
        last = (last_mv - self._mv_center) / self._mv_scale
        slacks = np.repeat([weight for _, weight, _ in self._soft], N)
        curvature = np.zeros((N * nu + len(slacks),) * 2)
        gradient = np.zeros(len(curvature))
        curvature[: N * nu, : N * nu] = self._move_curvature
        gradient[: N * nu] = -self._move_pull @ last
        np.fill_diagonal(curvature[N * nu :, N * nu :], slacks)
        for row, (low, high) in enumerate(wanted):
            if low == high:
                target = (low - self._center[row]) / self._scale[row]
                forced = self._weight[row] * self._forced[row].T
                curvature[: N * nu, : N * nu] += forced @ self._forced[row]
                gradient[: N * nu] += forced @ (free[row] - target)
        np.fill_diagonal(curvature, curvature.diagonal() + _CURVATURE / _OBJECTIVE_SCALE)
        lower, upper = self._bounds(free, last, wanted)
        mv_low, mv_high = np.array([tag.bounds for tag in self._mvs]).T
        answer = self._solver(
            h=_OBJECTIVE_SCALE * curvature,
            g=_OBJECTIVE_SCALE * gradient,
            a=self._constraints,
            lba=lower,
            uba=upper,
            lbx=np.append(np.tile((mv_low - self._mv_center) / self._mv_scale, N), 0.0 * slacks),
            ubx=np.append(np.tile((mv_high - self._mv_center) / self._mv_scale, N), slacks + np.inf),
        )
        found = answer["x"].full().ravel()
        reached = self._constraints @ found
        if not (np.all(reached >= lower - _TOLERANCE) and np.all(reached <= upper + _TOLERANCE)):
            return last_mv
        reach = np.array([tag.max_move or np.inf for tag in self._mvs])
        mv = found[:nu] * self._mv_scale + self._mv_center
        first: np.ndarray = np.clip(np.clip(mv, last_mv - reach, last_mv + reach), mv_low, mv_high)
        return first

    def _bounds(
        self,
        free: Float[np.ndarray, "output horizon"],
        last: Float[np.ndarray, " mv"],
        wanted: Sequence[Interval],
    ) -> tuple[Float[np.ndarray, " constraint"], Float[np.ndarray, " constraint"]]:
        """Of every row of the constraint matrix."""
        reach = np.tile([tag.max_move or np.inf for tag in self._mvs] / self._mv_scale, self._horizon)
        start = np.zeros(len(reach))
        start[: len(last)] = last
        lower, upper = [start - reach], [start + reach]
        endless = np.full(self._horizon, np.inf)
        for row, _, fixed in self._soft:
            edges = (np.array(fixed or _inside(wanted[row])) - self._center[row]) / self._scale[row]
            lower += [-endless, edges[0] - free[row]]
            upper += [edges[1] - free[row], endless]
        return np.concatenate(lower), np.concatenate(upper)


def _inside(wanted: Interval) -> Interval:
    """The zone in force: none where there is a setpoint, which has its own term."""
    return (-np.inf, np.inf) if wanted[0] == wanted[1] else wanted


def _condensed(
    model: LinearModel, horizon: int, nu: int
) -> tuple[
    Float[np.ndarray, "output horizon state"],
    Float[np.ndarray, "output horizon variable"],
    Float[np.ndarray, "output horizon dv"],
]:
    """Outputs over the horizon from the state, from the MVs of every interval, and from held DVs."""
    states, outputs = len(model.A), len(model.C)
    powers = [model.C]
    for _ in range(horizon - 1):
        powers.append(powers[-1] @ model.A)
    response = np.array([power @ model.B[:, :nu] for power in powers])
    forced = np.zeros((outputs, horizon, horizon * nu))
    for k in range(horizon):
        for j in range(k + 1):
            forced[:, k, j * nu : (j + 1) * nu] = response[k - j]
    free = np.array(powers).reshape(horizon, outputs, states).transpose(1, 0, 2)
    known = np.cumsum([power @ model.B[:, nu:] for power in powers], axis=0).transpose(1, 0, 2)
    return free, forced, known


def _solver(constraints: Float[np.ndarray, "constraint variable"]) -> Any:
    variables = constraints.shape[1]
    shape = {
        "h": casadi.Sparsity.dense(variables, variables),
        "a": casadi.DM(constraints).sparsity(),
    }
    return casadi.conic("linear_mpc", "daqp", shape, {"error_on_fail": False})
