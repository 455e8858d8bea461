"""What a few MV trajectories are predicted to do, in numpy: far faster than torch, and kept for one cycle."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float

from procwm.planning.linearisation import LatentTrajectory, guard_values, imagine, outputs
from procwm.planning.moves import MoveSpace
from procwm.planning.objective import Objective
from procwm.planning.prediction import GUARD_TOLERANCE
from procwm.planning.transcription import Transcript

BACK_OFF = 3e-5
"""Guardrails are kept by this much, so that what is left of their curvature does not break them."""


@dataclass(frozen=True, eq=False)
class Point:
    """Knots and what they lead to.

    Attributes:
        knots: engineering units.
        at: the trajectory, with its derivatives.
        guard: predicted guardrails, margin included.
        cost: +inf where the prediction is not finite.
        broken: sum over the horizon of what guardrails exceed 0 by.
    """

    knots: Float[np.ndarray, "knot mv"]
    at: LatentTrajectory
    guard: Float[np.ndarray, "horizon guard"]
    cost: float
    broken: float

    @property
    def finite(self) -> bool:
        """Whether there is a prediction at all."""
        return self.cost < np.inf

    @cached_property
    def hard_values(self) -> Float[np.ndarray, " two_knot_mv"]:
        """What hard limits limit, relative to `mv_span`."""
        return self.at.space.hard_values(self.knots)

    @cached_property
    def excess(self) -> float:
        """Sum over the horizon of what guardrails exceed the value by which a program keeps them."""
        return float(np.maximum(self.guard + BACK_OFF, 0.0).sum())

    @cached_property
    def violation(self) -> float:
        """`broken`, where more than rounding; 0 where safe, +inf where not finite."""
        if not self.finite:
            return np.inf
        if not self.broken:
            return 0.0
        return float(np.where(self.guard > GUARD_TOLERANCE, self.guard, 0.0).sum())


class Foresight:
    """One cycle's model, moves and objective: from knots to points.

    Attributes:
        transcript, space, objective: as given.
    """

    def __init__(self, transcript: Transcript, space: MoveSpace, objective: Objective) -> None:
        self.transcript, self.space, self.objective = transcript, space, objective
        self._known: dict[bytes, Point] = {}

    def point(self, knots: Float[np.ndarray, "knot mv"]) -> Point:
        """What `knots` lead to; nothing is predicted twice."""
        known = self._known.get(knots.tobytes())
        return known if known is not None else self.points(knots[None])[0]

    def points(self, knots: Float[np.ndarray, "batch knot mv"]) -> list[Point]:
        """What each of `knots` leads to."""
        transcript, problem = self.transcript, self.space.problem
        mv = self.space.expand(knots)
        latent = imagine(transcript, problem, mv)
        cv, guard = outputs(transcript, problem, latent), guard_values(transcript, latent)
        cost = self.objective.cost(cv, mv)
        broken = np.maximum(guard, 0.0).sum(axis=(-1, -2))
        # A sum is finite only where all of its terms are.
        cost[~np.isfinite(cost + guard.sum(axis=(-1, -2)))] = np.inf
        found = [
            Point(
                knots[i], LatentTrajectory(transcript, self.space, mv[i], latent[i], cv[i]), guard[i], *sums
            )
            for i, sums in enumerate(zip(cost.tolist(), broken.tolist(), strict=True))
        ]
        for point in found:
            self._known[point.knots.tobytes()] = point
        return found
