"""MVs that nobody but a feedback loop moved: what they do cannot be told from what they answered.

A PI or PID controller of one CV `y` moves by

    u(t) - u(t - 1) = a y(t) + b y(t - 1) + c y(t - 2) + d

while its setpoint stays, where `y(t)` may be known a row later only. What the plant does to `y` inverted
explains moves as well, however they came about, but not from the past of `y`, which a loop's moves follow
from for the most part. Moves that such a law explains hold nothing that did not come from the CV, and a
model of them confuses the loop with the plant (Box and MacGregor, The analysis of closed-loop dynamic-
stochastic systems, Technometrics 16 (1974), 391-398). An operator's steps, or changes of the loop's
setpoint, are no such law's.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from procwm.data.window import Grid
from procwm.plant.tags import PlantSpec

_EXPLAINED = 0.8
"""Share of the moves' mean square that a loop explains: what is left is noise that the log did not catch."""
_BLOCKS = {1: 0.6, 3: 0.2, 6: 0.2}
"""Rows that are averaged, since a loop sees more samples, and other noise, than the log; and the share that
the past of the CV has to foretell, which it does of no more than half of moves that come by chance."""
_LAGS = 4
_MOVING = 0.5
"""Share of the intervals in which a loop moves its MV; operators move one seldom."""
_LEAST_MOVES = 100


@dataclass(frozen=True, kw_only=True)
class FeedbackMoves:
    """An MV that follows a CV.

    Attributes:
        mv, cv: their tags.
        explained: share of the moves' mean square that the past of `cv` explains.
        sentence: for an operator.
    """

    mv: str
    cv: str
    explained: float
    sentence: str


def feedback_moves(rows: Grid, plant: PlantSpec) -> tuple[FeedbackMoves, ...]:
    """MVs of `plant` that only a loop of one CV moved in `rows`, each with that CV."""
    found = []
    for mv in plant.mvs:
        shares = {cv.name: _explained(rows, mv.name, cv.name) for cv in plant.cvs}
        cv = max(shares, key=lambda name: shares[name])
        if shares[cv] >= _EXPLAINED:
            sentence = (
                f"{mv.name} was moved only by a loop that answers {cv}, which explains {shares[cv]:.0%} of "
                "its moves: what it does cannot be told from what it answered"
            )
            found.append(FeedbackMoves(mv=mv.name, cv=cv, explained=shares[cv], sentence=sentence))
    return tuple(found)


def _explained(rows: Grid, mv: str, cv: str) -> float:
    """Share of the mean square of `mv`'s moves that the present and past of `cv` explain."""
    u = rows.column(mv)
    moved = np.diff(u[np.isfinite(u)]) != 0.0
    if moved.sum() < max(_MOVING * len(moved), 1.0):
        return 0.0
    shares = [0.0]
    for block, least in _BLOCKS.items():
        moves, answered = _averaged(rows, mv, cv, block)
        if _share(moves, answered[:, :-1]) >= least:
            shares.append(_share(moves, answered))
    return max(shares)


def _averaged(
    rows: Grid, mv: str, cv: str, block: int
) -> tuple[Float64[np.ndarray, " move"], Float64[np.ndarray, "move lag"]]:
    """Moves of `mv` between averages of `block` rows, and averages of `cv` up to then, the oldest first."""
    moves, answered = [np.zeros(0)], [np.zeros((0, _LAGS))]
    for stretch in rows.stretches:
        count = (stretch.stop - stretch.start) // block
        if count >= _LAGS:
            columns = np.stack([rows.column(name)[stretch][: count * block] for name in (mv, cv)])
            u, y = columns.reshape(2, count, block).mean(axis=2)
            moves.append(np.diff(u)[_LAGS - 2 :])
            answered.append(np.lib.stride_tricks.sliding_window_view(y, _LAGS))
    return np.concatenate(moves), np.concatenate(answered)


def _share(moves: Float64[np.ndarray, " move"], answered: Float64[np.ndarray, "move lag"]) -> float:
    """Share of the mean square of `moves` that least squares on `answered` explains."""
    known = np.isfinite(moves) & np.isfinite(answered).all(axis=1)
    moves, answered = moves[known], answered[known]
    if len(moves) < _LEAST_MOVES:
        return 0.0
    moves = moves - moves.mean()
    answered = answered - answered.mean(axis=0)
    coefficients, *_ = np.linalg.lstsq(answered, moves, rcond=None)
    left = moves - answered @ coefficients
    return float(1.0 - (left @ left) / max(float(moves @ moves), np.finfo(float).tiny))
