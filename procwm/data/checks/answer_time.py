"""Whether the longest horizon sees what the MVs do: a dead time or a settling time may be longer than it.

The log is averaged over blocks of rows, and changes of a CV from block to block are regressed on those of the
MVs in the blocks up to then (a finite impulse response: Ljung, System identification, 2nd ed. 1999, 10.1).
What the blocks within the horizon do, and what those before it, come with their standard errors.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from procwm.data.anchors import LONGEST_HORIZON
from procwm.data.window import Grid
from procwm.plant.tags import PlantSpec, names_of

_BLOCK = 10
"""Rows that are averaged."""
_NEAR = LONGEST_HORIZON // _BLOCK
"""Blocks within the longest horizon."""
_BLOCKS = 4 * _NEAR
"""Blocks that are looked back over."""
_PER_UNKNOWN = 4
"""Changes of a CV for each coefficient, at the least."""
_SURE = 4.0
"""Standard errors that an effect has to be away from nothing: many are looked at."""
_MUCH = 0.3
"""Share of the whole effect that comes beyond the horizon where it is too short."""
_SETTLED = 0.1
"""Of the whole effect: within this of its end an answer has settled."""
_STILL_COMES = 0.15
"""Of what the strongest quarter of the blocks does: where the last one does more, the answer goes on."""
_WANTED = 40
"""Intervals that an answer should settle in."""
_NOTHING, _TURNS, _LITTLE = "nothing of it", "it go the other way", "too little of it"
_ROUND_S = (1.0, 2.0, 5.0, 10.0, 15.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 900.0, 1800.0, 3600.0)


@dataclass(frozen=True, kw_only=True)
class SlowAnswer:
    """A CV that answers an MV later than the longest horizon sees.

    Attributes:
        mv, cv: their tags.
        unseen: whether nothing of the answer comes within the horizon, or it still goes the other way there.
        settled_s: after which it has settled.
        interval_s: a control interval whose horizon sees it.
        sentence: for an operator.
    """

    mv: str
    cv: str
    unseen: bool
    settled_s: float
    interval_s: float
    sentence: str


def slow_answers(rows: Grid, plant: PlantSpec) -> tuple[SlowAnswer, ...]:
    """Answers of CVs to MVs that the longest horizon does not see, or sees too little of."""
    return tuple(found for cv in plant.cvs for found in _of_cv(rows, plant, cv.name))


def _of_cv(rows: Grid, plant: PlantSpec, cv: str) -> Iterator[SlowAnswer]:
    mvs = names_of(plant.mvs)
    inputs, changes = _regressors(rows, mvs, cv)
    if len(changes) < _PER_UNKNOWN * inputs.shape[1] or not inputs.any(axis=0).all():
        return
    gram = inputs.T @ inputs
    inverse = np.linalg.pinv(gram, rcond=1e-9)
    response = inverse @ (inputs.T @ changes)
    left = changes - inputs @ response
    variance = inverse * float(left @ left) / max(len(changes) - len(response), 1)
    for column, mv in enumerate(mvs):
        own = slice(column * _BLOCKS, (column + 1) * _BLOCKS)
        found = _judged(response[own], variance[own, own], plant.interval_s)
        if found is not None:
            seen, settled_s, interval_s = found
            yield SlowAnswer(
                mv=mv,
                cv=cv,
                unseen=seen != _LITTLE,
                settled_s=settled_s,
                interval_s=interval_s,
                sentence=_sentence(mv, cv, seen, settled_s, interval_s, plant),
            )


def _regressors(
    rows: Grid, mvs: tuple[str, ...], cv: str
) -> tuple[Float64[np.ndarray, "change input"], Float64[np.ndarray, " change"]]:
    """Changes of the MVs in the last blocks, the newest first, beside those of the CV."""
    inputs, changes = [np.zeros((0, len(mvs) * _BLOCKS))], [np.zeros(0)]
    for stretch in rows.stretches:
        blocks = (stretch.stop - stretch.start) // _BLOCK
        if blocks <= _BLOCKS + 1:
            continue
        columns = np.column_stack([rows.column(name)[stretch] for name in (*mvs, cv)])
        means = columns[: blocks * _BLOCK].reshape(blocks, _BLOCK, -1).mean(axis=1)
        steps = np.diff(means, axis=0)
        seen = np.lib.stride_tricks.sliding_window_view(steps[:, :-1], _BLOCKS, axis=0)[..., ::-1]
        inputs.append(seen.reshape(len(seen), -1))
        changes.append(steps[_BLOCKS - 1 :, -1])
    stacked, changed = np.concatenate(inputs), np.concatenate(changes)
    known = np.isfinite(stacked).all(axis=1) & np.isfinite(changed)
    return stacked[known], changed[known]


def _judged(
    response: Float64[np.ndarray, " block"], variance: Float64[np.ndarray, "block block"], interval_s: float
) -> tuple[str, float, float] | None:
    """What the horizon sees, the settling time and a better interval; `None` where it sees enough."""

    def effect(first: int, last: int) -> tuple[float, float]:
        return float(response[first:last].sum()), float(np.sqrt(variance[first:last, first:last].sum()))

    (near, near_error), (far, far_error), (whole, whole_error) = (
        effect(0, _NEAR),
        effect(_NEAR, _BLOCKS),
        effect(0, _BLOCKS),
    )
    quarters = np.abs(response.reshape(_BLOCKS // _NEAR, _NEAR).sum(axis=1))
    settles = quarters[-1] < _STILL_COMES * quarters.max()
    if abs(far) < _SURE * far_error or not settles:
        return None
    unseen = abs(near) < max(_SURE * near_error, _SETTLED * abs(far))
    # What overshoots comes back a little; what turns round ends on the other side.
    turns = near * whole < 0.0 and abs(whole) >= _SURE * whole_error
    if not (unseen or turns) and (far * near < 0.0 or abs(far) < _MUCH * abs(whole)):
        return None
    away = np.abs(whole - np.cumsum(response)) > _SETTLED * abs(whole)
    settled_s = (int(np.flatnonzero(away)[-1]) + 2) * _BLOCK * interval_s
    return _NOTHING if unseen else _TURNS if turns else _LITTLE, settled_s, _rounded(settled_s / _WANTED)


def _rounded(wanted_s: float) -> float:
    return next((round_s for round_s in _ROUND_S if round_s >= wanted_s), wanted_s)


def _sentence(mv: str, cv: str, seen: str, settled_s: float, interval_s: float, plant: PlantSpec) -> str:
    longest = f"a horizon of {LONGEST_HORIZON} intervals of {plant.interval_s:g} s"
    sees = f"{longest} sees {seen}"
    return (
        f"{cv} takes about {settled_s:g} s to answer {mv}, and {sees}: "
        f"choose interval_s = {interval_s:g} in the plant file"
    )
