"""Where a solver stopped, and why."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np
from jaxtyping import Float

from procwm.planning.problem import Optimality


class Stop(StrEnum):
    """What ended an optimisation."""

    OPTIMAL = "the optimality conditions hold"
    DEADLINE = "the deadline"
    ITERATIONS = "the largest count of iterations"
    LEVELS = "no other level over any stretch of the horizon improves the plan"
    NO_STEP = "no step keeps the limits to first order"
    STALLED = "no step along the local model improves the plan"
    FAILED = "the solver gave up"


@dataclass(frozen=True, eq=False)
class Solution:
    """Where a solver stopped.

    Attributes:
        knots: within hard limits to rounding.
        stopped: why; IPOPT's claim of an optimum is checked by who uses it.
        iterations: taken.
        optimality: at `knots`, where it was checked.
    """

    knots: Float[np.ndarray, "knot mv"]
    stopped: Stop
    iterations: int
    optimality: Optimality | None = None
