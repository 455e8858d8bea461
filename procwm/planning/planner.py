"""The planner: what is built once for a model, and what is done in every cycle."""

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from procwm.errors import SpecError
from procwm.planning.data_region import DataRegion
from procwm.planning.foresight import Foresight
from procwm.planning.ladder import PlanningCall, Solvers
from procwm.planning.moves import MoveSpace, move_blocks
from procwm.planning.nlp import Program
from procwm.planning.objective import objective
from procwm.planning.prediction import in_single_precision
from procwm.planning.problem import ControlProblem, Plan
from procwm.planning.sampling import SamplingConfig
from procwm.planning.sqp import SequentialProgram
from procwm.planning.steady_state import STEADY_SHARE, NoSteadyState, SteadyState, SteadyTargets
from procwm.planning.transcription import transcribe
from procwm.world.model import WorldModel
from procwm.world.threads import one_thread


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
        data_region: bool = False,
        iterations: int | None = None,
        clock: Callable[[], float] = time.perf_counter,
    ) -> None:
        """Read the model and build its programs.

        Args:
            model: finished; what is planned through. Later changes of its weights are not seen.
            seed: of the sampling search.
            blocks: intervals per block of moves; `block_lengths` of the horizon where `None`.
            sampling: how hard to search.
            data_region: whether plans keep to where the model's log was.
            iterations: of real-time plans: the last plan is improved by at most so many, and what is left to
                gain is left to the next cycle, unless a guardrail would be broken or the cost is a surprise.
                `None` goes on until the optimality conditions hold.
            clock: seconds that have passed; what deadlines are held to.

        Raises:
            SpecError: the model has a layer that a program cannot be written through, or does not know where
                its log was; `blocks` do not fit its horizon; or `iterations` is below 1.
        """
        if iterations is not None and iterations < 1:
            raise SpecError(f"iterations is {iterations}; a plan takes at least 1")
        self._model, self._seed, self._lengths, self._clock = model, seed, blocks, clock
        self._made_with: dict[str, Any] = {
            "seed": seed,
            "blocks": blocks,
            "sampling": sampling,
            "data_region": data_region,
            "iterations": iterations,
            "clock": clock,
        }
        self._sampling, self._iterations = sampling or SamplingConfig(), iterations
        self._transcript, self._quick = transcribe(model), in_single_precision(model)
        self._planned, self._region = self._transcript, _data_region(model) if data_region else None
        if self._region is not None:
            self._planned, self._quick = (
                self._region.over(self._transcript),
                self._region.read_by(self._quick),
            )
        self._mv_names, self._guard_names = model.plant.mv_names, model.guard_names
        self._solvers: dict[int, Solvers] = {}
        self._built(model.horizon)

    @property
    def guard_names(self) -> Sequence[str]:
        """Guardrails that plans are held to."""
        return self._guard_names

    def through(self, model: WorldModel) -> "MpcPlanner":
        """The same planner through another version of its model."""
        return MpcPlanner(model, **self._made_with)

    def plan(self, problem: ControlProblem, *, warm_start: Plan | None, deadline_s: float) -> Plan:
        """The best usable plan found within `deadline_s`.

        Args:
            problem: this cycle's.
            warm_start: the plan of the cycle before, or `None` on a cold start.
            deadline_s: from now, by the clock.

        Raises:
            SpecError: the problem's axes are not those of the model.
        """
        _check_axes(self._model, problem)
        began = self._clock()
        solvers = self._built(problem.horizon)
        # A diverging candidate overflows; it is recognised by what comes out, not by a warning on the way.
        with np.errstate(over="ignore", invalid="ignore"), one_thread():
            steady = None
            if problem.priorities is not None:
                until = began + STEADY_SHARE * deadline_s
                steady = solvers.steady.continued(problem, warm_start, deadline=until)
            cycle = self._cycle(solvers, problem, steady, began, deadline_s)
            best = cycle.best_on_levels if problem.discrete else cycle.best
            plan = cycle.plan(best(warm_start))
        return plan if self._region is None else replace(plan, cv=plan.cv[:, : problem.target.shape[1]])

    def _cycle(
        self,
        solvers: Solvers,
        problem: ControlProblem,
        steady: SteadyState | NoSteadyState | None,
        began: float,
        deadline_s: float,
    ) -> PlanningCall:
        notes: tuple[str, ...] = ()
        if isinstance(steady, SteadyState):
            notes = tuple(steady.notes(self._model.output_names, self._guard_names))
            problem = steady.laid_over(problem)
        elif steady is not None:
            notes = (steady,)
        if self._region is not None:
            problem = self._region.laid_over(problem)
        return PlanningCall(
            clock=self._clock,
            began=began,
            deadline_s=deadline_s,
            quick=self._quick,
            names=(self._mv_names, self._guard_names),
            foresight=Foresight(self._planned, MoveSpace(solvers.blocks, problem), objective(problem)),
            solvers=solvers,
            seed=self._seed,
            sampling=self._sampling,
            iterations=self._iterations,
            notes=notes,
        )

    def _built(self, horizon: int) -> Solvers:
        if horizon not in self._solvers:
            blocks = move_blocks(horizon, self._lengths)
            self._solvers[horizon] = Solvers(
                blocks=blocks,
                steady=SteadyTargets(self._transcript, horizon, clock=self._clock),
                sqp=SequentialProgram(clock=self._clock),
                ipopt=Program(self._planned, blocks, clock=self._clock),
            )
        return self._solvers[horizon]


def _data_region(model: WorldModel) -> DataRegion:
    if model.cloud is None:
        raise SpecError(
            f"plant {model.plant.name}: data_region is on, and the model does not know where its log was; "
            "train it again, or leave data_region out"
        )
    return DataRegion.of(model.cloud)


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
