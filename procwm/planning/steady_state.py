"""Where the plant is to come to rest: targets for CVs and MVs, by rank, for the plan to lead to.

The layer above the dynamic one that multivariable controllers have; Qin and Badgwell, A survey of industrial
model predictive control technology, Control Engineering Practice 11(7), 2003. Where it leads if the MVs rest
at `u` is predicted as

    y(u) = y_H(last MVs) + bias_H + [y_L(u) - y_L(last MVs)],    L = 3 H,

the first two terms being what the disturbance estimate makes exact once the plant rests. So targets have no
offset, whatever the gains are worth, and the gains `dy_L/du` are those at the present latent state. An
output that has not settled after `L` intervals is treated by its rate, which is to be 0 at rest.
"""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Bool, Float

from procwm.planning.linearisation import LatentTrajectory, imagine, outputs
from procwm.planning.moves import MoveBlocks, MoveSpace
from procwm.planning.problem import ControlProblem, Plan, Priorities
from procwm.planning.quadratic_program import Interval
from procwm.planning.ranked import Freedom, UnsolvedError
from procwm.planning.transcription import Transcript

STEADY_SHARE = 0.25
"""Share of a plan's deadline that steady-state targets may take."""
LEFT_OUT = "ranks, prices and resting values are left out: no steady state was found in time"
_HORIZONS = 3
_ITERATIONS = 4
"""Of linearisation; a linear plant needs one, and one more to see that."""
_SETTLED = 1e-6
_FARTHEST = 0.5
"""Of an MV's span: how far one linearisation is believed."""
_STILL_MOVING = 0.5
"""`rate * L / value` of a step response: 1 for an integrator, 0.58 after one time constant, 0 at rest."""
_GUARD_BACK_OFF = 1e-4
_WORTH_SAYING = 1e-4
"""Of a span: a wish missed by less is granted."""


@dataclass(frozen=True, eq=False)
class SteadyState:
    """Where the plant can rest.

    Attributes:
        mv: engineering units.
        limit_missed: what each output's limits give way by, with its sign; 0 where they are kept.
        goal_missed: likewise of its setpoint or zone.
        adrift: outputs whose rate could not be brought to 0.
        unsafe: guardrails that cannot be kept at rest.
    """

    mv: Float[np.ndarray, " mv"]
    limit_missed: Float[np.ndarray, " output"]
    goal_missed: Float[np.ndarray, " output"]
    adrift: Bool[np.ndarray, " output"]
    unsafe: Bool[np.ndarray, " guard"]

    def laid_over(self, problem: ControlProblem) -> ControlProblem:
        """`problem` with targets that can be had, and a place to rest for its MVs."""
        goal, limit = self.goal_missed, self.limit_missed
        place = problem.priorities is not None and problem.priorities.place_mvs
        return replace(
            problem,
            target=problem.target + goal,
            zone_low=problem.zone_low + np.minimum(goal, 0.0),
            zone_high=problem.zone_high + np.maximum(goal, 0.0),
            low=problem.low + np.minimum(limit, 0.0),
            high=problem.high + np.maximum(limit, 0.0),
            rest=self.mv if place else None,
        )

    def notes(self, outputs: Sequence[str], guards: Sequence[str]) -> Iterator[str]:
        """What cannot be had, in words."""
        for name, unsafe in zip(guards, self.unsafe, strict=True):
            if unsafe:
                yield f"guardrail {name} cannot be kept at rest"
        parts = zip(outputs, self.limit_missed, self.goal_missed, self.adrift, strict=True)
        for name, limit, goal, adrift in parts:
            if adrift:
                yield f"{name} cannot be brought to rest"
            if limit:
                yield f"{name} cannot rest within its limits: {_beside(limit)}"
            if goal:
                yield f"{name} cannot rest at its target: {_beside(goal)}"


def _beside(missed: float) -> str:
    return f"{abs(missed):.3g} {'above' if missed > 0 else 'below'}"


