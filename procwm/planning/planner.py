"""The planner: a start from the last plan or from sampling, a program that finishes it, and a check.

Its ladder: the last plan shifted, or resting; sequential quadratic programming from there; the same from
what sampling finds, on a cold start and where the answer is a surprise or not proven optimal; IPOPT where it
still is not. Every rung's answer is predicted again, and the best so far is what a deadline leaves.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from jaxtyping import Float
from threadpoolctl import ThreadpoolController

from procwm.errors import SpecError
from procwm.planning.foresight import Foresight, Point
from procwm.planning.moves import MoveBlocks, MoveSpace, move_blocks
from procwm.planning.nlp import Program
from procwm.planning.objective import objective
from procwm.planning.prediction import GUARD_TOLERANCE, Evaluator
from procwm.planning.problem import ControlProblem, Multipliers, Optimality, Plan, PlanStatus
from procwm.planning.sampling import SamplingConfig, Search, search
from procwm.planning.solution import Solution, Stop
from procwm.planning.sqp import SequentialProgram
from procwm.planning.steady_state import SteadyState, SteadyTargets
from procwm.planning.transcription import transcribe
from procwm.planning.warm_start import shifted, unexpected
from procwm.plant.tags import names_of
from procwm.world.model import WorldModel

_RESERVE = 0.1
"""Share of the deadline kept back for the last check."""
_STEADY_SHARE = 0.25
"""Share of the deadline that the steady-state targets may take."""
_PUSHED = 1e-9
"""Multipliers above this are of active limits."""
_BLAS = ThreadpoolController()
"""More threads than one make small matrix products slower, and wait for each other on a busy machine."""


@dataclass(frozen=True, kw_only=True, eq=False)
class _Solvers:
    """What is built once for a model and a horizon."""

    blocks: MoveBlocks
    steady: SteadyTargets
    sqp: SequentialProgram
    ipopt: Program


class MpcPlanner:
    """Plans MV trajectories through a world model; a `Planner`.

    The same problem, warm start and seed give the same plan, unless the deadline is what ended the search.
    """

    def __init__(
        self,
        model: WorldModel,
        *,
        seed: int = 0,
        blocks: Sequence[int] | None = None,
        sampling: SamplingConfig | None = None,
    ) -> None:
        """Read the model and build its programs.

        Args:
            model: finished; what is planned through. Later changes of its weights are not seen.
            seed: of the sampling search.
            blocks: intervals per block of moves; `block_lengths` of the horizon where `None`.
            sampling: how hard to search.

        Raises:
            SpecError: the model has a layer that a program cannot be written through, or `blocks` do not
                fit its horizon.
        """
        self._model, self._seed, self._lengths = model, seed, blocks
        self._sampling = sampling or SamplingConfig()
        self._transcript = transcribe(model)
        self._mv_names, self._guard_names = names_of(model.plant.mvs), model.guard_names
        self._solvers: dict[int, _Solvers] = {}
        self._built(model.horizon)

    @property
    def guard_names(self) -> Sequence[str]:
        """Guardrails that plans are held to."""
        return self._guard_names

    def plan(self, problem: ControlProblem, *, warm_start: Plan | None, deadline_s: float) -> Plan:
        """The best usable plan found within `deadline_s`.

        Args:
            problem: this cycle's.
            warm_start: the plan of the cycle before, or `None` on a cold start.
            deadline_s: wall time from now.

        Raises:
            SpecError: the problem's axes are not those of the model.
        """
        _check_axes(self._model, problem)
        began = time.perf_counter()
        solvers = self._built(problem.horizon)
        # A diverging candidate overflows; it is recognised by what comes out, not by a warning on the way.
        with np.errstate(over="ignore", invalid="ignore"), _BLAS.limit(limits=1):
            steady = self._steady(solvers, problem, warm_start, began + _STEADY_SHARE * deadline_s)
            cycle = self._cycle(solvers, problem, steady, began, deadline_s)
            return cycle.plan(cycle.best(warm_start))

    def _steady(
        self, solvers: _Solvers, problem: ControlProblem, warm_start: Plan | None, deadline: float
    ) -> SteadyState | None:
        """Where the plant is to rest, sought from where the last plan ends."""
        if problem.priorities is None:
            return None
        previous = None if warm_start is None else warm_start.mv[-1:]
        known = (
            previous is not None
            and previous.shape == (1, len(problem.last_mv))
            and np.isfinite(previous).all()
        )
        start = previous[0] if previous is not None and known else problem.last_mv
        return solvers.steady.targets(problem, start, deadline=deadline)

    def _cycle(
        self,
        solvers: _Solvers,
        problem: ControlProblem,
        steady: SteadyState | None,
        began: float,
        deadline_s: float,
    ) -> "_Cycle":
        notes: tuple[str, ...] = ()
        if steady is not None:
            notes = tuple(steady.notes(self._model.output_names, self._guard_names))
            problem = steady.laid_over(problem)
        elif problem.priorities is not None:
            notes = ("ranks, prices and resting values are left out: no steady state was found in time",)
        return _Cycle(
            began=began,
            deadline_s=deadline_s,
            model=self._model,
            names=(self._mv_names, self._guard_names),
            foresight=Foresight(self._transcript, MoveSpace(solvers.blocks, problem), objective(problem)),
            solvers=solvers,
            generator=np.random.default_rng(self._seed),
            sampling=self._sampling,
            notes=notes,
        )

    def _built(self, horizon: int) -> _Solvers:
        if horizon not in self._solvers:
            blocks = move_blocks(horizon, self._lengths)
            self._solvers[horizon] = _Solvers(
                blocks=blocks,
                steady=SteadyTargets(self._transcript, horizon),
                sqp=SequentialProgram(),
                ipopt=Program(self._transcript, blocks),
            )
        return self._solvers[horizon]


@dataclass(frozen=True, eq=False)
class _Candidate:
    """One trajectory and what the model predicts of it.

    Attributes:
        rung: where it came from.
        point: knots and what they lead to.
        stopped: what ended the optimisation that it comes from, if any.
        optimality: as checked there.
    """

    rung: str
    point: Point
    stopped: Stop | None = None
    optimality: Optimality | None = None

    @property
    def proven(self) -> bool:
        """Whether the optimality conditions hold, guardrails included."""
        return self.safe and self.stopped is Stop.OPTIMAL

    @property
    def safe(self) -> bool:
        return self.point.violation == 0.0

    @property
    def rank(self) -> tuple[bool, float, float]:
        """Smaller is better: safe before unsafe, then less unsafe to a solver's accuracy, then cheaper."""
        violation = self.point.violation
        return not self.safe, round(violation, 3) if violation < np.inf else np.inf, self.point.cost


