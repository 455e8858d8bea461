"""The planner: a start from the last plan or from sampling, a program that finishes it, and a check."""

import time
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from procwm.errors import SpecError
from procwm.planning.moves import MoveBlocks, MoveSpace, move_blocks
from procwm.planning.nlp import Program
from procwm.planning.prediction import GUARD_TOLERANCE, Evaluator, Prediction
from procwm.planning.problem import ControlProblem, Plan, PlanStatus
from procwm.planning.sampling import SamplingConfig, Search, search
from procwm.planning.transcription import transcribe
from procwm.planning.warm_start import shifted, unexpected
from procwm.world.model import WorldModel

_RESERVE = 0.1
"""Share of the deadline kept back for the last check."""


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
        """Read the model and build its program.

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
        self._programs: dict[int, tuple[MoveBlocks, Program]] = {}
        self._built(model.horizon)

    @property
    def guard_names(self) -> Sequence[str]:
        """Guardrails that plans are held to."""
        return self._model.guard_names

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
        blocks, program = self._built(problem.horizon)
        cycle = _Cycle(
            began=began,
            deadline_s=deadline_s,
            evaluator=Evaluator(self._model, problem),
            space=MoveSpace(blocks, problem),
            program=program,
            generator=np.random.default_rng(self._seed),
            sampling=self._sampling,
        )
        return cycle.plan(*cycle.best(warm_start))

    def _built(self, horizon: int) -> tuple[MoveBlocks, Program]:
        if horizon not in self._programs:
            blocks = move_blocks(horizon, self._lengths)
            self._programs[horizon] = blocks, Program(self._transcript, blocks)
        return self._programs[horizon]


@dataclass(frozen=True, eq=False)
class _Candidate:
    """One trajectory that keeps hard limits, and what it is predicted to do."""

    rung: str
    knots: Float[np.ndarray, "knot mv"]
    prediction: Prediction

    @property
    def rank(self) -> tuple[float, float]:
        """Smaller is better: safe before unsafe, then cheap before dear."""
        return float(self.prediction.violation[0]), float(self.prediction.cost[0])

    @property
    def finite(self) -> bool:
        return bool(self.prediction.finite[0])

    @property
    def safe(self) -> bool:
        return self.rank[0] == 0.0


@dataclass(kw_only=True, eq=False)
class _Cycle:
    """One call of the planner: the rungs of its ladder, each tried while there is time."""

    began: float
    deadline_s: float
    evaluator: Evaluator
    space: MoveSpace
    program: Program
    generator: np.random.Generator
    sampling: SamplingConfig
    searched: Search | None = None

    @property
    def _deadline(self) -> float:
        """Of `time.perf_counter()`, for everything but the last check."""
        return self.began + (1.0 - _RESERVE) * self.deadline_s

    @property
    def _late(self) -> bool:
        return time.perf_counter() > self._deadline

    def best(self, warm_start: Plan | None) -> tuple[_Candidate, bool]:
        """The best candidate in the time there is, and whether it is a verified optimum."""
        best = self._candidate("hold", self.space.hold)
        previous = shifted(warm_start, self.space) if warm_start is not None else None
        expected = False
        if warm_start is not None and previous is not None:
            best = self._better(best, self._candidate("previous", previous))
            expected = best.safe and not unexpected(warm_start, best.rank[1])
        if not expected:
            best = self._search(best)
        best, proven = self._finish(best)
        if not proven and self.searched is None:
            best, proven = self._finish(self._search(best))
        if best.finite and not best.safe and not self._late:
            best, proven = self._better(best, self._solve("recovery", best, recover=True)[0]), False
        return best, proven

    def _candidate(self, rung: str, knots: Float[np.ndarray, "knot mv"]) -> _Candidate:
        return _Candidate(rung, knots, self.evaluator.predict(self.space.expand(knots)[None]))

    def _better(self, best: _Candidate, other: _Candidate) -> _Candidate:
        """`other` where it keeps hard limits and is no worse, else `best`."""
        return other if self.space.admits(other.prediction.mv[0]) and other.rank <= best.rank else best

    def _search(self, best: _Candidate) -> _Candidate:
        """The better of `best` and what sampling finds around it."""
        starts = np.stack((best.knots, self.space.hold))
        self.searched = search(
            self.evaluator, self.space, starts, self.generator, deadline=self._deadline, config=self.sampling
        )
        if not self.searched.finite:
            return best
        return self._better(best, self._candidate("sampling", self.searched.knots))

    def _finish(self, best: _Candidate) -> tuple[_Candidate, bool]:
        """The program started from `best`, and whether it ended in an optimum that the model confirms."""
        if not best.finite or self._late:
            return best, False
        finished, converged = self._solve("program", best, recover=False)
        better = self._better(best, finished)
        return better, converged and better is finished and better.safe

    def _solve(self, rung: str, start: _Candidate, *, recover: bool) -> tuple[_Candidate, bool]:
        solution = self.program.solve(
            self.space, self.evaluator.objective, start.knots, deadline=self._deadline, recover=recover
        )
        return self._candidate(rung, solution.knots), solution.converged

    def plan(self, best: _Candidate, proven: bool) -> Plan:
        """`best` with its status."""
        elapsed_s = time.perf_counter() - self.began
        status = self._status(best, proven, elapsed_s)
        return Plan(
            status=status,
            mv=best.prediction.mv[0],
            cv=best.prediction.cv[0],
            guard=best.prediction.guard[0],
            cost=best.rank[1] if status.usable else np.inf,
            solve_s=elapsed_s,
            rung=best.rung,
            note=self._note(best),
        )

    def _status(self, best: _Candidate, proven: bool, elapsed_s: float) -> PlanStatus:
        if not best.finite:
            return PlanStatus.DIVERGED
        if elapsed_s > self.deadline_s:
            return PlanStatus.LATE
        if not best.safe:
            return PlanStatus.INFEASIBLE
        return PlanStatus.OPTIMAL if proven else PlanStatus.FEASIBLE

    def _note(self, best: _Candidate) -> str:
        notes = []
        if best.finite and not best.safe:
            guard = best.prediction.guard[0]
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
