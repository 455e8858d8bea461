"""Where the plant is to come to rest: targets for CVs and MVs, by rank, for the plan to lead to.

The layer above the dynamic one that multivariable controllers have; Qin and Badgwell, A survey of industrial
model predictive control technology, Control Engineering Practice 11(7), 2003. Where it leads if the MVs rest
at `u` is predicted as

    y(u) = y_H(last MVs) + bias_H + [y_L(u) - y_L(last MVs)],

the first two terms being what the disturbance estimate makes exact once the plant rests. So targets have no
offset, whatever the gains are worth. `L` is long enough for outputs that swing slowly (`at_rest`). An output
that has not settled by then is treated by its rate, which is to be 0 at rest; where it has a price, it is
led to where it costs least within its zone and limits.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum

import numpy as np
from jaxtyping import Bool, Float

from procwm.planning.at_rest import RestingPlant, plant_at_rest
from procwm.planning.problem import ControlProblem, Plan, Priorities
from procwm.planning.quadratic_program import Interval
from procwm.planning.ranked import Freedom, UnsolvedError
from procwm.planning.transcription import Transcript

STEADY_SHARE = 0.25
"""Share of a plan's deadline that steady-state targets may take."""
_HORIZONS = 3
_ITERATIONS = 4
"""Of linearisation; a linear plant needs one, and one more to see that."""
_SETTLED = 1e-6
_FARTHEST = 0.5
"""Of an MV's span: how far one linearisation is believed."""
_GUARD_BACK_OFF = 1e-4
_WORTH_SAYING = 1e-4
"""Of a span: a wish missed by less is granted."""


_LEFT_OUT = "ranks, prices and resting values are left out"


class NoSteadyState(StrEnum):
    """Why a cycle has no targets at rest."""

    SHORT = f"{_LEFT_OUT}: a horizon of one interval shows no rest"
    LATE = f"{_LEFT_OUT}: no steady state was found in time"
    NOT_FINITE = f"{_LEFT_OUT}: what is predicted at rest is not finite"
    UNSOLVED = f"{_LEFT_OUT}: the program for the steady state has no verified answer"
    FAR = f"{_LEFT_OUT}: the steady state is further away than {_ITERATIONS} linearisations reach"


