"""MVs that nobody but a feedback loop moved: what they do cannot be told from what they answered.

A PI or PID controller of one CV `y` moves by

    u(t) - u(t - 1) = a y(t) + b y(t - 1) + c y(t - 2) + d

while its setpoint stays. Moves that such a law explains hold nothing that did not come from the CV, and a
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
_LAGS = 3
_MOVING = 0.25
"""Share of the intervals in which a loop moves its MV; operators move one seldom."""
_LEAST_ROWS = 100


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
    moves, answered = [], []
    for stretch in rows.stretches:
        u, y = rows.column(mv)[stretch], rows.column(cv)[stretch]
        if len(u) > _LAGS:
            moves.append(np.diff(u)[_LAGS - 2 :])
            answered.append(np.lib.stride_tricks.sliding_window_view(y, _LAGS))
    if not moves:
        return 0.0
    return _share(np.concatenate(moves), np.concatenate(answered))


def _share(moves: Float64[np.ndarray, " row"], answered: Float64[np.ndarray, "row lag"]) -> float:
    known = np.isfinite(moves) & np.isfinite(answered).all(axis=1)
    moves, answered = moves[known], answered[known]
    if len(moves) < _LEAST_ROWS or np.mean(moves != 0.0) < _MOVING:
        return 0.0
    moves = moves - moves.mean()
    answered = answered - answered.mean(axis=0)
    coefficients, *_ = np.linalg.lstsq(answered, moves, rcond=None)
    left = moves - answered @ coefficients
    return float(1.0 - (left @ left) / max(float(moves @ moves), 1e-300))
