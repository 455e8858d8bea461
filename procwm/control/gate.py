"""The last check before the plant. It refuses and never edits: a clipped move is not the one planned."""

from collections.abc import Collection
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
from jaxtyping import Float

from procwm.planning.prediction import GUARD_TOLERANCE, Prediction
from procwm.planning.problem import ROUNDING, ControlProblem, Plan
from procwm.plant.samples import Setpoints
from procwm.plant.tags import PlantSpec


@dataclass(frozen=True, kw_only=True)
class Gate:
    """What a plan must keep to.

    Attributes:
        plant: whose MVs are written.
        guard_names: names of the axis `guard`.
    """

    plant: PlantSpec
    guard_names: tuple[str, ...]

    def refusal(self, plan: Plan, problem: ControlProblem) -> str | None:
        """Why `plan` may not even be rolled out: status, shape, numbers, hard limits; else `None`."""
        if not plan.status.usable:
            return str(plan.status)
        return self.limits_refusal(plan.mv, problem)

    def limits_refusal(self, mv: Float[np.ndarray, "_ _"], problem: ControlProblem) -> str | None:
        """Which hard limit the trajectory `mv` breaks, or `None`.

        An MV that the plant reports outside its limits must come back as fast as its largest move allows.
        """
        if mv.shape != (problem.horizon, len(self.plant.mvs)):
            return f"a plan of shape {mv.shape} for {problem.horizon} intervals and {len(self.plant.mvs)} MVs"
        move = np.abs(np.diff(mv, axis=0, prepend=problem.last_mv[None]))
        low, high = self._bounds(problem)
        slack = ROUNDING * problem.mv_span
        for index, tag in enumerate(self.plant.mvs):
            column, largest = mv[:, index], move[:, index].max()
            if not np.isfinite(column).all():
                return f"{tag.name}: the plan is not finite"
            outside = np.clip(column, low[index] - slack[index], high[index] + slack[index]) != column
            if outside.any():
                asked, allowed = column[outside.argmax()], f"[{low[index]:g}, {high[index]:g}]"
                return f"{tag.name}: the plan asks for {asked:g} {tag.unit}, outside {allowed}"
            if largest > problem.max_move[index] + slack[index]:
                allowed = f"{problem.max_move[index]:g}"
                return f"{tag.name}: the plan moves by {largest:g} {tag.unit}, allowed are {allowed}"
        beside = np.abs(mv - problem.on_levels(mv)) > slack
        for index in problem.discrete:
            if beside[:, index].any():
                tag, asked = self.plant.mvs[index], mv[beside[:, index].argmax(), index]
                allowed = ", ".join(f"{place:g}" for place in problem.places(index))
                return f"{tag.name}: the plan asks for {asked:g} {tag.unit}, which is none of {allowed}"
        return None

    def _bounds(self, problem: ControlProblem) -> tuple[Float[np.ndarray, " mv"], Float[np.ndarray, " mv"]]:
        """Where each MV may be: within the plant file's bounds, whatever the problem says.

        One that is held may be where it is; it is not written.
        """
        low, high = problem.mv_bounds
        file_low, file_high = np.array([tag.bounds for tag in self.plant.mvs]).T
        held = (problem.mv_low == problem.last_mv) & (problem.mv_high == problem.last_mv)
        file_low = np.where(held, low, np.minimum(file_low, problem.last_mv + problem.max_move))
        file_high = np.where(held, high, np.maximum(file_high, problem.last_mv - problem.max_move))
        return np.maximum(low, file_low), np.minimum(high, file_high)

    def prediction_refusal(self, prediction: Prediction) -> str | None:
        """Why the first trajectory of `prediction` is not safe, or `None`."""
        if not prediction.finite[0]:
            return "the model's prediction is not finite"
        guard = prediction.guard[0]
        for index, name in enumerate(self.guard_names):
            if guard[:, index].max() > GUARD_TOLERANCE:
                row = int(guard[:, index].argmax())
                return f"guardrail {name} is predicted at {guard[row, index]:.3g} in {row + 1} intervals"
        return None

    def setpoints(
        self, mv: Float[np.ndarray, " mv"], problem: ControlProblem, held: Collection[str]
    ) -> Setpoints:
        """The first row of a trajectory that passed, freed of what rounding left beyond a hard limit.

        MVs that are `held` are not in it: they are not written at all.
        """
        low, high = self._bounds(problem)
        low = np.maximum(low, problem.last_mv - problem.max_move)
        high = np.minimum(high, problem.last_mv + problem.max_move)
        exact = problem.on_levels(np.clip(mv, low, high))
        return MappingProxyType(
            {
                tag.name: float(value)
                for tag, value in zip(self.plant.mvs, exact, strict=True)
                if tag.name not in held
            }
        )
