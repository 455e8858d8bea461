"""The constrained program of one cycle, solved by IPOPT: the reference for every other way to plan.

Multiple shooting over the latent states, with the MVs' knots as degrees of freedom:

    min   sum w_goal (cv - q)^2 + w_limit (cv - r)^2 + w_move move^2 + w_rest (mv - rest)^2 + rho e
    s.t.  z_{k+1} = predictor(z_k, mv_k, dv_k),   cv = readout z + bias,   guard(z) <= e,
          q in the goal, r in the limits, e >= 0 (e = 0 unless asked to recover), knots within limits.

At the optimum `q` and `r` are the points of the goal and of the limits nearest to `cv`, so the sums are
those of `Objective`, and the program is smooth where the objective has kinks in its curvature.
"""

import time
from collections.abc import Callable
from typing import Any

import casadi as ca
import numpy as np
from jaxtyping import Float

from procwm.planning.linearisation import imagine, outputs, scaled_dv
from procwm.planning.moves import MoveBlocks, MoveSpace
from procwm.planning.objective import Objective
from procwm.planning.prediction import GUARD_TOLERANCE
from procwm.planning.solution import Solution, Stop
from procwm.planning.transcription import Transcript, guard_values, next_latent

_RECOVERY_PENALTY = 1e3
"""Per unit of guardrail and row: far above what any objective gains by breaking one."""
_STOPPED = {
    "Solve_Succeeded": Stop.OPTIMAL,
    "Solved_To_Acceptable_Level": Stop.OPTIMAL,
    "User_Requested_Stop": Stop.DEADLINE,
    "Maximum_Iterations_Exceeded": Stop.ITERATIONS,
}


