"""`procwm bench wrongmodels`: models that are wrong in fifteen ways, judged, and forced into AUTO."""

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby, pairwise
from pathlib import Path

import numpy as np
from jaxtyping import Float

from procwm.control.controller import Controller
from procwm.control.modes import Mode
from procwm.errors import SpecError
from procwm.learning.evaluation.evaluate import evaluate
from procwm.world.fitness import VERDICT, Fitness, Verdict
from procwm_studies import Progress
from procwm_studies.control.delayed_plants import (
    MIDDLE,
    WIDTH,
    Driven,
    Load,
    chance,
    driven,
    looped,
    operated,
)
from procwm_studies.control.wrong_kinds import (
    ABOUT_RIGHT,
    HELD,
    LEARNED_FROM_A_LOOP,
    LOAD,
    ROWS,
    WRONG,
    drawn,
)
from procwm_studies.results import Row, command_line, table, write_results

SEEDS = range(14)
HORIZONS = 32
"""Of the model, that a loop goes on for, unless the plant is given back."""
_TURNED, _LARGE, _IN_A_ROW = 0.1, 0.2, 3
"""Of an MV's range: a way back that is a turn, and a swing that counts; so many in a row are a cycle."""
_STEP = (5.0, 12.0)
"""Of the setpoint, at the beginning."""
_EVERY, _PROGRAMME = 2, (-20.0, 20.0)
"""Horizons between two setpoints of a programme, and how far they are from the middle."""
_DEADLINE_S = 60.0
_SEED_OF_LOG = 100
LOADS = ("none, and a setpoint programme", "by chance", "a sine", "by chance and a sine")


@dataclass(frozen=True, kw_only=True)
class Loop:
    """What came of one model in AUTO.

    Attributes:
        kind, seed: of the draw.
        verdict: that its log gave it.
        reason: of the verdict.
        auto: whether it may be in AUTO by the defaults.
        horizon: of the model, intervals.
        swings: most large swings of one MV in a row.
        until: horizons until the last MV has made the last of its large swings in a row; 0 where none did.
        calmed, held, given_back: horizons until the controller made moves dearer, held an MV in the middle,
            and gave the plant back; NaN where it did not.
        broken: share of the intervals in AUTO in which a CV was beyond a limit.
    """

    kind: str
    seed: int
    verdict: str
    reason: str
    auto: bool
    horizon: int
    swings: int
    until: float
    calmed: float
    held: float
    given_back: float
    broken: float


def run_wrong_models(
    out: Path,
    *,
    scenarios: Sequence[str] = (),
    seeds: Sequence[int] = (),
    hours: float | None = None,
    progress: Progress | None = None,
) -> Path:
    """Judge and drive the models, and write `out/wrongmodels.json` and `out/wrongmodels.md`.

    Args:
        out: a folder.
        scenarios: none; the plants are drawn.
        seeds: of the plants, models, noise and loads; `SEEDS` where empty.
        hours: none.
        progress: told what is being done.

    Raises:
        SpecError: `scenarios` or `hours` are given.
    """
    if scenarios or hours is not None:
        raise SpecError("bench wrongmodels draws its plants; it takes --seed alone")
    command, say = command_line("wrongmodels", seeds=seeds), progress or (lambda _: None)
    rows: list[Row] = []
    for loop in loops(list(seeds) or list(SEEDS)):
        say(f"{loop.kind}, seed {loop.seed}")
        rows.append({name: None if value != value else value for name, value in asdict(loop).items()})
        write_results(out, "wrongmodels", rows, report(rows, command))
    return out / "wrongmodels.json"


def loops(seeds: Sequence[int]) -> Iterator[Loop]:
    """Wrong models of every kind without a load, then models that are about right under loads."""
    for kind in WRONG:
        for seed in seeds:
            yield wrong(kind, seed)
    for load in LOADS:
        for seed in seeds:
            yield about(load, seed)


def wrong(kind: str, seed: int) -> Loop:
    """A wrong model with a setpoint beside where the plant is, and no load: what swings is the loop."""
    found, _, rng = drawn(kind, seed)
    controller, verdict = forced(kind, seed)
    step = float(rng.choice([-1.0, 1.0]) * rng.uniform(*_STEP))
    run = driven(
        found.true,
        controller,
        HORIZONS * found.horizon,
        seed=seed,
        setpoints={0: {"AI0": MIDDLE + step}},
    )
    return _told(kind, seed, controller, run, verdict)


def about(load: str, seed: int) -> Loop:
    """A model that is about right, under a load or a programme that makes its MVs move."""
    found, _, rng = drawn(ABOUT_RIGHT, seed)
    horizon, (controller, verdict) = found.horizon, forced(ABOUT_RIGHT, seed)
    programme = {0: {"AI0": MIDDLE + 5.0}}
    if load == LOADS[0]:
        programme = {
            2 * n * horizon: {"AI0": MIDDLE + float(rng.uniform(-20.0, 20.0))} for n in range(HORIZONS)
        }
    run = driven(
        found.true,
        controller,
        HORIZONS * horizon,
        seed=seed,
        setpoints=programme,
        load=_load(load, rng, horizon),
        noise=float(rng.uniform(0.05, 0.5)),
    )
    return _told(f"{ABOUT_RIGHT}; load {load}", seed, controller, run, verdict)


