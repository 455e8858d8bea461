"""Dead time as states of a plant model: a chain of equal lags, as trays, pipes and belts have it."""

from collections.abc import Sequence

import casadi as ca


def lag_chain(entering: ca.SX, lags: ca.SX, delay_s: float) -> list[ca.SX]:
    """Time derivatives of a chain of lags that together delay `entering` by `delay_s`.

    A step comes out spread over about `delay_s / sqrt(n)`; the last state is what leaves.

    Args:
        entering: what goes in.
        lags: the chain's states.
        delay_s: sum of all time constants.
    """
    count = lags.numel()
    before = [entering, *(lags[i] for i in range(count - 1))]
    return [(before[i] - lags[i]) * count / delay_s for i in range(count)]


def names_of_lags(what: str, count: int) -> Sequence[str]:
    """Names of a chain's states."""
    return tuple(f"{what}, {number} of {count} on the way" for number in range(1, count + 1))
