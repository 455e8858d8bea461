"""Whether a log moved each MV enough to learn its effect, and apart from the others."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import combinations

import numpy as np
from jaxtyping import Float64

from procwm.data.window import Grid
from procwm.plant.tags import PlantSpec

ENOUGH_MOVES = 10
"""Fewer moves than this leave an MV's gain at the mercy of a few disturbances."""

ENOUGH_COVERED = 0.005
"""Moves within less than this share of the instrument's span drown in disturbances."""

_STILL = 1e-3
"""A change below this share of the instrument's span is no move."""

_TOGETHER = 0.98
"""MVs whose moves correlate more than this are taken to have moved only together."""


class ExcitationVerdict(StrEnum):
    """Whether an MV's effect can be learned."""

    ENOUGH = "enough"
    LITTLE = "little"
    NONE = "none"


@dataclass(frozen=True, kw_only=True)
class Excitation:
    """What a log shows of one MV.

    Attributes:
        tag: the MV.
        moves: how often it left the level it stood at.
        moving: share of intervals in which it moved.
        covered: width of the values between the 1st and 99th percentile, as a share of the instrument's span.
        together: MVs that it moved only together with.
        verdict: whether its effect can be learned.
        sentence: the same for an operator.
    """

    tag: str
    moves: int
    moving: float
    covered: float
    together: tuple[str, ...]
    verdict: ExcitationVerdict
    sentence: str


def excitation(grid: Grid, plant: PlantSpec) -> tuple[Excitation, ...]:
    """What `grid` shows of every MV of `plant`, in file order."""
    columns = {tag.name: grid.column(tag.name) for tag in plant.mvs}
    together = _together(columns, {tag.name: tag.span for tag in plant.mvs})
    return tuple(_of(tag.name, columns[tag.name], tag.span, together[tag.name]) for tag in plant.mvs)


def _of(name: str, column: Float64[np.ndarray, " row"], span: float, together: Sequence[str]) -> Excitation:
    known = column[np.isfinite(column)]
    low, high = np.quantile(known, (0.01, 0.99)) if len(known) else (0.0, 0.0)
    covered = float(high - low) / span
    smallest = _smallest_move(known, span)
    moves = _moves(known, smallest)
    verdict, sentence = _judged(name, moves, covered, together)
    return Excitation(
        tag=name,
        moves=moves,
        moving=float(np.mean(np.abs(np.diff(known)) > smallest)) if len(known) > 1 else 0.0,
        covered=covered,
        together=tuple(together),
        verdict=verdict,
        sentence=sentence,
    )


def _judged(name: str, moves: int, covered: float, together: Sequence[str]) -> tuple[ExcitationVerdict, str]:
    times = "once" if moves == 1 else f"{moves} times"
    if moves == 0:
        return ExcitationVerdict.NONE, f"{name} never moves in this log: its effect cannot be identified"
    if together:
        others = " and ".join(together)
        return (
            ExcitationVerdict.LITTLE,
            f"{name} moves only together with {others}: their effects cannot be told apart",
        )
    if moves < ENOUGH_MOVES:
        needed = f"at least {ENOUGH_MOVES} moves are needed to trust its effect"
        return ExcitationVerdict.LITTLE, f"{name} moves only {times} in this log: {needed}"
    if covered < ENOUGH_COVERED:
        return ExcitationVerdict.LITTLE, f"{name} moves {times}, but over only {covered:.2%} of its range"
    return ExcitationVerdict.ENOUGH, f"{name} moves {times} over {covered:.0%} of its range"


def _smallest_move(known: Float64[np.ndarray, " row"], span: float) -> float:
    # A share of what is covered, so that the jitter of a valve's position is not counted.
    return max(_STILL * span, 0.02 * float(np.ptp(known))) if len(known) else _STILL * span


def _moves(known: Float64[np.ndarray, " row"], smallest: float) -> int:
    """Count departures by more than `smallest` from the level last departed to: ramps count, jitter not."""
    candidates = known[np.append(True, np.diff(known) != 0)[: len(known)]]
    moves, level = -1, np.inf
    for value in candidates.tolist():
        if abs(value - level) > smallest:
            moves, level = moves + 1, value
    return max(moves, 0)


def _together(
    columns: dict[str, Float64[np.ndarray, " row"]], spans: dict[str, float]
) -> dict[str, list[str]]:
    """For every MV the others whose moves correlate with its own almost perfectly."""
    found: dict[str, list[str]] = {name: [] for name in columns}
    for one, other in combinations(columns, 2):
        steps = np.diff(np.stack((columns[one] / spans[one], columns[other] / spans[other])))
        steps = steps[:, np.isfinite(steps).all(axis=0) & (np.abs(steps) > _STILL).any(axis=0)]
        power = (steps**2).sum(axis=1)
        if power.all() and abs(float((steps[0] * steps[1]).sum())) > _TOGETHER * float(np.sqrt(power.prod())):
            found[one].append(other)
            found[other].append(one)
    return found