class Program:
    """The program for one model and one horizon, built once; everything else may change every cycle."""

    def __init__(
        self,
        transcript: Transcript,
        blocks: MoveBlocks,
        *,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        self._transcript, self._blocks = transcript, blocks
        sizes = {
            "knots": (transcript.mv, len(blocks.lengths)),
            "latent": (transcript.latent, blocks.horizon),
            "goal": (len(transcript.readout.bias), blocks.horizon),
            "limit": (len(transcript.readout.bias), blocks.horizon),
            "slack": (len(transcript.guards), blocks.horizon),
        }
        self._variables = {name: ca.MX.sym(name, *size) for name, size in sizes.items()}
        self._parameters = self._declare_parameters()
        problem = {
            "x": ca.vertcat(*(ca.vec(value) for value in self._variables.values())),
            "p": ca.vertcat(*(ca.vec(value) for value in self._parameters.values())),
            **self._expressions(),
        }
        self._watch = _Watch(clock, *(problem[part].numel() for part in "xgp"))
        self._solver = ca.nlpsol("program", "ipopt", problem, _options(self._watch))

    def _declare_parameters(self) -> dict[str, Any]:
        outputs, horizon = self._variables["goal"].shape
        sizes = {
            "start": (self._transcript.latent, 1),
            "last": (self._transcript.mv, 1),
            "mv_span": (self._transcript.mv, 1),
            "dv": (self._transcript.dv, horizon),
            "bias": (outputs, horizon),
            "span": (outputs, 1),
            "goal_weight": (outputs, horizon),
            "limit_weight": (outputs, horizon),
            "move_weight": (self._transcript.mv, 1),
            "rest": (self._transcript.mv, 1),
            "rest_weight": (self._transcript.mv, horizon),
        }
        return {name: ca.MX.sym(name, *size) for name, size in sizes.items()}

    def _expressions(self) -> dict[str, Any]:
        """Objective `f` and constraints `g`; MVs, outputs and weights are relative to spans."""
        transcript, horizon = self._transcript, self._blocks.horizon
        (knots, latent, goal, limit, slack), p = self._variables.values(), self._parameters
        matrix = self._blocks.matrix
        rest = 1.0 - matrix.sum(axis=1, keepdims=True)
        mv = ca.mtimes(p["last"], rest.T) + ca.mtimes(knots, matrix.T)
        moves = mv - ca.horzcat(p["last"], mv[:, :-1])
        scaled = ca.repmat(p["mv_span"], 1, horizon) * mv
        scaled = (scaled - transcript.mv_center) / transcript.mv_width
        before = ca.horzcat(p["start"], latent[:, :-1])
        gap = _every_interval(transcript, horizon)(before, scaled, p["dv"]) - latent
        cv = ca.mtimes(transcript.readout.weight, latent) + ca.repmat(transcript.readout.bias, 1, horizon)
        cv = (cv + p["bias"]) / ca.repmat(p["span"], 1, horizon)
        cost = (
            ca.dot(p["goal_weight"], (cv - goal) ** 2)
            + ca.dot(p["limit_weight"], (cv - limit) ** 2)
            + ca.dot(ca.repmat(p["move_weight"], 1, horizon), moves**2)
            + ca.dot(p["rest_weight"], (mv - ca.repmat(p["rest"], 1, horizon)) ** 2)
            + _RECOVERY_PENALTY * ca.sum(ca.vec(slack))
        )
        rates = knots - ca.horzcat(p["last"], knots[:, :-1])
        parts = [gap, rates]
        if transcript.guards:
            parts.append(guard_values(transcript, latent) - slack)
        return {"f": cost, "g": ca.vertcat(*(ca.vec(part) for part in parts))}

    def solve(
        self,
        space: MoveSpace,
        objective: Objective,
        start: Float[np.ndarray, "knot mv"],
        *,
        deadline: float,
        recover: bool = False,
    ) -> Solution:
        """The best plan near `start`.

        Args:
            space: limits of the MVs, and the problem.
            objective: what to minimise.
            start: knots to begin from, engineering units.
            deadline: of the clock; the last iterate is returned when it is near.
            recover: whether guardrails give way at a cost, for a state from which they cannot be kept.
        """
        problem, transcript = space.problem, self._transcript
        span, mv_span = problem.span, problem.mv_span
        latent = imagine(transcript, problem, space.expand(start)[None])[0]
        cv = outputs(transcript, problem, latent) / span
        bounds = {
            "knots": (space.low / mv_span, space.high / mv_span),
            "latent": (np.full(latent.shape, -np.inf), np.full(latent.shape, np.inf)),
            "goal": _projection(objective.goal_low / span, objective.goal_high / span, cv.shape),
            "limit": _projection(objective.low / span, objective.high / span, cv.shape),
            "slack": (np.zeros(self._slack_shape), np.full(self._slack_shape, np.inf if recover else 0.0)),
        }
        guess = {
            "knots": start / mv_span,
            "latent": latent,
            "goal": cv.clip(*bounds["goal"]),
            "limit": cv.clip(*bounds["limit"]),
            "slack": np.zeros(self._slack_shape),
        }
        parameters = {
            "start": problem.latent,
            "last": problem.last_mv / mv_span,
            "mv_span": mv_span,
            "dv": scaled_dv(transcript, problem),
            "bias": problem.bias,
            "span": span,
            "goal_weight": objective.goal_weight * span**2,
            "limit_weight": objective.limit_weight * span**2,
            "move_weight": objective.move_weight * mv_span**2,
            "rest": objective.rest / mv_span,
            "rest_weight": objective.rest_weight * mv_span**2,
        }
        reach = (space.reach / mv_span).ravel()
        guards = np.prod(self._slack_shape, dtype=int)
        self._watch.begin(deadline)
        answer = self._solver(
            x0=_flat(guess.values()),
            p=_flat(parameters.values()),
            lbx=_flat(low for low, _ in bounds.values()),
            ubx=_flat(high for _, high in bounds.values()),
            lbg=np.concatenate((np.zeros(latent.size), -reach, np.full(guards, -np.inf))),
            ubg=np.concatenate((np.zeros(latent.size), reach, np.full(guards, -GUARD_TOLERANCE))),
        )
        knots = np.asarray(answer["x"]).ravel()[: start.size].reshape(start.shape) * mv_span
        stats = self._solver.stats()
        stopped = _STOPPED.get(stats["return_status"], Stop.FAILED)
        return Solution(space.clip(knots), stopped, int(stats["iter_count"]))

    @property
    def _slack_shape(self) -> tuple[int, int]:
        return self._blocks.horizon, len(self._transcript.guards)


def _every_interval(transcript: Transcript, horizon: int) -> Any:
    """The predictor over all intervals; mapped, so that derivatives are those of one interval."""
    latent, mv, dv = (
        ca.MX.sym(name, size)
        for name, size in zip("zud", (transcript.latent, transcript.mv, transcript.dv), strict=True)
    )
    step = ca.Function("step", [latent, mv, dv], [next_latent(transcript, latent, mv, dv)])
    return step.map(horizon)


def _flat(values: Any) -> Float[np.ndarray, " number"]:
    return np.concatenate([np.ravel(value) for value in values])


def _projection(
    low: Float[np.ndarray, "*rows output"], high: Float[np.ndarray, "*rows output"], shape: tuple[int, ...]
) -> tuple[Float[np.ndarray, "horizon output"], Float[np.ndarray, "horizon output"]]:
    """Bounds of a projection; where there is no interval its weight is 0, and it is fixed out of the way."""
    low, high = np.broadcast_to(low, shape), np.broadcast_to(high, shape)
    none = np.isinf(low) & np.isinf(high)
    return np.where(none, 0.0, low), np.where(none, 0.0, high)


class _Watch(ca.Callback):
    """Stops IPOPT when another iteration like the longest so far would pass the deadline."""

    def __init__(self, clock: Callable[[], float], variables: int, constraints: int, parameters: int) -> None:
        ca.Callback.__init__(self)
        self._clock, self._sizes = clock, (variables, constraints, parameters)
        self.begin(np.inf)
        self.construct("watch", {})

    def begin(self, deadline: float) -> None:
        self._deadline, self._before, self._longest = deadline, self._clock(), 0.0

    def get_n_in(self) -> int:
        return int(ca.nlpsol_n_out())

    def get_n_out(self) -> int:
        return 1

    def get_name_in(self, index: int) -> str:
        return str(ca.nlpsol_out(index))

    def get_name_out(self, index: int) -> str:
        return "stop"

    def get_sparsity_in(self, index: int) -> Any:
        variables, constraints, parameters = self._sizes
        size = {"f": 1, "x": variables, "lam_x": variables, "g": constraints, "lam_g": constraints}
        return ca.Sparsity.dense(size.get(ca.nlpsol_out(index), parameters), 1)

    def eval(self, arguments: Any) -> list[float]:
        now = self._clock()
        self._longest = max(self._longest, now - self._before)
        self._before = now
        return [float(now + self._longest > self._deadline)]


def _options(watch: _Watch) -> dict[str, Any]:
    return {
        "print_time": False,
        "error_on_fail": False,
        "show_eval_warnings": False,
        "iteration_callback": watch,
        "ipopt.print_level": 0,
        "ipopt.sb": "yes",
        "ipopt.tol": 1e-7,
        "ipopt.max_iter": 100,
        "ipopt.mu_init": 1e-3,
        "ipopt.bound_relax_factor": 0.0,
        "ipopt.honor_original_bounds": "yes",
    }
