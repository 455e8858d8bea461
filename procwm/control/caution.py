"""The price of moves whose effect is known badly.

Outputs are predicted from moves by step responses that the log shows with errors only. Where those have mean
zero and are independent of each other, the expected sum of squared errors of a plan is that of the expected
responses, and

    sum over outputs and rows of weight * Var(response) * move^2

more: least squares with an uncertain matrix is least squares with a ridge (Boyd and Vandenberghe, Convex
Optimization, 2004, section 6.4.1). So moves cost more on a plant that its log shows badly, and nothing more
on one that it shows well.

What a response has wrong shows as it comes, and feedback believes what lasts within about a horizon
(`training.feedback`): at lead `k` the share `exp(-k / horizon)` of an error is still to be paid for, so its
square counts by the square of that. Without it an integrating output, whose errors grow with the lead,
forbids moves for what it is wrong about far ahead.
"""

import numpy as np
from jaxtyping import Float

from procwm.planning.objective import row_weights


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
    fading: Float[np.ndarray, " horizon"] = np.exp(-2.0 * np.arange(1, horizon + 1) / horizon)
    # What is wrong at every lead alike costs what a lasting error costs in the objective.
    rows = fading * (row_weights(horizon).sum() / fading.sum())
    added: np.ndarray = np.einsum("k,kmc,c->m", rows, response_error**2, weight / span**2) * mv_span**2
    return added
