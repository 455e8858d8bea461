"""A log split by time, its parts too far apart to share a moment."""

from dataclasses import dataclass

from procwm.data.window import Grid
from procwm.errors import LogError


@dataclass(frozen=True, kw_only=True, eq=False)
class Split:
    """Three parts of a log, in order of time. A part that was not asked for is empty."""

    train: Grid
    validation: Grid
    test: Grid


def split(grid: Grid, *, horizon: int, shares: tuple[float, float, float] = (0.7, 0.15, 0.15)) -> Split:
    """Cut `grid` by time, leaving out at least `history + horizon` rows between parts.

    Args:
        grid: a log on the control grid; the history's length is its rule's.
        horizon: of the predictions that will be scored.
        shares: of the rows that remain, for training, validation and test; 0 leaves a part empty.

    Raises:
        LogError: where a part that was asked for would not hold one history and one horizon.
    """
    if min(shares) < 0 or not 0 < sum(shares) <= 1 + 1e-9:
        raise LogError(
            f"the log cannot be split into shares of {shares}; they are at least 0 and add up to 1"
        )
    apart = grid.rule.history + horizon
    asked = sum(share > 0 for share in shares)
    rows = len(grid) - apart * (asked - 1)
    parts: list[Grid] = []
    start = 0
    for share in shares:
        count = int(share * rows) if share > 0 else 0
        if share > 0 and count < apart:
            needed = apart * (asked - 1) + int(apart / min(s for s in shares if s > 0)) + 1
            raise LogError(
                f"the log has {len(grid)} rows of {grid.rule.interval_s:g} s; a split with a history of "
                f"{grid.rule.history} and a horizon of {horizon} rows needs at least {needed}"
            )
        parts.append(grid.slice(start, start + count))
        start += count + apart if share > 0 else 0
    return Split(train=parts[0], validation=parts[1], test=parts[2])