class SteadyTargets:
    """The layer for one model and horizon."""

    def __init__(self, transcript: Transcript, horizon: int) -> None:
        self._transcript, self._rows = transcript, _HORIZONS * horizon
        self._longest_s = 0.0

    def sought(
        self, problem: ControlProblem, warm_start: Plan | None, *, deadline: float
    ) -> SteadyState | None:
        """`targets`, sought from where the last plan ends."""
        previous = np.zeros(0) if warm_start is None or not len(warm_start.mv) else warm_start.mv[-1]
        known = previous.shape == problem.last_mv.shape and np.isfinite(previous).all()
        return self.targets(problem, previous if known else problem.last_mv, deadline=deadline)

    def targets(
        self, problem: ControlProblem, start: Float[np.ndarray, " mv"], *, deadline: float
    ) -> SteadyState | None:
        """Where the plant is to rest; `None` where there is no answer, or no time for one.

        Args:
            problem: with priorities.
            start: MVs to linearise at first.
            deadline: of `time.perf_counter()`; no linearisation is begun that would pass it.
        """
        if problem.priorities is None or problem.horizon < 2:
            return None
        low, high = problem.mv_low, problem.mv_high
        mv, found = start.clip(low, high), None
        for _ in range(_ITERATIONS):
            began = time.perf_counter()
            if began + self._longest_s > deadline:
                # One slow linearisation must not keep later cycles from trying.
                self._longest_s *= 0.8
                break
            local = self._local(problem, mv)
            if local is None:
                break
            try:
                found = _by_rank(local, problem, problem.priorities)
            except UnsolvedError:
                break
            change = found.mv - mv
            mv = found.mv
            self._longest_s = max(0.8 * self._longest_s, time.perf_counter() - began)
            if (np.abs(change) <= _SETTLED * problem.mv_span).all():
                break
            if (np.abs(change) >= (_FARTHEST - _SETTLED) * problem.mv_span).any():
                # What is out of reach of this linearisation may be in reach of the next.
                found = None
        return found

    def _local(self, problem: ControlProblem, mv: Float[np.ndarray, " mv"]) -> "_Local | None":
        """The plant at rest near `mv`; `None` where its prediction is not finite."""
        rows, horizon = self._rows, problem.horizon
        beyond = [(0, rows - horizon), (0, 0)]
        longer = replace(
            problem,
            dv=np.pad(problem.dv, beyond, mode="edge"),
            bias=np.zeros((rows, problem.bias.shape[1])),
            target=np.pad(problem.target, beyond, mode="edge"),
        )
        held = np.repeat(np.stack((problem.last_mv, mv))[:, None], rows, axis=1)
        latent = imagine(self._transcript, longer, held)
        cv = outputs(self._transcript, longer, latent)
        space = MoveSpace(MoveBlocks((1,), rows), longer)
        at = LatentTrajectory(self._transcript, space, held[1], latent[1], cv[1])
        slope, gain = at.cv_slope, at.cv_slope[-1]
        if not (np.isfinite(cv).all() and np.isfinite(slope).all() and np.isfinite(at.guard).all()):
            return None
        rate = (slope[-1] - slope[-2]) * rows
        moving = np.linalg.norm(rate, axis=1) > _STILL_MOVING * np.linalg.norm(gain, axis=1)
        known = cv[0, :horizon] + problem.bias
        value = known[-1] + cv[1, -1] - cv[0, -1]
        drift = known[-1] - known[-2] + (cv[1, -1] - cv[1, -2]) - (cv[0, -1] - cv[0, -2])
        return _Local(mv, value, gain, rows * drift, rate, moving, at.guard[-1], at.guard_slope[-1])


@dataclass(frozen=True, eq=False)
class _Local:
    """The plant at rest, linear in its MVs; slopes are per `mv_span`.

    Attributes:
        mv: where it is linear.
        value, gain: of outputs, engineering units.
        drift, drift_gain: of what outputs change by in `L` intervals.
        moving: outputs that are treated by their rate.
        guard, guard_gain: of guardrails.
    """

    mv: Float[np.ndarray, " mv"]
    value: Float[np.ndarray, " output"]
    gain: Float[np.ndarray, "output mv"]
    drift: Float[np.ndarray, " output"]
    drift_gain: Float[np.ndarray, "output mv"]
    moving: Bool[np.ndarray, " output"]
    guard: Float[np.ndarray, " guard"]
    guard_gain: Float[np.ndarray, "guard mv"]


