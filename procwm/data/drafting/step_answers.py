"""How a tag answers a step of another: gain, time constant and settling time, as far as a log shows them.

Moves of the answering tag, from block to block of rows, are regressed on those of all that move it (a finite
impulse response: Ljung, System identification, 2nd ed. 1999, 10.1); their sum is the step response. The
shortest blocks in which it comes to rest are the ones that count.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

_LAGS = 30
_BLOCKS = (1, 2, 4, 8, 16, 32)
_PER_UNKNOWN = 3
_SURE = 4.0
"""Standard errors that the gain has to be away from nothing."""
_RESTS = 0.1
"""Of the largest response: what may still come in the last third."""
_RIDGE = 1e-3
_CONSTANT = 0.63
"""Of the gain, reached after a time constant."""
_MOST_ROWS = 50_000


@dataclass(frozen=True, kw_only=True)
class StepAnswer:
    """What one tag does after a step of another.

    Attributes:
        gain: units of the answering tag per unit of the other, at rest.
        constant_rows: rows until 63 % of it.
        settled_rows: rows from which on it stays within a tenth of it.
    """

    gain: float
    constant_rows: int
    settled_rows: int


def step_answers(
    movers: Mapping[str, Float64[np.ndarray, " row"]], answering: Float64[np.ndarray, " row"]
) -> dict[str, StepAnswer]:
    """The answer of one tag to each of `movers`, on regular rows, as far as the log shows them."""
    found: dict[str, StepAnswer] = {}
    columns = np.column_stack([*movers.values(), answering])[-_MOST_ROWS:]
    for block in _BLOCKS:
        for name, answer in _with_blocks(tuple(movers), columns, block).items():
            found.setdefault(name, answer)
    return found


def _with_blocks(
    names: Sequence[str], columns: Float64[np.ndarray, "row column"], block: int
) -> dict[str, StepAnswer]:
    count = len(columns) // block
    means = columns[: count * block].reshape(count, block, -1).mean(axis=1)
    steps = np.nan_to_num(np.diff(means, axis=0))
    if len(steps) < _LAGS * (_PER_UNKNOWN * len(names) + 1):
        return {}
    seen = np.lib.stride_tricks.sliding_window_view(steps[:, :-1], _LAGS, axis=0)[..., ::-1]
    past, moves = seen.reshape(len(seen), -1), steps[_LAGS - 1 :, -1]
    scale = np.repeat(np.maximum(steps[:, :-1].std(axis=0), 1e-300), _LAGS)
    scaled = past / scale
    gram = scaled.T @ scaled
    gram += _RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram))
    inverse = np.linalg.inv(gram)
    weights = inverse @ (scaled.T @ moves)
    variance = inverse * float(np.var(moves - scaled @ weights))
    own = (slice(place * _LAGS, (place + 1) * _LAGS) for place in range(len(names)))
    answers = {
        name: _answer(
            np.cumsum(weights[part] / scale[part]),
            float(np.sqrt((variance[part, part] / np.outer(scale[part], scale[part])).sum())),
            block,
        )
        for name, part in zip(names, own, strict=True)
    }
    return {name: answer for name, answer in answers.items() if answer is not None}


def _answer(response: Float64[np.ndarray, " lag"], error: float, block: int) -> StepAnswer | None:
    """What a step response says; `None` where it is not sure, or has not come to rest."""
    gain = float(response[-_LAGS // 4 :].mean())
    late = np.abs(response[2 * _LAGS // 3 :] - response[-1]).max()
    if abs(gain) < _SURE * error or late > _RESTS * np.abs(response).max():
        return None
    reached = np.flatnonzero(response * np.sign(gain) >= _CONSTANT * abs(gain))
    away = np.flatnonzero(np.abs(response - gain) > _RESTS * abs(gain))
    first = int(reached[0]) if len(reached) else _LAGS
    settled = int(away[-1]) + 1 if len(away) else 0
    return StepAnswer(gain=gain, constant_rows=max(1, first * block), settled_rows=max(1, settled * block))
