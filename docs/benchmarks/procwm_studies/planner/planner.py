"""How long a plan takes, beside IPOPT on the same transcription and do-mpc with the same network."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from procwm.data.files import write_text
from procwm.errors import SpecError
from procwm.planning.moves import MoveSpace, move_blocks
from procwm.planning.objective import objective
from procwm.planning.planner import MpcPlanner
from procwm.planning.prediction import Evaluator
from procwm.planning.warm_start import shifted
from procwm.world.model import WorldModel
from procwm_studies import Progress
from procwm_studies.planner.cycles import Answer, Cycle, Solver
from procwm_studies.planner.plot import growth_page
from procwm_studies.planner.problems import Case, Cycles, default_cases
from procwm_studies.planner.solvers import AMPLE_S, SOLVERS, missing, real_time_planner
from procwm_studies.planner.text import planner_text
from procwm_studies.planner.threads import one_thread
from procwm_studies.results import command_line, write_results

_CYCLES = 100
"""Of each case, as far as time allows."""
_BUDGET_S = {"procwm": 3.0, "real_time": 3.0, "ipopt": 4.0, "do_mpc": 4.0}
"""Processor time of each solver in each case; it solves at least `_FEWEST` cycles all the same."""
_FEWEST = 2
_WARMED = 3
"""Cycles before the first that is counted: the first of them start cold."""
_WARM_UP_MS = 100.0
"""For which a solver answers the first cycle before its answers count, so that caches hold what it needs."""


def run_planner(
    out: Path,
    *,
    scenarios: Sequence[str] = (),
    seeds: Sequence[int] = (),
    hours: float | None = None,
    progress: Progress | None = None,
) -> Path:
    """Solve every case with every solver, and write `OUT/planner.json`, `.md` and `.html`.

    Args:
        out: folder for the results.
        scenarios: cases whose names begin like this, such as `3x5`; all where empty.
        seeds: of the networks; 0 where empty.
        hours: has no meaning here.
        progress: told what is being done.

    Raises:
        SpecError: no case is called like one of `scenarios`.
    """
    cases = _chosen(scenarios, seeds or (0,))
    absent = {solver: why for solver in SOLVERS if (why := missing(solver))}
    command = command_line("planner", scenarios, seeds, hours)
    rows: list[dict[str, Any]] = []
    path = out / "planner.json"
    with one_thread():
        for number, case in enumerate(cases, start=1):
            if progress is not None:
                progress(f"{case.name} ({number} of {len(cases)})")
            rows += measure(case, [name for name in SOLVERS if name not in absent])
            # A long run that is interrupted leaves what it has.
            path = write_results(out, "planner", rows, planner_text(rows, absent, command))
            write_text(out / "planner.html", growth_page(rows))
    return path


def _chosen(scenarios: Sequence[str], seeds: Iterable[int]) -> list[Case]:
    cases = list(default_cases())
    for wanted in scenarios:
        if not any(case.name.startswith(wanted) for case in cases):
            raise SpecError(
                f"there is no planning problem {wanted}; there are {', '.join(case.name for case in cases)}"
            )
    kept = [case for case in cases if not scenarios or case.name.startswith(tuple(scenarios))]
    return [replace(case, seed=seed) for seed in seeds for case in kept]


@dataclass(eq=False)
class _Record:
    """What one solver did."""

    ms: list[float] = field(default_factory=list)
    cost: list[float] = field(default_factory=list)
    violation: list[float] = field(default_factory=list)

    def add(self, answer: Answer, cycle: Cycle, evaluator: Evaluator) -> None:
        prediction = evaluator.predict(answer.mv[None])
        self.ms.append(answer.ms)
        self.cost.append(float(prediction.cost[0]))
        self.violation.append(max(_broken(answer.mv, cycle), float(prediction.guard.max(initial=0.0))))


def _broken(mv: np.ndarray, cycle: Cycle) -> float:
    """Largest excess over the MVs' limits and largest moves, relative to spans."""
    problem = cycle.problem
    moves = np.abs(np.diff(mv, axis=0, prepend=problem.last_mv[None])) - problem.max_move
    excess = np.maximum(np.maximum(problem.mv_low - mv, mv - problem.mv_high), moves) / problem.mv_span
    return float(excess.max(initial=0.0))


def measure(case: Case, solvers: Sequence[str]) -> list[dict[str, Any]]:
    """Rows of one case. Cycles are those that follow procwm's plans; each solver answers them by itself."""
    cycles = Cycles(case)
    model, (asked, cost) = cycles.model, followed(cycles, MpcPlanner(cycles.model))
    real_time = followed(Cycles(case), real_time_planner(model))[1] if "real_time" in solvers else cost
    records = {name: _answered(SOLVERS[name](model), asked, model, _BUDGET_S[name]) for name in solvers}
    return [
        _row(case, name, record, records) | {"followed": real_time if name == "real_time" else cost}
        for name, record in records.items()
    ]


def followed(cycles: Cycles, planner: MpcPlanner) -> tuple[list[Cycle], float]:
    """The cycles where a plant follows `planner`, and the mean cost of an interval."""
    blocks = move_blocks(cycles.problem.horizon)
    asked, costs, plan = [], [], None
    for number in range(_WARMED + _CYCLES):
        problem = cycles.problem
        if plan is not None and number >= _WARMED:
            space = MoveSpace(blocks, problem)
            start = shifted(plan, space)
            assert start is not None
            asked.append(Cycle(problem, space, plan, start))
        plan = planner.plan(problem, warm_start=plan, deadline_s=AMPLE_S)
        if number >= _WARMED:
            ahead = replace(problem, dv=problem.dv[:1], bias=problem.bias[:1], target=problem.target[:1])
            costs.append(float(objective(ahead).cost(plan.cv[:1], plan.mv[:1])))
        cycles.follow(plan)
    return asked, float(np.mean(costs))


def _answered(solver: Solver, asked: Sequence[Cycle], model: WorldModel, budget_s: float) -> _Record:
    """What `solver` does with as many cycles as `budget_s` of processor time allows."""
    warmed_ms = 0.0
    while warmed_ms < _WARM_UP_MS:
        warmed_ms += solver(asked[0]).ms
    record = _Record()
    for cycle in asked:
        if len(record.ms) >= _FEWEST and 1e-3 * sum(record.ms) >= budget_s:
            break
        record.add(solver(cycle), cycle, Evaluator(model, cycle.problem))
    return record


def _row(case: Case, name: str, record: _Record, records: Mapping[str, _Record]) -> dict[str, Any]:
    """Costs and violations are of the cycles that all solvers answered."""
    common = min(len(other.cost) for other in records.values())
    reference = records.get("ipopt", record)
    both = min(len(record.cost), len(reference.cost))
    excess = [a / b - 1.0 for a, b in zip(record.cost[:both], reference.cost[:both], strict=True)]
    return {
        "problem": case.name,
        "n_mv": case.mvs,
        "n_cv": case.cvs,
        "horizon": case.horizon,
        "solver": name,
        "ms_median": float(np.median(record.ms)),
        "ms_p99": float(np.quantile(record.ms, 0.99)),
        "cost": float(np.mean(record.cost[:common])),
        "violation": max(record.violation[:common]),
        "excess_mean": sum(record.cost[:both]) / sum(reference.cost[:both]) - 1.0,
        "excess_worst": max(excess, default=math.nan),
        "cycles": len(record.ms),
        "hidden": case.hidden[0],
        "curved": case.curved,
        "seed": case.seed,
    }