def _by_rank(local: _Local, problem: ControlProblem, asked: Priorities) -> SteadyState:
    """Guardrails, rest, limits by rank, goals by rank, prices, resting values, and then the shortest way."""
    span, mv_span, steady = problem.span, problem.mv_span, ~local.moving
    near = np.array([-_FARTHEST, _FARTHEST])[:, None] * mv_span
    box = Interval(
        (np.maximum(problem.mv_low, local.mv + near[0]) - local.mv) / mv_span,
        (np.minimum(problem.mv_high, local.mv + near[1]) - local.mv) / mv_span,
    )
    freedom = Freedom(box)

    safe = Interval(np.full(local.guard.shape, -np.inf), -_GUARD_BACK_OFF - local.guard)
    unsafe = freedom.grant(local.guard_gain, safe, np.ones(len(local.guard)))
    still = Interval(*(2 * (-(local.drift / span)[local.moving],)))
    drift = np.zeros(len(span))
    drift[local.moving] = freedom.grant(
        (local.drift_gain / span[:, None])[local.moving], still, np.ones(int(local.moving.sum()))
    )

    def granted(
        low: Float[np.ndarray, " output"],
        high: Float[np.ndarray, " output"],
        weight: Float[np.ndarray, " output"],
    ) -> Float[np.ndarray, " output"]:
        missed = np.zeros(len(span))
        wanted = steady & (weight > 0.0) & (np.isfinite(low) | np.isfinite(high))
        for rank in np.unique(asked.rank[wanted]):
            rows = wanted & (asked.rank == rank)
            wish = Interval(*(((bound - local.value) / span)[rows] for bound in (low, high)))
            missed[rows] = freedom.grant((local.gain / span[:, None])[rows], wish, weight[rows])
        return np.where(np.abs(missed) > _WORTH_SAYING, missed * span, 0.0)

    limit = granted(problem.low, problem.high, np.ones(len(span)))
    tracked = np.isfinite(problem.target[-1])
    goal = granted(
        np.where(tracked, problem.target[-1], problem.zone_low),
        np.where(tracked, problem.target[-1], problem.zone_high),
        problem.weight,
    )
    freedom.minimise(*_prices(local, problem, asked))
    chosen = np.isfinite(asked.ideal)
    for rows, place in ((chosen, asked.ideal), (~chosen, problem.last_mv)):
        there = ((place - local.mv) / mv_span)[rows]
        freedom.grant(np.eye(len(mv_span))[rows], Interval(there, there), np.ones(len(there)))
    return SteadyState(
        mv=(local.mv + mv_span * freedom.x).clip(problem.mv_low, problem.mv_high),
        limit_missed=limit,
        goal_missed=goal,
        adrift=np.abs(drift) > _WORTH_SAYING,
        unsafe=unsafe != 0.0,
    )


def _prices(
    local: _Local, problem: ControlProblem, asked: Priorities
) -> tuple[Float[np.ndarray, "mv mv"], Float[np.ndarray, " mv"]]:
    """Hessian and gradient of what an interval at rest costs; outputs that never settle have no price."""
    span, steady = problem.mv_span, ~local.moving
    price, square = np.where(steady, asked.price, 0.0), np.where(steady, asked.price_quadratic, 0.0)
    by_cv, by_mv = (
        price + 2.0 * square * local.value,
        asked.mv_price + 2.0 * asked.mv_price_quadratic * local.mv,
    )
    hessian = 2.0 * (
        local.gain.T @ (square[:, None] * local.gain) + np.diag(asked.mv_price_quadratic * span**2)
    )
    return hessian, local.gain.T @ by_cv + span * by_mv
