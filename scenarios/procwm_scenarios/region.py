"""The part of a plant's operating range where its steady states keep their limits."""

import math

import numpy as np
from jaxtyping import Float

from procwm.plant.scenario import Equations
from procwm.plant.tags import PlantSpec
from procwm_scenarios.integration import PlantState, SteadyStates


class OperatingRegion:
    """MVs whose steady state, undisturbed, stays clear of operating limits and guardrails."""

    def __init__(
        self, plant: PlantSpec, equations: Equations, *, clearance: float, guard_clearance: float = -math.inf
    ) -> None:
        """Args:
        clearance: share of a limit interval's width kept free at either end.
        guard_clearance: how far below 0 guardrails stay, engineering units; `-inf` does not ask.
        """
        self._steady = SteadyStates(equations)
        self._guard_limit = -guard_clearance
        self._mv_low, self._mv_high = np.array([tag.bounds for tag in plant.mvs]).T
        # Limits of an MV are kept as they are: only what the plant answers needs room for disturbances.
        watched = [tag for tag in plant.outputs if tag.limits is not None]
        self._index = [equations.output_names.index(tag.name) for tag in watched]
        bounds = np.array([tag.bounds for tag in watched]).reshape(-1, 2)
        room = clearance * (bounds[:, 1] - bounds[:, 0])
        self._low, self._high = bounds[:, 0] + room, bounds[:, 1] - room

    def rest(self, mv: Float[np.ndarray, " mv"]) -> PlantState | None:
        """The steady state at `mv`, inside the region or not; `None` where there is none."""
        return self._steady.at(mv)

    def contains(self, mv: Float[np.ndarray, " mv"]) -> bool:
        """Whether the plant may be left at `mv`."""
        return self.steady(mv) is not None

    def steady(self, mv: Float[np.ndarray, " mv"]) -> PlantState | None:
        """The steady state at `mv`, or `None` where it is outside the region."""
        if not ((mv >= self._mv_low) & (mv <= self._mv_high)).all():
            return None
        rest = self._steady.at(mv)
        if rest is None or (rest.guards > self._guard_limit).any():
            return None
        seen = rest.outputs[self._index]
        return rest if bool(((seen >= self._low) & (seen <= self._high)).all()) else None
