"""One thing that keeps a model from being fit for control."""

from dataclasses import dataclass

from procwm.world.fitness import Fitness

MOVE = (
    "let operators, or `procwm run --mode test`, move every MV at least 10 times and apart from the others, "
    "then train on that log"
)
"""What helps where a log does not show what an MV does."""
MORE = "train on more hours, with more moves of the MVs, and name the DVs that act on the CVs"
"""What helps where a model foresees badly."""


@dataclass(frozen=True, kw_only=True)
class Objection:
    """What speaks against a model.

    Attributes:
        fitness: the most that it may be used for.
        reason: why, as part of a sentence.
        remedy: what to do about it, as a sentence.
        untested: whether a log failed to show something, and not the model.
    """

    fitness: Fitness
    reason: str
    remedy: str
    untested: bool = False