@dataclass(kw_only=True, eq=False)
class _Cycle:
    """One call of the planner: the rungs of its ladder, each tried while there is time."""

    began: float
    deadline_s: float
    model: WorldModel
    names: tuple[Sequence[str], Sequence[str]]
    foresight: Foresight
    solvers: _Solvers
    generator: np.random.Generator
    sampling: SamplingConfig
    notes: tuple[str, ...]
    check_s: float = 0.0
    searched: Search | None = None

    @property
    def space(self) -> MoveSpace:
        return self.foresight.space

    def best(self, warm_start: Plan | None) -> _Candidate:
        """The best candidate in the time there is."""
        start = self._start(warm_start)
        best = self._better(start, self._sqp(start))
        if warm_start is None or not best.proven or unexpected(warm_start, best.point.cost):
            found = self._search(best)
            if found is not None:
                best = self._better(self._better(best, found), self._sqp(found))
        if not best.proven:
            best = self._better(best, self._ipopt(best))
            if best.safe:
                best = self._better(best, self._sqp(best))
        return best

    def _start(self, warm_start: Plan | None) -> _Candidate:
        """The better of the last plan and of resting."""
        previous = shifted(warm_start, self.space) if warm_start is not None else None
        return self._checked({"hold": self.space.hold} | ({} if previous is None else {"previous": previous}))

    def _checked(
        self, knots: Mapping[str, Float[np.ndarray, "knot mv"]], solution: Solution | None = None
    ) -> _Candidate:
        """The best of one or more candidates, as the model predicts them."""
        began = time.perf_counter()
        found = [
            _Candidate(
                rung=rung,
                point=self.foresight.point(one),
                stopped=solution.stopped if solution is not None else None,
                optimality=solution.optimality if solution is not None else None,
            )
            for rung, one in knots.items()
        ]
        self.check_s = max(self.check_s, time.perf_counter() - began)
        return min(found, key=lambda candidate: candidate.rank)

    def _better(self, best: _Candidate, other: _Candidate) -> _Candidate:
        """`other` where it keeps hard limits and is no worse, else `best`."""
        return other if self.space.admits(other.point.at.mv) and other.rank <= best.rank else best

    def _search(self, best: _Candidate) -> _Candidate | None:
        """What sampling finds around `best`; `None` where no prediction is finite."""
        starts = np.stack((best.point.knots, self.space.hold))
        self.searched = search(
            Evaluator(self.model, self.space.problem),
            self.space,
            starts,
            self.generator,
            deadline=self._deadline,
            config=self.sampling,
        )
        return self._checked({"sampling": self.searched.knots}) if self.searched.finite else None

    def _sqp(self, start: _Candidate) -> _Candidate:
        """What `start` leads to."""
        if not start.point.finite:
            return start
        solution = self.solvers.sqp.solve(self.foresight, start.point.knots, deadline=self._deadline)
        if solution.iterations == 0:
            return replace(start, stopped=solution.stopped, optimality=solution.optimality)
        return self._checked({"sqp": solution.knots}, solution)

    def _ipopt(self, best: _Candidate) -> _Candidate:
        """The reference program's answer near `best`; guardrails give way where that is unsafe."""
        if not best.point.finite or time.perf_counter() > self._deadline:
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
        """Of `time.perf_counter()`, for everything but the last check."""
        return self.began + self.deadline_s - max(_RESERVE * self.deadline_s, 2.0 * self.check_s)

    def plan(self, best: _Candidate) -> Plan:
        """`best` with its status."""
        active = self._active(best.optimality.multipliers) if best.optimality is not None else ()
        elapsed_s = time.perf_counter() - self.began
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

    def _status(self, best: _Candidate, elapsed_s: float) -> PlanStatus:
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
            for name, pushed in zip(names, np.max(values, axis=0) > _PUSHED, strict=True)
            if pushed
        )

    def _note(self, best: _Candidate) -> str:
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


def _check_axes(model: WorldModel, problem: ControlProblem) -> None:
    expected = {
        "latent": (model.readout.in_features, problem.latent.shape[0]),
        "mv": (len(model.plant.mvs), problem.last_mv.shape[0]),
        "dv": (len(model.plant.dvs), problem.dv.shape[1]),
        "cv": (len(model.output_names), problem.target.shape[1]),
    }
    for axis, (needed, given) in expected.items():
        if needed != given:
            raise SpecError(
                f"plant {model.plant.name}: a problem with {given} {axis}; its model has {needed}"
            )
