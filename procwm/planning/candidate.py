"""One trajectory that a rung of the planner's ladder proposes, and how it ranks among others."""

from dataclasses import dataclass

import numpy as np

from procwm.planning.foresight import Point
from procwm.planning.problem import Optimality
from procwm.planning.solution import Stop
from procwm.planning.sqp import negligible


@dataclass(frozen=True, eq=False)
class Candidate:
    """One trajectory and what the model predicts of it.

    Attributes:
        rung: where it came from.
        point: knots and what they lead to.
        stopped: what ended the optimisation that it comes from, if any.
        optimality: as checked there.
    """

    rung: str
    point: Point
    stopped: Stop | None = None
    optimality: Optimality | None = None

    @property
    def proven(self) -> bool:
        """Whether the optimality conditions hold, guardrails included."""
        return self.safe and self.stopped is Stop.OPTIMAL

    @property
    def safe(self) -> bool:
        return self.point.violation == 0.0

    @property
    def rank(self) -> tuple[bool, float, float]:
        """Smaller is better: safe before unsafe, then less unsafe to a solver's accuracy, then cheaper."""
        violation = self.point.violation
        return not self.safe, round(violation, 3) if violation < np.inf else np.inf, self.point.cost

    def replaces(self, other: "Candidate") -> bool:
        """Whether this one is no worse; a proof outweighs what it says need not be gained."""
        if self.safe and other.safe and self.proven != other.proven:
            least = negligible(max(self.point.cost, other.point.cost))
            return self.point.cost <= other.point.cost + (least if self.proven else -least)
        return self.rank <= other.rank
