"""Sampling: how fast candidates are rolled out, which search is best, and whether it leaves a basin."""

import importlib.util
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from procwm.planning.foresight import Foresight
from procwm.planning.moves import MoveSpace, move_blocks
from procwm.planning.objective import objective
from procwm.planning.planner import MpcPlanner
from procwm.planning.prediction import Evaluator, in_single_precision
from procwm.planning.problem import ControlProblem
from procwm.planning.sampling import SamplingConfig, search
from procwm.planning.sqp import SequentialProgram
from procwm.planning.transcription import transcribe
from procwm.plant.tags import names_of
from procwm.world.model import WorldModel
from procwm_studies import Progress
from procwm_studies.planner.basins import bad_starts, in_the_better_basin, two_basins
from procwm_studies.planner.batch_search import IMPROVED_CROSS_ENTROPY, BatchSearch
from procwm_studies.planner.problems import Case, Cycles
from procwm_studies.planner.search_methods import METHODS
from procwm_studies.planner.threads import one_thread
from procwm_studies.results import command_line, table, write_results

_CASES = (
    Case(mvs=3, cvs=5, horizon=20),
    Case(mvs=3, cvs=5, horizon=20, curved=True),
    Case(mvs=6, cvs=18, horizon=20, curved=True),
)
_WIDE = Case(mvs=3, cvs=5, horizon=20, hidden=(256, 256))
_STARTS = 100
_COLD = 20
"""Problems of each case that every search begins anew."""
_CANDIDATES = 1024
_REPEATS = 7
_PROBLEMS = 16
"""Searched in one batch, with as many candidates in all."""


def run_search(
    out: Path,
    *,
    scenarios: Sequence[str] = (),
    seeds: Sequence[int] = (),
    hours: float | None = None,
    progress: Progress | None = None,
) -> Path:
    """Measure and write `OUT/search.json` and `.md`.

    Args:
        out: folder for the results.
        scenarios: have no meaning here.
        seeds: of networks and of searches; 0 where empty.
        hours: has no meaning here.
        progress: told what is being done.
    """
    tell = progress or (lambda words: None)
    rows: list[dict[str, Any]] = []
    with one_thread():
        for seed in seeds or (0,):
            for case in (_CASES[0], _WIDE):
                tell(f"rollouts of {case.name}")
                rows += throughput(case, seed)
            tell("two basins")
            rows += basins(seed)
            for case in _CASES:
                tell(f"searches of {case.name}")
                rows += searches(case, seed)
    return write_results(out, "search", rows, search_text(rows, command_line("search", seeds=seeds)))


