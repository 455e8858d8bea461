"""The price of moves whose effect is known badly.

Outputs are predicted from moves by step responses that the log shows with errors only. Where those have mean
zero and are independent of each other, the expected sum of squared errors of a plan is that of the expected
responses, and

    sum over outputs and rows of weight * Var(response) * move^2

more: least squares with an uncertain matrix is least squares with a ridge (Boyd and Vandenberghe, Convex
Optimization, 2004, section 6.4.1). So moves cost more on a plant that its log shows badly, and nothing more
on one that it shows well.

What a response has wrong shows as it comes, and feedback makes good for it: at lead `k` the share
`exp(-k / (horizon / 4))` of an error is taken to be still to be paid for, and its square costs the square of
that. Where logs show few moves, errors are largest far ahead; paid for in full, they made moves so dear that
loops were slow for the sake of what they would have corrected (docs/experiments/ordinary-logs.md).
"""

import numpy as np
from jaxtyping import Float

from procwm.planning.objective import row_weights

_CORRECTED = 0.25
"""Of the horizon: time constant with which feedback makes good for what a response has wrong."""


def caution(
    response_error: Float[np.ndarray, "horizon mv output"],
    weight: Float[np.ndarray, " output"],
    span: Float[np.ndarray, " output"],
    mv_span: Float[np.ndarray, " mv"],
) -> Float[np.ndarray, " mv"]:
    """What is to be added to the weight of every MV's squared move, relative to its span.

    Args:
        response_error: standard error of the step responses, engineering units.
        weight: of the outputs' squared errors relative to their span; 0 where an output is not controlled.
        span: of the outputs.
        mv_span: of the MVs.
    """
    horizon = len(response_error)
    return priced(row_weights(horizon) * faded(horizon, _CORRECTED), response_error, weight, span, mv_span)


def faded(horizon: int, share: float) -> Float[np.ndarray, " horizon"]:
    """What feedback with a time constant of `share` horizons leaves of the square of an error, by lead."""
    left: Float[np.ndarray, " horizon"] = np.exp(-2.0 * np.arange(1, horizon + 1) / (share * horizon))
    return left


def priced(
    rows: Float[np.ndarray, " horizon"],
    response: Float[np.ndarray, "horizon mv output"],
    weight: Float[np.ndarray, " output"],
    span: Float[np.ndarray, " output"],
    mv_span: Float[np.ndarray, " mv"],
) -> Float[np.ndarray, " mv"]:
    """What a move of each MV by its span costs where outputs answer by `response`; `rows` are weights."""
    added: np.ndarray = np.einsum("k,kmc,c->m", rows, response**2, weight / span**2) * mv_span**2
    return added
