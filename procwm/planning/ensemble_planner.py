"""One plan for several models of a plant: their average, the worst of them, or what lies between."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float
from scipy.optimize import linprog

from procwm.errors import SpecError
from procwm.planning.foresight import Foresight, Point
from procwm.planning.joint import apart, joined
from procwm.planning.moves import MoveSpace, move_blocks
from procwm.planning.objective import Objective, objective
from procwm.planning.problem import ControlProblem, Plan, PlanStatus
from procwm.planning.solution import Stop
from procwm.planning.sqp import SequentialProgram
from procwm.planning.steady_state import STEADY_SHARE, NoSteadyState, SteadyTargets
from procwm.planning.transcription import transcribe
from procwm.planning.warm_start import shifted
from procwm.world.model import WorldModel
from procwm.world.parts.layers import Affine
from procwm.world.threads import one_thread

_PROGRAMS = 20
_CLOSED = 1e-3
"""Of the cost: by how much a plan may exceed what no plan can be better than, and be called optimal."""
_RESERVE = 0.1
"""Share of the deadline kept back for the last check."""


class EnsemblePlanner:
    """Plans one MV trajectory for several models of one plant; a `Planner`.

    What is minimised is the mean cost of the worst models (the conditional value at risk). Every model's
    guardrails are kept. That mean is the largest one over all weights `w` of models with `sum w = 1` and
    `0 <= w <= 1 / (tail * models)` (Rockafellar and Uryasev, J. Risk 2(3), 2000), so plans for fixed weights,
    which are ordinary programs, are made in turn with the worst weights for all plans so far, a linear
    program (Kelley, J. SIAM 8(4), 1960). No plan can be better than the program for any weights, which tells
    how far from optimal the best plan is, where costs are convex.

    Ranks, prices and resting values are seen to by the layer for steady states first: where the first model
    leads, under the guardrails of all.
    """

    def __init__(
        self,
        models: Sequence[WorldModel],
        *,
        tail: float = 0.0,
        blocks: Sequence[int] | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Read the models.

        Args:
            models: finished, of one plant, with one encoder: they differ in what they predict from a latent.
            tail: share of the models, the worst ones, whose mean cost counts: 1 is the average of all, 0 the
                worst case.
            blocks: intervals per block of moves; `block_lengths` of the horizon where `None`.
            clock: seconds that have passed; what deadlines are held to.

        Raises:
            SpecError: the models do not belong together, or have a layer that nothing can be planned through.
        """
        if not models or not 0.0 <= tail <= 1.0:
            raise SpecError(
                f"an ensemble of {len(models)} models and a tail of {tail}; it needs at least one "
                "model and a tail between 0 and 1"
            )
        transcripts = [transcribe(model) for model in models]
        self._transcript = joined(transcripts)
        # Where to rest is where the first model, whose outputs are known best, and the guardrails of all say.
        own = transcripts[0].readout
        read = np.hstack(
            (own.weight, np.zeros((len(own.bias), self._transcript.latent - own.weight.shape[1])))
        )
        self._resting = replace(self._transcript, readout=Affine(read, own.bias))
        self._steady: dict[int, SteadyTargets] = {}
        self._models, self._blocks, self._clock = models, blocks, clock
        self._largest_weight = 1.0 / max(1.0, tail * len(models))
        self._program = SequentialProgram(clock=clock)

    @property
    def guard_names(self) -> Sequence[str]:
        """Guardrails that plans are held to, in every model."""
        return self._models[0].guard_names

    def plan(self, problem: ControlProblem, *, warm_start: Plan | None, deadline_s: float) -> Plan:
        """The best usable plan found within `deadline_s`.

        Its predicted outputs are those of the first model, its guardrails the worst of all.

        Args:
            problem: this cycle's.
            warm_start: the plan of the cycle before, or `None` on a cold start.
            deadline_s: from now, by the clock.

        Raises:
            SpecError: an MV has levels.
        """
        if problem.discrete:
            raise SpecError("an ensemble cannot plan for MVs with levels; take MpcPlanner")
        began = self._clock()
        deadline = began + (1.0 - _RESERVE) * deadline_s
        many = len(self._models)
        with np.errstate(over="ignore", invalid="ignore"), one_thread():
            problem, notes = self._at_rest(problem, warm_start, began + STEADY_SHARE * deadline_s)
            space = MoveSpace(move_blocks(problem.horizon, self._blocks), apart(problem, many))
            best, bound = self._search(space, objective(problem), warm_start, deadline)
        finite, cost = best.finite, float(self._risk(best, objective(problem)))
        elapsed_s = self._clock() - began
        if not finite:
            status = PlanStatus.DIVERGED
        elif elapsed_s > deadline_s:
            status = PlanStatus.LATE
        elif best.violation > 0.0:
            status = PlanStatus.INFEASIBLE
        else:
            status = PlanStatus.OPTIMAL if cost - bound <= _CLOSED * cost else PlanStatus.FEASIBLE
        outputs, guards = problem.target.shape[1], len(self.guard_names)
        return Plan(
            status=status,
            mv=best.at.mv,
            cv=best.at.cv[:, :outputs],
            guard=best.guard.reshape(problem.horizon, many, guards).max(axis=1),
            cost=cost if status.usable else np.inf,
            solve_s=elapsed_s,
            rung="ensemble",
            note="; ".join(notes),
        )

    def _at_rest(
        self, problem: ControlProblem, warm_start: Plan | None, deadline: float
    ) -> tuple[ControlProblem, Sequence[str]]:
        """`problem` with targets that can be had, and what there is to say about that."""
        if problem.priorities is None:
            return problem, ()
        if problem.horizon not in self._steady:
            self._steady[problem.horizon] = SteadyTargets(self._resting, problem.horizon, clock=self._clock)
        layer = self._steady[problem.horizon]
        several = replace(problem, latent=np.tile(problem.latent, len(self._models)))
        found = layer.continued(several, warm_start, deadline=deadline)
        if isinstance(found, NoSteadyState):
            return problem, (found,)
        unsafe = np.asarray(found.unsafe.reshape(len(self._models), -1).any(axis=0))
        names = self._models[0].output_names, self.guard_names
        return found.laid_over(problem), tuple(replace(found, unsafe=unsafe).notes(*names))

    def _search(
        self, space: MoveSpace, wanted: Objective, warm_start: Plan | None, deadline: float
    ) -> tuple[Point, float]:
        """The best plan, and what no plan costs less than as far as is known."""
        many = len(self._models)
        weights, known, bound = np.full(many, 1.0 / many), [], -np.inf
        start = Foresight(self._transcript, space, _weighted(wanted, weights))
        previous = None if warm_start is None else shifted(warm_start, space)
        points = start.points(np.stack([space.hold] + ([] if previous is None else [previous])))
        best = min(points, key=lambda point: self._rank(point, wanted))
        for _ in range(_PROGRAMS):
            if not best.finite or self._clock() > deadline:
                break
            foresight = Foresight(self._transcript, space, _weighted(wanted, weights))
            solution = self._program.solve(foresight, best.knots, deadline=deadline)
            found = foresight.point(solution.knots)
            if not (found.finite and space.admits(found.at.mv)):
                break
            if self._rank(found, wanted) < self._rank(best, wanted):
                best = found
            if solution.stopped is Stop.OPTIMAL and found.violation == 0.0:
                bound = max(bound, found.cost)
            known.append(self._costs(found, wanted))
            if self._risk(best, wanted) - bound <= _CLOSED * self._risk(best, wanted):
                break
            weights = _worst_weights(np.stack(known), self._largest_weight)
        return best, bound

    def _rank(self, point: Point, wanted: Objective) -> tuple[float, float]:
        violation = point.violation
        return (round(violation, 3) if violation < np.inf else np.inf), self._risk(point, wanted)

    def _costs(self, point: Point, wanted: Objective) -> Float[np.ndarray, " model"]:
        outputs = wanted.goal_low.shape[1]
        cv = point.at.cv.reshape(len(point.at.cv), -1, outputs).swapaxes(0, 1)
        return wanted.cost(cv, np.repeat(point.at.mv[None], len(cv), axis=0))

    def _risk(self, point: Point, wanted: Objective) -> float:
        """Mean cost of the worst models."""
        costs = np.sort(self._costs(point, wanted))[::-1]
        left = np.clip(1.0 - self._largest_weight * np.arange(len(costs)), 0.0, self._largest_weight)
        return float(left @ costs) if np.isfinite(costs).all() else np.inf


