"""Small steps of the MVs to learn from: mode TEST.

Each MV goes up or down from where it was when the test began and stays for a while, at random and apart from
the others: a generalised binary noise signal (Tulleken, Automatica 26 (1990) 37-49) with a least time
between switches. Limits and largest moves hold, and a step that is predicted to break a limit or a guardrail
is not made. The model may forbid steps and chooses none, so a test can go on with one that is not fit.
"""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from procwm.planning.prediction import GUARD_TOLERANCE, Prediction
from procwm.planning.problem import ControlProblem, Plan, PlanStatus
from procwm.plant.tags import PlantSpec

RUNG = "step test"
_SHARE = 0.05
"""Of the width of an MV's bounds: a step, where the plant file does not say."""
_BLOCK = 1.0 / 3.0
"""Of the horizon: the least time between two switches of an MV."""
_TOLERANCE = 1e-9
WAY_BACK = "step test: a limit is broken; going back to where it began"
_WAYS = (
    (0, "step test"),
    (1, "step test: the step that is due is not predicted safe; going back to where it began"),
)


@dataclass(frozen=True, kw_only=True)
class StepTest:
    """A test that goes on; the same values give the same steps.

    Attributes:
        base: MVs when it began, engineering units, over the axis `mv`.
        begun_ns: of its first cycle, UTC.
    """

    base: tuple[float, ...]
    begun_ns: int

    def target(self, plant: PlantSpec, horizon: int, time_ns: int) -> Float[np.ndarray, " mv"]:
        """Where each MV is to be at `time_ns`: at first at its base, which shows the plant at rest."""
        block = max(1, round(_BLOCK * horizon))
        row = round((time_ns - self.begun_ns) / (1e9 * plant.interval_s))
        found = []
        for index, (tag, base) in enumerate(zip(plant.mvs, self.base, strict=True)):
            number = (row - index * block // len(plant.mvs)) // block
            step = 0.0
            if number > 0:
                low, high = tag.bounds
                step = _SHARE * (high - low) if tag.test_step is None else tag.test_step
                step *= np.random.default_rng([self.begun_ns, index, number]).choice((-1.0, 1.0))
            found.append(base + step)
        return np.array(found)


def trajectories(
    target: Float[np.ndarray, " mv"], base: Float[np.ndarray, " mv"], problem: ControlProblem
) -> Float[np.ndarray, "batch horizon mv"]:
    """The step, the way back to the base, and holding, as fast as moves may be and no further than limits."""
    rows = np.arange(1, problem.horizon + 1)[:, None]
    reach = np.where(np.isfinite(problem.max_move), problem.max_move * rows, np.inf)
    low, high = problem.mv_bounds
    ways = [np.clip(np.clip(end, low, high) - problem.last_mv, -reach, reach) for end in (target, base)]
    return problem.on_levels(problem.last_mv + np.stack((*ways, np.zeros_like(ways[0]))))


def stepped(prediction: Prediction, problem: ControlProblem) -> Plan | None:
    """The first of the step and the way back that is predicted safe; `None` where neither is.

    Args:
        prediction: of `trajectories`.
        problem: of this cycle. No output may be further outside its limits than it is without a move.
    """
    over = np.maximum(prediction.cv - problem.high, 0.0) + np.maximum(problem.low - prediction.cv, 0.0)
    excess = (over / problem.span).sum(axis=1).max(axis=1)
    guard = prediction.guard.max(axis=(1, 2), initial=-np.inf)
    for index, note in _WAYS:
        safe = prediction.finite[index] and guard[index] <= GUARD_TOLERANCE
        if safe and excess[index] <= excess[-1] + _TOLERANCE:
            return Plan(
                status=PlanStatus.FEASIBLE,
                mv=prediction.mv[index],
                cv=prediction.cv[index],
                guard=prediction.guard[index],
                cost=float(prediction.cost[index]),
                solve_s=0.0,
                rung=RUNG,
                note=note,
            )
    return None