def throughput(case: Case, seed: int) -> list[dict[str, Any]]:
    """Trajectory-steps per second of processor time: the best of several runs."""
    cycles = Cycles(case)
    model, problem = cycles.model, cycles.problem
    space = MoveSpace(move_blocks(case.horizon), problem)
    generator = np.random.default_rng(seed)
    mv = generator.uniform(20.0, 80.0, (_CANDIDATES, case.horizon, case.mvs))
    quick = in_single_precision(model)
    evaluator = Evaluator(quick, problem)
    whole = SamplingConfig(candidates=_CANDIDATES, rounds=1)

    def searched() -> int:
        return search(evaluator, space, space.hold[None], generator, deadline=np.inf, config=whole).tried

    ways: dict[str, Callable[[], int]] = {
        "plain torch loop, double precision, predictions alone": lambda: _plain_loop(model, problem, mv),
        "procwm, predictions and costs": lambda: len(evaluator.predict(mv).cost),
        "procwm, a whole round of its search": searched,
    }
    batch = _several(cycles)
    noise = torch.Generator().manual_seed(seed)
    share = replace(IMPROVED_CROSS_ENTROPY, candidates=_CANDIDATES // _PROBLEMS, rounds=1)
    together = BatchSearch(quick, batch, space.blocks)
    apart = [BatchSearch(quick, [problem], space.blocks) for problem in batch]
    ways |= {
        f"procwm, a round of {_PROBLEMS} problems in one batch": lambda: (
            _PROBLEMS * together.found(share, noise).tried
        ),
        f"procwm, the same {_PROBLEMS} problems one after the other": lambda: sum(
            one.found(share, noise).tried for one in apart
        ),
    }
    if importlib.util.find_spec("latentplant") is not None:
        from procwm_studies.planner.search_latentplant import latentplant_round

        ways["latentplant, a whole round of its search"] = latentplant_round(model, problem, _CANDIDATES)
    rows = []
    peak = {double: _peak(torch.float64 if double else torch.float32) for double in (False, True)}
    for way, count in ways.items():
        rates = []
        for _ in range(_REPEATS + 1):
            began = time.process_time()
            rates.append(case.horizon * count() / (time.process_time() - began))
        own = peak["double" in way or "latentplant" in way]
        rows.append(
            {
                "part": "rollouts",
                "problem": case.name,
                "seed": seed,
                "way": way,
                "rate": max(rates),
                "share": max(rates) * _flops(model) / own,
            }
        )
    return rows


def _several(cycles: Cycles) -> list[ControlProblem]:
    """Problems of one model in as many states."""
    generator, first = np.random.default_rng(0), cycles.problem
    states = first.latent + 0.1 * generator.standard_normal((_PROBLEMS, len(first.latent)))
    return [replace(first, latent=latent) for latent in states]


def _flops(model: WorldModel) -> int:
    """Floating-point operations of one trajectory-step: those of its matrix products."""
    parts = (model.predictor, model.readout, *model.guards)
    return sum(2 * weight.numel() for part in parts for weight in part.parameters() if weight.ndim == 2)


def _peak(kind: torch.dtype) -> float:
    """Floating-point operations per second of processor time of one large matrix product."""
    size, best = 1024, np.inf
    square = torch.ones((size, size), dtype=kind)
    for _ in range(_REPEATS):
        began = time.process_time()
        torch.mm(square, square)
        best = min(best, time.process_time() - began)
    return float(2 * size**3 / best)


def _plain_loop(model: WorldModel, problem: ControlProblem, mv: np.ndarray) -> int:
    with torch.inference_mode():
        latent = torch.as_tensor(problem.latent).expand(len(mv), -1)
        scaled = model.tensor(mv, names_of(model.plant.mvs))
        nothing = scaled.new_zeros((len(mv), 0))
        kept = []
        for row in range(mv.shape[1]):
            latent = model.predictor(latent, scaled[:, row], nothing)
            kept.append((model.readout(latent), model.guard(latent)))
    return len(mv)


def basins(seed: int) -> list[dict[str, Any]]:
    """How many of the bad starts end in the better basin."""
    model = two_basins()
    planners = {
        "gradient alone": MpcPlanner(model, seed=seed, sampling=SamplingConfig(rounds=0)),
        "the planner, gradient and search": MpcPlanner(model, seed=seed),
    }
    generator = np.random.default_rng(seed)
    found = dict.fromkeys((*planners, *METHODS), 0)
    for problem in bad_starts(model, _STARTS, generator):
        for name, planner in planners.items():
            plan = planner.plan(problem, warm_start=None, deadline_s=600.0)
            found[name] += in_the_better_basin(plan.mv)
        space, evaluator = MoveSpace(move_blocks(problem.horizon), problem), Evaluator(model, problem)
        for name, method in METHODS.items():
            knots = method(evaluator, space, np.random.default_rng(generator.integers(2**32))).knots
            found[name] += in_the_better_basin(space.expand(knots))
    return [
        {"part": "basins", "problem": "two basins", "seed": seed, "way": way, "rate": count / _STARTS}
        for way, count in found.items()
    ]


def searches(case: Case, seed: int) -> list[dict[str, Any]]:
    """What each search alone ends above the best plan known of each problem, before and after the program."""
    cycles = Cycles(case)
    planner, transcript = MpcPlanner(cycles.model, seed=seed), transcribe(cycles.model)
    generator = np.random.default_rng(seed)
    excess: dict[str, list[tuple[float, float]]] = {name: [] for name in METHODS}
    for _ in range(_COLD):
        problem = cycles.problem
        space, evaluator = MoveSpace(move_blocks(case.horizon), problem), Evaluator(cycles.model, problem)
        foresight = Foresight(transcript, space, objective(problem))
        plan = planner.plan(problem, warm_start=None, deadline_s=600.0)
        costs = {}
        for name, method in METHODS.items():
            knots = method(evaluator, space, np.random.default_rng(generator.integers(2**32))).knots
            finished = SequentialProgram().solve(foresight, knots, deadline=np.inf).knots
            costs[name] = [foresight.point(one) for one in (knots, finished)]
        safe = [p.cost for points in costs.values() for p in points if p.violation == 0.0]
        best = min([plan.cost, *safe])
        for name, points in costs.items():
            alone, finished_cost = (p.cost / best - 1.0 if p.violation == 0.0 else np.inf for p in points)
            excess[name].append((alone, finished_cost))
        cycles.follow(plan)
    return [
        {
            "part": "searches",
            "problem": case.name,
            "seed": seed,
            "way": name,
            "alone": float(np.median([alone for alone, _ in pairs])),
            "finished": float(np.mean([done < 1e-3 for _, done in pairs])),
        }
        for name, pairs in excess.items()
    ]


def search_text(rows: Sequence[dict[str, Any]], command: str) -> str:
    """The page `search.md`."""
    parts = {
        part: [row for row in rows if row["part"] == part] for part in ("rollouts", "basins", "searches")
    }
    return (
        f"# Sampling\n\n`{command}`\n\n"
        f"Million trajectory-steps per second of processor time on one thread, {_CANDIDATES} candidates; "
        "the best of several runs. The peak is that of a product of 1024 x 1024 matrices in equal precision. "
        "procwm searches in single precision and predicts in double what it "
        "finds.\n\n"
        + table(
            ["network", "way", "million steps / s", "of the peak"],
            [
                [row["problem"], row["way"], f"{1e-6 * row['rate']:.2f}", f"{row['share']:.0%}"]
                for row in parts["rollouts"]
            ],
        )
        + f"\nTwo basins, {_STARTS} starts on the lower bump: share that ends on the higher one.\n\n"
        + table(["way", "share"], [[row["way"], f"{row['rate']:.2f}"] for row in parts["basins"]])
        + f"\nSearches with equally many candidates, {_COLD} cold problems each: median cost above the best "
        "plan known, and share of problems in which the program, started from what was found, ends within "
        "0.1 % of it.\n\n"
        + table(
            ["network", "search", "cost above, alone", "best after the program"],
            [
                [row["problem"], row["way"], f"{row['alone']:+.1%}", f"{row['finished']:.2f}"]
                for row in parts["searches"]
            ],
        )
    )
