"""How far each MV has moved within the last hour, and how far it may still."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float

Travel = tuple[tuple[int, tuple[float, ...]], ...]
"""Minutes of the last hour: UTC ns at which each began, and the sum of each MV's moves, engineering units."""

_MINUTE_NS = 60_000_000_000
_HOUR_NS = 60 * _MINUTE_NS
_ROUNDING = 1e-9
"""Of what may be moved: no rest of a sum makes a move."""


def travelled(travel: Travel, moves: Sequence[float], now_ns: int) -> Travel:
    """`travel` with `moves` written at `now_ns`. Moves of one minute are summed, and leave it together."""
    minute_ns = now_ns - now_ns % _MINUTE_NS
    kept = {begun_ns: sums for begun_ns, sums in travel if begun_ns + _MINUTE_NS + _HOUR_NS > now_ns}
    before = kept.get(minute_ns, (0.0,) * len(moves))
    kept[minute_ns] = tuple(total + abs(move) for total, move in zip(before, moves, strict=True))
    return tuple(sorted(kept.items()))


def remaining(travel: Travel, allowed: Float[np.ndarray, " mv"], now_ns: int) -> Float[np.ndarray, " mv"]:
    """How far each MV may still move; `allowed` within any hour, +inf where that is not limited."""
    sums = [moves for begun_ns, moves in travel if begun_ns + _MINUTE_NS + _HOUR_NS > now_ns]
    spent = np.sum(sums, axis=0) if sums else np.zeros(len(allowed))
    left = allowed - spent
    return np.where(left > _ROUNDING * allowed, left, 0.0) if np.isfinite(allowed).any() else allowed.copy()
