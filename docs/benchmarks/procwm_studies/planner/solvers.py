"""The solvers that a planning benchmark puts side by side, each given the same cycle and the same start."""

import importlib.util
import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np

from procwm.planning.nlp import Program
from procwm.planning.objective import objective
from procwm.planning.planner import MpcPlanner
from procwm.planning.transcription import transcribe
from procwm.world.model import WorldModel
from procwm_studies.planner.cycles import Answer, Cycle, Solver
from procwm_studies.planner.do_mpc import do_mpc_solver

AMPLE_S = 600.0
REAL_TIME = 3
"""Iterations of a real-time plan."""


def real_time_planner(model: WorldModel) -> MpcPlanner:
    """One that leaves to the next cycle what a few iterations do not finish."""
    return MpcPlanner(model, iterations=REAL_TIME)


def procwm_solver(model: WorldModel) -> Solver:
    """The whole planner: start, programs, checks and all."""
    return _planned_by(MpcPlanner(model))


def _planned_by(planner: MpcPlanner) -> Solver:

    def solve(cycle: Cycle) -> Answer:
        began = time.process_time()
        plan = planner.plan(cycle.problem, warm_start=cycle.last, deadline_s=AMPLE_S)
        return Answer(plan.mv, 1e3 * (time.process_time() - began))

    return solve


def ipopt_solver(model: WorldModel) -> Solver:
    """IPOPT with exact derivatives on the same transcription; the call of the solver alone."""
    programs: dict[int, Program] = {}

    def solve(cycle: Cycle) -> Answer:
        blocks = cycle.space.blocks
        if blocks.horizon not in programs:
            programs[blocks.horizon] = Program(transcribe(model), blocks)
        wanted = objective(cycle.problem)
        began = time.process_time()
        solution = programs[blocks.horizon].solve(cycle.space, wanted, cycle.start, deadline=np.inf)
        ms = 1e3 * (time.process_time() - began)
        return Answer(cycle.space.expand(solution.knots), ms)

    return solve


SOLVERS: Mapping[str, Callable[[WorldModel], Solver]] = MappingProxyType(
    {
        "procwm": procwm_solver,
        "real_time": lambda model: _planned_by(real_time_planner(model)),
        "ipopt": ipopt_solver,
        "do_mpc": do_mpc_solver,
    }
)
"""In the order of the tables."""


def missing(solver: str) -> str | None:
    """Why `solver` cannot run here, or `None` where it can."""
    if solver == "do_mpc" and importlib.util.find_spec("do_mpc") is None:
        return "do-mpc is not installed; `pip install procwm[bench]` adds it"
    return None
