"""The same planning problem written for do-mpc: the same network, cost, limits and guardrails.

Every interval's MVs are free, as do-mpc has no move blocks, so its optimum may be a little lower. Largest
moves are constraints on a state that remembers the last MVs. Guardrails are soft at a price far above what
they are worth, since the first row may break them.
"""

import time
import warnings
from typing import Any

import casadi as ca
import numpy as np

from procwm.planning.linearisation import imagine
from procwm.planning.objective import LIMIT_PENALTY, row_weights
from procwm.planning.transcription import Transcript, guard_values, next_latent, transcribe
from procwm.world.model import WorldModel
from procwm_studies.planner.cycles import Answer, Cycle, Solver

_PRICE = 1e3


def do_mpc_solver(model: WorldModel) -> Solver:
    """do-mpc's controller; its whole step is timed. The model must have no DVs."""
    transcript = transcribe(model)
    built: dict[int, Any] = {}

    def solve(cycle: Cycle) -> Answer:
        problem = cycle.problem
        if problem.horizon not in built:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                built[problem.horizon] = _Controller(transcript, cycle)
        return built[problem.horizon].step(cycle)  # type: ignore[no-any-return]

    return solve


class _Controller:
    def __init__(self, transcript: Transcript, cycle: Cycle) -> None:
        import do_mpc

        problem = cycle.problem
        outputs, mvs = problem.target.shape[1], len(problem.last_mv)
        model = do_mpc.model.Model("discrete", "MX")
        latent = model.set_variable("_x", "latent", shape=(transcript.latent, 1))
        last = model.set_variable("_x", "last", shape=(mvs, 1))
        mv = model.set_variable("_u", "mv", shape=(mvs, 1))
        target = model.set_variable("_tvp", "target", shape=(outputs, 1))
        scaled = (mv * problem.mv_span - transcript.mv_center) / transcript.mv_width
        model.set_rhs("latent", next_latent(transcript, latent, scaled, ca.DM.zeros(0, 1)))
        model.set_rhs("last", mv)
        readout = transcript.readout
        cv = (ca.mtimes(ca.DM(readout.weight), latent) + readout.bias) / problem.span
        tracked = np.isfinite(problem.target[0])
        goal = (
            np.where(tracked, problem.weight, 0.0) * (cv - target) ** 2
            + np.where(tracked, 0.0, problem.weight)
            * _outside(cv, problem.zone_low, problem.zone_high, problem)
            + LIMIT_PENALTY * _outside(cv, problem.low, problem.high, problem)
        )
        model.set_expression("stage", ca.sum1(goal))
        model.set_expression("guard", guard_values(transcript, latent))
        model.set_expression("moved", mv - last)
        model.setup()
        stage, guard, moved = (model.aux[name] for name in ("stage", "guard", "moved"))
        mpc = do_mpc.controller.MPC(model)
        mpc.settings.n_horizon, mpc.settings.t_step = problem.horizon, 1.0
        mpc.settings.store_full_solution = False
        mpc.settings.nlpsol_opts = {"ipopt.print_level": 0, "ipopt.sb": "yes", "print_time": False}
        mpc.set_objective(
            mterm=float(row_weights(problem.horizon)[-1]) * stage
            + _PRICE * ca.sum1(ca.fmax(guard, 0.0) ** 2),
            lterm=stage + ca.sum1(problem.move_weight * moved**2),
        )
        mpc.set_rterm(mv=np.zeros(mvs))
        mpc.bounds["lower", "_u", "mv"] = problem.mv_low / problem.mv_span
        mpc.bounds["upper", "_u", "mv"] = problem.mv_high / problem.mv_span
        reach = problem.max_move / problem.mv_span
        mpc.set_nl_cons("up", moved, ub=reach)
        mpc.set_nl_cons("down", -moved, ub=reach)
        mpc.set_nl_cons("guard", guard, ub=0.0, soft_constraint=True, penalty_term_cons=_PRICE)
        self._target = mpc.get_tvp_template()
        mpc.set_tvp_fun(lambda _: self._target)
        mpc.setup()
        self._mpc, self._transcript = mpc, transcript

    def step(self, cycle: Cycle) -> Answer:
        problem, mpc = cycle.problem, self._mpc
        tracked = np.isfinite(problem.target[0])
        self._target["_tvp", :, "target"] = np.where(tracked, problem.target[0] / problem.span, 0.0)
        start = cycle.space.expand(cycle.start)
        latent = imagine(self._transcript, problem, start[None])[0]
        scaled, before = start / problem.mv_span, problem.last_mv / problem.mv_span
        states = np.hstack((np.vstack((problem.latent, latent)), np.vstack((before, scaled))))
        mpc.x0 = states[0]
        mpc.set_initial_guess()
        for row in range(problem.horizon):
            mpc.opt_x_num["_x", row + 1, 0, -1] = states[row + 1] / mpc._x_scaling.cat.full().ravel()
            mpc.opt_x_num["_u", row, 0] = scaled[row]
        began = time.process_time()
        mpc.make_step(states[0][:, None])
        ms = 1e3 * (time.process_time() - began)
        mv = [np.asarray(mpc.opt_x_num["_u", row, 0]).ravel() for row in range(problem.horizon)]
        return Answer(np.stack(mv) * problem.mv_span, ms)


def _outside(cv: Any, low: Any, high: Any, problem: Any) -> Any:
    """Squared distance to an interval, relative to spans; an infinite end is none."""
    low, high = np.maximum(low / problem.span, -1e6), np.minimum(high / problem.span, 1e6)
    return ca.fmax(low - cv, 0.0) ** 2 + ca.fmax(cv - high, 0.0) ** 2