def _weighted(wanted: Objective, weights: Float[np.ndarray, " model"]) -> Objective:
    """The objective of all models' outputs side by side; those of each count by its weight."""
    many, outputs = len(weights), wanted.goal_low.shape[1]
    each = np.repeat(weights, outputs)
    return replace(
        wanted,
        goal_low=np.tile(wanted.goal_low, many),
        goal_high=np.tile(wanted.goal_high, many),
        goal_weight=each * np.tile(wanted.goal_weight, many),
        low=np.tile(wanted.low, many),
        high=np.tile(wanted.high, many),
        limit_weight=each * np.tile(wanted.limit_weight, many),
    )


def _worst_weights(costs: Float[np.ndarray, "plan model"], largest: float) -> Float[np.ndarray, " model"]:
    """The weights for which the best of the plans is worst: maximise `t` with `t <= costs @ w`."""
    plans, many = costs.shape
    size = float(np.abs(costs).max()) or 1.0
    answer = linprog(
        np.append(np.zeros(many), -1.0),
        A_ub=np.hstack((-costs / size, np.ones((plans, 1)))),
        b_ub=np.zeros(plans),
        A_eq=np.append(np.ones(many), 0.0)[None],
        b_eq=np.ones(1),
        bounds=[(0.0, largest)] * many + [(None, None)],
    )
    if answer.x is None:
        return np.full(many, 1.0 / many)
    return np.asarray(answer.x[:many])
