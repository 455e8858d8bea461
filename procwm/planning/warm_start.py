"""What a cycle inherits from the one before."""

import numpy as np
from jaxtyping import Float

from procwm.planning.moves import MoveSpace
from procwm.planning.problem import Plan


def shifted(plan: Plan, space: MoveSpace) -> Float[np.ndarray, "knot mv"] | None:
    """Knots of the rest of `plan`, one interval later, brought within this cycle's limits.

    The last row is repeated. `None` where the plan has other MVs or a MV that is not finite.
    """
    horizon, mv = space.problem.horizon, plan.mv
    if mv.ndim != 2 or len(mv) == 0 or mv.shape[1] != len(space.problem.last_mv) or not np.isfinite(mv).all():
        return None
    rows = np.minimum(np.arange(1, horizon + 1), len(mv) - 1)
    return space.project(mv[rows])


def unexpected(plan: Plan, cost: float) -> bool:
    """Whether the rest of `plan` now costs so much more than it promised that other plans must be looked for.

    So it does after a large change of a setpoint or of a limit, or a large disturbance.
    """
    worth_a_search = 0.01  # cost of a CV that is 2 % of its span away for 25 intervals
    return not cost <= 2.0 * plan.cost + worth_a_search
