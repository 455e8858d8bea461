"""One call of the planner: the rungs of its ladder, each tried while there is time.

The last plan shifted, or resting; sequential quadratic programming from there; the same from what sampling
finds, on a cold start and where the answer is a surprise or not proven optimal; IPOPT where it still is not.
Every rung's answer is predicted again, and the best so far is what a deadline leaves.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float

from procwm.planning.candidate import Candidate
from procwm.planning.foresight import Foresight
from procwm.planning.levels import Schedules
from procwm.planning.moves import MoveBlocks, MoveSpace
from procwm.planning.nlp import Program
from procwm.planning.prediction import GUARD_TOLERANCE, Evaluator
from procwm.planning.problem import Multipliers, Plan, PlanStatus
from procwm.planning.sampling import SamplingConfig, Search, search
from procwm.planning.solution import Solution, Stop
from procwm.planning.sqp import ITERATIONS, SequentialProgram
from procwm.planning.steady_state import SteadyTargets
from procwm.planning.warm_start import following, shifted, unexpected
from procwm.world.model import WorldModel

_RESERVE = 0.1
"""Share of the deadline kept back for the last check."""
_PUSHED = 1e-9
"""Multipliers above this are of active limits."""
_RELAXED_SHARE = 0.5
"""Share of the deadline for a plan that knows nothing of levels."""
_LEADING = 3
"""Schedules of a round for which the other MVs are planned, and around which the next ones lie."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Solvers:
    """What is built once for a model and a horizon."""

    blocks: MoveBlocks
    steady: SteadyTargets
    sqp: SequentialProgram
    ipopt: Program


