"""Whether one-step errors are correlated in time: what is left in them was not learned."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float
from scipy.linalg import solve_toeplitz
from scipy.special import chdtrc

_LAGS = 10
_LEAST_PER_LAG = 5
"""Errors for each lag that is looked at."""
_REGULAR = 1e-6
"""Added to the unit diagonal: a lasting offset correlates with itself wholly."""


@dataclass(frozen=True, kw_only=True)
class Whiteness:
    """Autocorrelation of one output's errors one interval ahead.

    Attributes:
        lags: how many are looked at; 0 where there are too few errors to say anything.
        statistic: of Ljung and Box.
        p_value: chance of a larger one, were the errors white.
        foretold: share of the errors' mean square that the errors before them foretell. A lasting offset is
            wholly foretold.
    """

    output: str
    lags: int = 0
    statistic: float = 0.0
    p_value: float = 1.0
    foretold: float = 0.0


def whiteness(output: str, errors: Float[np.ndarray, " row"]) -> Whiteness:
    """Diagnose `errors`, in order of time; NaN, where nothing was measured, is left out.

    The statistic is `n (n + 2) sum_k r_k^2 / (n - k)` (Ljung and Box, On a measure of lack of fit in time
    series models, Biometrika 65 (1978), 297-303), with autocorrelations about 0, where the errors of a right
    model lie. What is foretold is what an autoregression of that many lags explains (Yule and Walker).
    """
    known = errors[np.isfinite(errors)]
    count, power = len(known), float(known @ known)
    lags = min(_LAGS, count // _LEAST_PER_LAG)
    if lags < 1 or power <= 0.0:
        return Whiteness(output=output)
    lag = np.arange(1, lags + 1)
    correlation = np.array([known[k:] @ known[:-k] for k in lag]) / power
    statistic = count * (count + 2) * float(np.sum(correlation**2 / (count - lag)))
    coefficients = solve_toeplitz(np.append(1.0 + _REGULAR, correlation[:-1]), correlation)
    return Whiteness(
        output=output,
        lags=lags,
        statistic=statistic,
        p_value=float(chdtrc(lags, statistic)),
        foretold=float(np.clip(coefficients @ correlation, 0.0, 1.0)),
    )
