"""The last plan, moved on by one interval, as the start of the next."""

import numpy as np
from jaxtyping import Float

from procwm.planning.moves import MoveSpace
from procwm.planning.problem import ControlProblem, Plan


def following(plan: Plan, problem: ControlProblem) -> Float[np.ndarray, "horizon mv"] | None:
    """The rest of `plan`, one interval later; its last row is repeated.

    `None` where the plan has other MVs or an MV that is not finite.
    """
    mv = plan.mv
    if mv.ndim != 2 or len(mv) == 0 or mv.shape[1] != len(problem.last_mv) or not np.isfinite(mv).all():
        return None
    return np.asarray(mv[np.minimum(np.arange(1, problem.horizon + 1), len(mv) - 1)])


def shifted(plan: Plan, space: MoveSpace) -> Float[np.ndarray, "knot mv"] | None:
    """Knots of the rest of `plan`, brought within this cycle's limits; `None` where there is none."""
    rest = following(plan, space.problem)
    return None if rest is None else space.project(rest)


def unexpected(plan: Plan, cost: float) -> bool:
    """Whether the rest of `plan` now costs so much more than it promised that other plans must be looked for.

    So it does after a large change of a setpoint or of a limit, or a large disturbance.
    """
    worth_a_search = 0.01  # cost of a CV that is 2 % of its span away for 25 intervals
    return not cost <= 2.0 * plan.cost + worth_a_search
