"""`procwm bench habits`: how much the operators of simulated plants move, by their habits."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from procwm.errors import SpecError
from procwm.plant.registry import scenario, scenarios
from procwm.plant.scenario import Operation, OperatorHabits, TruthRow
from procwm.plant.tags import Tag
from procwm_studies import Progress
from procwm_studies.results import Row, command_line, table, write_results

SEEDS = (1000,)
HOURS = 48.0
_A_MOVE = 0.002
"""Of an MV's limits: smaller changes, as a loop makes them all the time, are not counted."""


def run_habits(
    out: Path,
    *,
    scenarios: Sequence[str] = (),
    seeds: Sequence[int] = (),
    hours: float | None = None,
    progress: Progress | None = None,
) -> Path:
    """Count moves in logs of every plant and habits, and write `out/habits.json` and `out/habits.md`.

    Args:
        out: a folder.
        scenarios: by name; all installed ones where empty.
        seeds: `SEEDS` where empty.
        hours: of routine log; `HOURS` where `None`.
        progress: told what is being done.
    """
    say = progress or (lambda _: None)
    command = command_line("habits", scenarios, seeds, hours)
    rows: list[Row] = []
    for name in _names(scenarios):
        for habits in OperatorHabits:
            for seed in seeds or SEEDS:
                say(f"{name}, {habits}, seed {seed}")
                rows += _counted(name, habits, seed, hours or HOURS)
                write_results(out, "habits", rows, report(rows, command))
    return out / "habits.json"


def _names(chosen: Sequence[str]) -> list[str]:
    return list(chosen) or list(scenarios())


def _counted(name: str, habits: OperatorHabits, seed: int, hours: float) -> list[Row]:
    """A row for each MV; none where the plant has no such operators."""
    try:
        staffed = scenario(name, habits=habits)
    except SpecError:
        return []
    plant = staffed.simulate(seed=seed, operation=Operation.ROUTINE)
    for _ in range(round(hours * 3600.0 / plant.spec.interval_s)):
        plant.advance()
    path = np.array([row.mv for row in plant.history])
    shared = {"plant": name, "habits": str(habits), "seed": seed, "hours": hours}
    shared["guardrails_broken"] = _broken(plant.history)
    return [
        {**shared, **_moves(tag, values, hours)} for tag, values in zip(plant.spec.mvs, path.T, strict=True)
    ]


def _moves(tag: Tag, values: np.ndarray, hours: float) -> Row:
    low, high = tag.bounds
    moves = np.abs(np.diff(values)) / (high - low)
    moves = moves[moves > _A_MOVE]
    return {
        "mv": tag.name,
        "moves_per_day": len(moves) * 24.0 / hours,
        "median_move": float(np.median(moves)) if len(moves) else 0.0,
        "span": float(np.ptp(values)) / (high - low),
    }


def _broken(history: Sequence[TruthRow]) -> float:
    """Share of the time beyond any guardrail."""
    worst = [max(row.guards.values(), default=-1.0) for row in history]
    return float(np.mean(np.array(worst) > 0.0))


def report(rows: Sequence[Row], command: str) -> str:
    """The rows as Markdown."""
    lines = [
        [
            row["plant"],
            row["habits"],
            row["mv"],
            f"{row['moves_per_day']:.0f}",
            f"{100.0 * row['median_move']:.1f} %",
            f"{100.0 * row['span']:.0f} %",
            f"{100.0 * row['guardrails_broken']:.1f} %",
        ]
        for row in rows
    ]
    header = ["plant", "habits", "MV", "moves a day", "median move", "span used", "beyond a guardrail"]
    return f"# Habits\n\n`{command}`\n\n{table(header, lines)}"
