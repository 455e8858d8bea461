"""What every solver of the planning benchmark is given, and what it answers."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from procwm.planning.moves import MoveSpace
from procwm.planning.problem import ControlProblem, Plan


@dataclass(frozen=True, eq=False)
class Cycle:
    """What every solver is given.

    Attributes:
        problem: of this cycle.
        space: the moves that the common transcription has.
        last: the plan of the cycle before.
        start: `last` one interval later, within limits.
    """

    problem: ControlProblem
    space: MoveSpace
    last: Plan
    start: Float[np.ndarray, "knot mv"]


@dataclass(frozen=True, eq=False)
class Answer:
    """A plan and the processor time it took."""

    mv: Float[np.ndarray, "horizon mv"]
    ms: float


@runtime_checkable
class Solver(Protocol):
    """Solves cycles; built once for a model and a horizon."""

    def __call__(self, cycle: Cycle) -> Answer:
        """The answer to `cycle`."""
        ...