@dataclass(frozen=True, eq=False)
class SteadyState:
    """Where the plant can rest.

    Attributes:
        mv: engineering units.
        limit_missed: what each output's limits give way by, with its sign; 0 where they are kept.
        goal_missed: likewise of its setpoint or zone.
        place: where an output that integrates costs least; NaN for all others, which rest where MVs do.
        adrift: outputs whose rate could not be brought to 0.
        unsafe: guardrails that cannot be kept at rest.
    """

    mv: Float[np.ndarray, " mv"]
    limit_missed: Float[np.ndarray, " output"]
    goal_missed: Float[np.ndarray, " output"]
    place: Float[np.ndarray, " output"]
    adrift: Bool[np.ndarray, " output"]
    unsafe: Bool[np.ndarray, " guard"]

    def laid_over(self, problem: ControlProblem) -> ControlProblem:
        """`problem` with targets that can be had, and a place to rest for its MVs."""
        goal, limit = self.goal_missed, self.limit_missed
        place_mvs = problem.priorities is not None and problem.priorities.place_mvs
        placed = np.isfinite(self.place)
        return replace(
            problem,
            target=problem.target + goal,
            zone_low=np.where(placed, self.place, problem.zone_low + np.minimum(goal, 0.0)),
            zone_high=np.where(placed, self.place, problem.zone_high + np.maximum(goal, 0.0)),
            low=problem.low + np.minimum(limit, 0.0),
            high=problem.high + np.maximum(limit, 0.0),
            rest=self.mv if place_mvs else None,
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

    def __init__(
        self, transcript: Transcript, horizon: int, *, clock: Callable[[], float] = time.perf_counter
    ) -> None:
        self._transcript, self._rows = transcript, _HORIZONS * horizon
        self._clock, self._longest_s = clock, 0.0

    def continued(
        self, problem: ControlProblem, warm_start: Plan | None, *, deadline: float
    ) -> SteadyState | NoSteadyState:
        """`targets`, linearised at first where the last plan ends."""
        previous = np.zeros(0) if warm_start is None or not len(warm_start.mv) else warm_start.mv[-1]
        known = previous.shape == problem.last_mv.shape and np.isfinite(previous).all()
        return self.targets(problem, previous if known else problem.last_mv, deadline=deadline)

    def targets(
        self, problem: ControlProblem, start: Float[np.ndarray, " mv"], *, deadline: float
    ) -> SteadyState | NoSteadyState:
        """Where the plant is to rest, or why that is not known.

        Args:
            problem: with priorities.
            start: MVs to linearise at first.
            deadline: of the clock; no linearisation is begun that would pass it.
        """
        asked = problem.priorities
        assert asked is not None
        if problem.horizon < 2:
            return NoSteadyState.SHORT
        mv, found = start.clip(problem.mv_low, problem.mv_high), None
        why = NoSteadyState.LATE
        for _ in range(_ITERATIONS):
            began = self._clock()
            if began + self._longest_s > deadline:
                # One slow linearisation must not keep later cycles from trying.
                self._longest_s *= 0.8
                break
            local = plant_at_rest(self._transcript, problem, mv, self._rows)
            if local is None:
                why = NoSteadyState.NOT_FINITE
                break
            try:
                found = _by_rank(local, problem, asked)
            except UnsolvedError:
                why = NoSteadyState.UNSOLVED
                break
            change = found.mv - mv
            mv = found.mv
            self._longest_s = max(0.8 * self._longest_s, self._clock() - began)
            if (np.abs(change) <= _SETTLED * problem.mv_span).all():
                break
            if (np.abs(change) >= (_FARTHEST - _SETTLED) * problem.mv_span).any():
                # What is out of reach of this linearisation may be in reach of the next.
                found, why = None, NoSteadyState.FAR
        return why if found is None else found


def _by_rank(local: RestingPlant, problem: ControlProblem, asked: Priorities) -> SteadyState:
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
    # What comes last must not cost what was solved before it.
    with suppress(UnsolvedError):
        for rows, place in ((chosen, asked.ideal), (~chosen, problem.last_mv)):
            there = ((place - local.mv) / mv_span)[rows]
            freedom.grant(np.eye(len(mv_span))[rows], Interval(there, there), np.ones(len(there)))
    return SteadyState(
        mv=(local.mv + mv_span * freedom.x).clip(problem.mv_low, problem.mv_high),
        limit_missed=limit,
        goal_missed=goal,
        place=_places(local, problem, asked),
        adrift=np.abs(drift) > _WORTH_SAYING,
        unsafe=unsafe != 0.0,
    )


def _places(local: RestingPlant, problem: ControlProblem, asked: Priorities) -> Float[np.ndarray, " output"]:
    """Where outputs that integrate cost least, within zones and limits; NaN where prices leave that open.

    MVs at rest do not decide where such an output rests, so its price cannot decide where MVs rest.
    """
    low = np.maximum(problem.zone_low, problem.low)
    high = np.minimum(problem.zone_high, problem.high)
    falling = np.where(asked.price > 0.0, low, np.where(asked.price < 0.0, high, np.nan))
    with np.errstate(divide="ignore", invalid="ignore"):
        bottom = np.clip(-asked.price / (2.0 * asked.price_quadratic), low, high)
    place = np.where(asked.price_quadratic > 0.0, bottom, falling)
    free = local.moving & np.isnan(problem.target[-1]) & (low <= high)
    return np.where(free & np.isfinite(place), place, np.nan)


def _prices(
    local: RestingPlant, problem: ControlProblem, asked: Priorities
) -> tuple[Float[np.ndarray, "mv mv"], Float[np.ndarray, " mv"]]:
    """Hessian and gradient of what an interval at rest costs, as far as MVs at rest decide it."""
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