def forced(kind: str, seed: int) -> tuple[Controller, Verdict]:
    """A controller in AUTO whatever the verdict, and the verdict of another log of the true plant."""
    found, plant, _ = drawn(kind, seed)
    model, other = found.model(plant, seed), _SEED_OF_LOG + seed
    if kind == LEARNED_FROM_A_LOOP:
        log = looped(found.true, other, rows=ROWS, load=LOAD)
    else:
        log = operated(found.true, other, rows=ROWS, held=HELD, load=LOAD)
    verdict = evaluate(model, log).verdict
    judged = model.with_metrics(**{VERDICT: verdict.as_dict()})
    return Controller(plant, judged, deadline_s=_DEADLINE_S, despite_verdict=True), verdict


def _load(name: str, rng: np.random.Generator, horizon: int) -> Load:
    slow = chance(rng, float(rng.uniform(3.0, 12.0)) if "chance" in name else 0.0)
    size = float(rng.uniform(3.0, 20.0)) if "sine" in name else 0.0
    period = float(horizon * 10.0 ** rng.uniform(-0.5, 0.8))
    return lambda interval: slow(interval) + size * math.sin(2.0 * math.pi * interval / period)


def _told(kind: str, seed: int, controller: Controller, run: Driven, verdict: Verdict) -> Loop:
    horizon = controller.model.horizon
    runs = [each for column in run.moves.T for each in cycles(column)]
    low, high = controller.plant.cvs[0].limits or (0.0, WIDTH)
    auto = np.array([decision.mode is Mode.AUTO for decision in run.decisions])
    beyond = np.logical_or(run.outputs < low, run.outputs > high).any(axis=1)

    def first(text: str) -> float:
        return _first([any(text in note for note in decision.notes) for decision in run.decisions], horizon)

    return Loop(
        kind=kind,
        seed=seed,
        verdict=str(verdict.fitness),
        reason=verdict.reason,
        auto=not controller.clearance.unfit,
        horizon=horizon,
        swings=max((count for _, count in runs), default=0),
        until=max((end for end, _ in runs), default=0) / horizon,
        calmed=first("it swings"),
        held=first("it swings on"),
        given_back=_first([decision.mode is Mode.SHED for decision in run.decisions], horizon),
        broken=float(np.mean(beyond, where=auto)) if auto.any() else 0.0,
    )


def _first(facts: Sequence[bool], horizon: int) -> float:
    return facts.index(True) / horizon if any(facts) else math.nan


def cycles(mv: Float[np.ndarray, " row"]) -> list[tuple[int, int]]:
    """Rows of large swings that are a cycle: when each ended, and how many there were in a row."""
    found, turns = [], _turns(mv)
    large = [abs(b - a) >= _LARGE * WIDTH for (_, a), (_, b) in pairwise(turns)]
    ends = [end for end, _ in turns[1:]]
    for is_large, group in groupby(zip(large, ends, strict=True), key=lambda each: each[0]):
        members = list(group)
        if is_large and len(members) >= _IN_A_ROW:
            found.append((members[-1][1], len(members)))
    return found


def _turns(mv: Float[np.ndarray, " row"]) -> list[tuple[int, float]]:
    """When, and where, it turned by more than `_TURNED`."""
    found: list[tuple[int, float]] = []
    at, furthest, way = 0, float(mv[0]), 0.0
    for row, value in enumerate(mv.tolist()):
        back = (value - furthest) * way < 0.0 or way == 0.0
        if back and abs(value - furthest) > _TURNED * WIDTH:
            found += [(at, furthest)] if way else []
            way = math.copysign(1.0, value - furthest)
            at, furthest = row, value
        elif way and (value - furthest) * way > 0.0:
            at, furthest = row, value
    return found


def report(rows: Sequence[Row], command: str) -> str:
    """The table by kind, and what its words mean."""
    by_kind: dict[str, list[Row]] = {}
    for row in rows:
        by_kind.setdefault(str(row["kind"]), []).append(row)
    header = ["model", "loops", "fit for control", "advice", "not fit", "cycled", "most swings in a row"]
    header += ["cycled until", "calmed", "held", "given back", "limits broken"]
    body = [_line(kind, found) for kind, found in by_kind.items()]
    return (
        f"# Wrong models\n\n    {command}\n\n{table(header, body)}\n"
        f"A loop goes on for {HORIZONS} horizons, unless the plant is given back. A swing is large where an "
        f"MV goes to and fro by a fifth of its range; {_IN_A_ROW} in a row are a cycle. `cycled until`: "
        "longest time, in horizons, until the last of them. `calmed`, `held`, `given back`: how many loops, "
        "and after how many horizons at the latest. `limits broken`: mean share of the intervals in AUTO.\n"
    )


def _line(kind: str, rows: Sequence[Row]) -> list[str]:
    verdicts = Counter(str(row["verdict"]) for row in rows)
    return [
        kind,
        str(len(rows)),
        *(str(verdicts[fitness]) for fitness in Fitness),
        str(sum(row["swings"] > 0 for row in rows)),
        str(max(row["swings"] for row in rows)),
        f"{max(row['until'] for row in rows):.1f}",
        *(_latest(rows, name) for name in ("calmed", "held", "given_back")),
        f"{np.mean([row['broken'] for row in rows]):.3f}",
    ]


def _latest(rows: Sequence[Mapping[str, object]], name: str) -> str:
    known = [float(str(row[name])) for row in rows if row[name] is not None]
    return f"{len(known)}, {max(known):.1f}" if known else "0"
