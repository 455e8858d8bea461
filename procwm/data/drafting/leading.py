"""Which tags move others: whose past foretells the moves of another better than that one's own past does.

Granger's test (Investigating causal relations by econometric models, Econometrica 37 (1969), 424-438) on
moves from block to block of rows, for blocks of several lengths, since an answer may take a row or a
hundred. Where both directions are found, the stronger one counts: within a block what moves and what
answers are not told apart.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64
from scipy.special import fdtrc

_LAGS = 6
_BLOCKS = (1, 3, 10, 30)
_CHANCE = 0.01
"""Of finding any tag that moves another where there is none."""
_SHARE = 0.01
"""Of a tag's moves that have to be foretold: less is nothing to control by, however sure."""
_SHARE_STEPPED = 0.1
"""The same of a tag that is stepped: its moves are few, and two of them coincide by chance."""
_MOST_ROWS = 50_000


@dataclass(frozen=True, kw_only=True, eq=False)
class Leading:
    """Which tags move which.

    Attributes:
        names: of the tags.
        share: of the variance of the moves of the second that the past of the first foretells.
        moves: whether the first moves the second, beyond what chance would show.
    """

    names: tuple[str, ...]
    share: Float64[np.ndarray, "tag other"]
    moves: Bool[np.ndarray, "tag other"]

    def moved_by(self, name: str) -> tuple[str, ...]:
        """Tags that move `name`, the strongest first."""
        column = self.names.index(name)
        found = [row for row in range(len(self.names)) if self.moves[row, column]]
        return tuple(self.names[row] for row in sorted(found, key=lambda row: -self.share[row, column]))

    def moved(self, name: str) -> tuple[str, ...]:
        """Tags that `name` moves."""
        row = self.names.index(name)
        return tuple(other for column, other in enumerate(self.names) if self.moves[row, column])

    def strength(self, name: str) -> float:
        """The largest share that `name` foretells of the moves of a tag it moves."""
        row = self.names.index(name)
        return float(np.max(self.share[row], where=self.moves[row], initial=0.0))


def leading(
    names: Sequence[str], values: Float64[np.ndarray, "row tag"], stepped: Bool[np.ndarray, " tag"]
) -> Leading:
    """Which of the tags `names`, whose values on regular rows are given, move which; NaN is no move.

    Args:
        names: of the tags.
        values: engineering units.
        stepped: which tags stay where they are and then go elsewhere at once.
    """
    count = len(names)
    share = np.zeros((count, count))
    sure = np.zeros((count, count), dtype=np.bool_)
    chance = _CHANCE / max(count * (count - 1), 1)
    for block in _BLOCKS:
        steps = _steps(values, block, stepped)
        if len(steps) > 4 * _LAGS:
            found, odds = _foretold(steps, stepped)
            share = np.maximum(share, np.where(odds < chance, found, 0.0))
            sure |= odds < chance
    least = np.where(stepped, _SHARE_STEPPED, _SHARE)
    moves = sure & (share > least) & (share > share.T)
    return Leading(names=tuple(names), share=share, moves=moves)


def _steps(
    values: Float64[np.ndarray, "row tag"], block: int, stepped: Bool[np.ndarray, " tag"]
) -> Float64[np.ndarray, "step tag"]:
    """Moves from one block of rows to the next, in multiples of their deviation; 0 where unknown.

    A block has the mean of its rows, which has less noise. Of what is stepped it has the last row: the mean
    would tell when in the block it went, and so would whatever answers at once, as if that had foretold it.
    """
    rows = values[-_MOST_ROWS * block :]
    count = len(rows) // block
    blocks = rows[: count * block].reshape(count, block, -1)
    steps = np.nan_to_num(np.diff(np.where(stepped, blocks[:, -1], blocks.mean(axis=1)), axis=0))
    deviation = steps.std(axis=0)
    scaled: Float64[np.ndarray, "step tag"] = steps / np.where(deviation > 0, deviation, 1.0)
    return scaled


def _foretold(
    steps: Float64[np.ndarray, "step tag"], stepped: Bool[np.ndarray, " tag"]
) -> tuple[Float64[np.ndarray, "tag other"], Float64[np.ndarray, "tag other"]]:
    """What the past of each tag adds to foretelling each other one, as a share and as odds of chance.

    A step that comes with a move of what is not stepped has made it, and counts as its past.
    """
    count, samples = steps.shape[1], len(steps) - _LAGS
    before = np.lib.stride_tricks.sliding_window_view(steps[:-1], _LAGS, axis=0).reshape(samples, -1)
    past = np.hstack((before, steps[_LAGS:]))
    gram, toward = past.T @ past, past.T @ steps[_LAGS:]
    gram += 1e-9 * np.trace(gram) / len(gram) * np.eye(len(gram))
    power = (steps[_LAGS:] ** 2).sum(axis=0)
    share, odds = np.zeros((count, count)), np.ones((count, count))
    lags = [np.arange(tag * _LAGS, (tag + 1) * _LAGS) for tag in range(count)]

    def left(columns: np.ndarray, tag: int) -> float:
        weights = np.linalg.solve(gram[np.ix_(columns, columns)], toward[columns, tag])
        return float(power[tag] - toward[columns, tag] @ weights)

    for other in range(count):
        alone = left(lags[other], other)
        for tag in range(count):
            if tag == other or power[tag] == 0.0 or power[other] == 0.0:
                continue
            present = [count * _LAGS + tag] if stepped[tag] and not stepped[other] else []
            added = np.array([*lags[tag], *present])
            both = max(left(np.concatenate((lags[other], added)), other), 1e-12 * power[other])
            freedom = samples - _LAGS - len(added)
            share[tag, other] = max(0.0, 1.0 - (both / freedom) / (alone / (samples - _LAGS)))
            ratio = (alone - both) / len(added) / (both / freedom)
            odds[tag, other] = fdtrc(len(added), freedom, max(0.0, ratio))
    return share, odds