@dataclass(kw_only=True, eq=False)
class PlanningCall:
    """One call of the planner: the rungs of its ladder, each tried while there is time.

    `quick` is a copy of the model that candidates are rolled out with; what comes of them is predicted again.
    With `iterations`, that many of the program are all there is after a plan, where they lead to one that is
    safe and no surprise.
    """

    clock: Callable[[], float]
    began: float
    deadline_s: float
    quick: WorldModel
    names: tuple[Sequence[str], Sequence[str]]
    foresight: Foresight
    solvers: Solvers
    seed: int
    sampling: SamplingConfig
    iterations: int | None
    notes: tuple[str, ...]
    check_s: float = 0.0
    searched: Search | None = None

    @property
    def space(self) -> MoveSpace:
        return self.foresight.space

    def best(self, warm_start: Plan | None) -> Candidate:
        """The best candidate in the time there is."""
        start = self._start(warm_start)
        if warm_start is not None and self.iterations is not None:
            best = self._better(start, self._sqp(start, self.iterations))
            if best.safe and not unexpected(warm_start, best.point.cost):
                return best
            start = best
        best = self._better(start, self._sqp(start))
        if warm_start is None or not best.proven or unexpected(warm_start, best.point.cost):
            found = self._search(best)
            if found is not None and found.point is not best.point:
                best = self._better(self._better(best, found), self._sqp(found))
        if not best.proven:
            best = self._better(best, self._ipopt(best))
            if best.safe:
                best = self._better(best, self._sqp(best))
        return best

    def best_on_levels(self, warm_start: Plan | None) -> Candidate:
        """The best candidate whose MVs with levels are on them.

        Found from the best plan without levels: it is rounded in several ways, and then levels over one
        stretch are changed for as long as that helps. Rollouts choose, and the other MVs are planned anew for
        the schedules that come out best.
        """
        problem, blocks = self.space.problem, self.space.blocks
        relaxing = replace(self, deadline_s=_RELAXED_SHARE * self.deadline_s)
        relaxed = relaxing.best(warm_start)
        self.check_s, self.searched = relaxing.check_s, relaxing.searched
        if not relaxed.point.finite:
            return relaxed
        schedules, predict = Schedules(problem, blocks), Evaluator(self.quick, problem).predict
        previous = None if warm_start is None else following(warm_start, problem)
        tried = schedules.first(relaxed.point.at.mv, previous)
        began = self.clock()
        leading = tried[predict(tried).ranking[:_LEADING]]
        best, stopped = self._on_schedules(leading), Stop.DEADLINE
        longest = self.clock() - began
        while self.clock() + longest <= self._deadline:
            began = self.clock()
            tried = schedules.around(np.concatenate((best.point.at.mv[None], leading)))
            leading = tried[predict(tried).ranking[:_LEADING]]
            found = self._on_schedules(leading)
            if not found.rank < best.rank:
                stopped = Stop.LEVELS
                break
            best, longest = found, max(longest, self.clock() - began)
        return replace(best, stopped=stopped, optimality=None)

    def _on_schedules(self, schedules: Float[np.ndarray, "batch horizon mv"]) -> Candidate:
        """The best of several schedules, each with the other MVs planned for it; at least the first."""
        found: list[Candidate] = []
        for schedule in schedules:
            if found and self.clock() > self._deadline:
                break
            space = replace(self.space, schedule=schedule)
            foresight = Foresight(self.foresight.transcript, space, self.foresight.objective)
            cycle = replace(self, foresight=foresight)
            start = cycle._checked({"levels": space.project(schedule)})
            found.append(start)
            if len(self.space.problem.discrete) < schedule.shape[1]:
                found.append(replace(cycle._better(start, cycle._sqp(start)), rung="levels"))
        return min(found, key=lambda candidate: candidate.rank)

    def _start(self, warm_start: Plan | None) -> Candidate:
        """The last plan; the better of that and of resting where it is unsafe or a surprise."""
        previous = shifted(warm_start, self.space) if warm_start is not None else None
        if warm_start is None or previous is None:
            return self._checked({"hold": self.space.hold})
        start = self._checked({"previous": previous})
        if start.safe and not unexpected(warm_start, start.point.cost):
            return start
        return min(start, self._checked({"hold": self.space.hold}), key=lambda candidate: candidate.rank)

    def _checked(
        self, knots: Mapping[str, Float[np.ndarray, "knot mv"]], solution: Solution | None = None
    ) -> Candidate:
        """The best of one or more candidates, as the model predicts them."""
        began = self.clock()
        if len(knots) > 1:
            # All of them at once, and remembered one by one.
            self.foresight.points(np.array(list(knots.values())))
        found = [
            Candidate(
                rung=rung,
                point=self.foresight.point(one),
                stopped=solution.stopped if solution is not None else None,
                optimality=solution.optimality if solution is not None else None,
            )
            for rung, one in knots.items()
        ]
        self.check_s = max(self.check_s, self.clock() - began)
        return min(found, key=lambda candidate: candidate.rank)

    def _better(self, best: Candidate, other: Candidate) -> Candidate:
        """`other` where it keeps hard limits and is no worse, else `best`."""
        return other if self.space.admits(other.point.at.mv) and other.replaces(best) else best

    def _search(self, best: Candidate) -> Candidate | None:
        """What sampling finds around `best`; `None` where no prediction is finite."""
        starts = np.stack((best.point.knots, self.space.hold))
        self.searched = search(
            Evaluator(self.quick, self.space.problem),
            self.space,
            starts,
            np.random.default_rng(self.seed),
            deadline=self._deadline,
            config=self.sampling,
            clock=self.clock,
        )
        return self._checked({"sampling": self.searched.knots}) if self.searched.finite else None

    def _sqp(self, start: Candidate, iterations: int = ITERATIONS) -> Candidate:
        """What `start` leads to."""
        if not start.point.finite:
            return start
        solution = self.solvers.sqp.solve(
            self.foresight, start.point.knots, deadline=self._deadline, iterations=iterations
        )
        if solution.iterations == 0:
            return replace(start, stopped=solution.stopped, optimality=solution.optimality)
        return self._checked({"sqp": solution.knots}, solution)

    def _ipopt(self, best: Candidate) -> Candidate:
        """The reference program's answer near `best`; guardrails give way where that is unsafe."""
        if not best.point.finite or self.clock() > self._deadline:
            return best
        solution = self.solvers.ipopt.solve(
            self.space,
            self.foresight.objective,
            best.point.knots,
            deadline=self._deadline,
            recover=not best.safe,
        )
        return self._checked({"ipopt" if best.safe else "recovery": solution.knots})

    @property
    def _deadline(self) -> float:
        """Of the clock, for everything but the last check."""
        return self.began + self.deadline_s - max(_RESERVE * self.deadline_s, 2.0 * self.check_s)

    def plan(self, best: Candidate) -> Plan:
        """`best` with its status."""
        active = self._active(best.optimality.multipliers) if best.optimality is not None else ()
        elapsed_s = self.clock() - self.began
        status = self._status(best, elapsed_s)
        return Plan(
            status=status,
            mv=best.point.at.mv,
            cv=best.point.at.cv,
            guard=best.point.guard,
            cost=best.point.cost if status.usable else np.inf,
            solve_s=elapsed_s,
            rung=best.rung,
            note=self._note(best),
            stopped=best.stopped or "",
            optimality=best.optimality,
            active=active,
        )

    def _status(self, best: Candidate, elapsed_s: float) -> PlanStatus:
        if not best.point.finite:
            return PlanStatus.DIVERGED
        if elapsed_s > self.deadline_s:
            return PlanStatus.LATE
        if not best.safe:
            return PlanStatus.INFEASIBLE
        return PlanStatus.OPTIMAL if best.proven else PlanStatus.FEASIBLE

    def _active(self, multipliers: Multipliers) -> tuple[str, ...]:
        """Hard limits with a multiplier that is more than rounding, in words."""
        mvs, guards = self.names
        parts = (
            (mvs, "high limit", multipliers.range),
            (mvs, "low limit", -multipliers.range),
            (mvs, "largest move", np.abs(multipliers.move)),
            (guards, "guardrail", multipliers.guard),
        )
        return tuple(
            f"{name} {limit}"
            for names, limit, values in parts
            for name, pushed in zip(names, np.any(values > _PUSHED, axis=0), strict=True)
            if pushed
        )

    def _note(self, best: Candidate) -> str:
        notes = list(self.notes)
        if best.point.finite and not best.safe:
            guard = best.point.guard
            first, last = np.flatnonzero((guard > GUARD_TOLERANCE).any(axis=1))[[0, -1]]
            notes.append(
                f"a guardrail is exceeded by up to {guard.max():.3g} in intervals {first + 1} to {last + 1}"
            )
        if self.searched is not None and self.searched.excluded:
            notes.append(f"{self.searched.excluded} of {self.searched.tried} candidates were not finite")
        return "; ".join(notes)
