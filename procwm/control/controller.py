"""The controller as a pure step: samples and a state in, a decision and the next state out."""

import threading
import time as wall
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime

import numpy as np

from procwm.control import modes
from procwm.control.adapter import Adapter
from procwm.control.clearance import Clearance, unfit
from procwm.control.deciding import CycleOutcome, Deciding, after
from procwm.control.decision import Decision
from procwm.control.forecast import Forecast, checked_forecast
from procwm.control.gate import Gate
from procwm.control.health import Permits, health
from procwm.control.identity import check_made_for, identity
from procwm.control.measurement import as_samples, nanoseconds, utc, values_in_force
from procwm.control.modes import Mode
from procwm.control.seen import Seen
from procwm.control.state import ControllerState
from procwm.control.stepping import StepTest
from procwm.control.targets import Targets
from procwm.control.telling import decision
from procwm.control.unhurried import patient
from procwm.control.versions import Versions
from procwm.data.buffer import SampleBuffer
from procwm.errors import ArtifactError, SpecError
from procwm.planning.planner import MpcPlanner
from procwm.planning.problem import Planner, VersionedPlanner
from procwm.plant.request import Request
from procwm.plant.samples import Sample, Setpoints
from procwm.plant.tags import Interval, PlantSpec, names_of
from procwm.world.effects import planning_error, unknown_mvs
from procwm.world.lineage import guardrails_told
from procwm.world.model import WorldModel

_DEADLINE_SHARE = 0.5
_LONGEST_DEADLINE_S = 1.0
_OVERFLOW_IS_AN_ANSWER = np.errstate(over="ignore", invalid="ignore")
"""A prediction that is not finite is looked for and refused; it is no mishap to be warned of."""


class Controller:
    """Constrained control of one plant with its learned model.

    It keeps nothing between steps, so several states can be stepped by one controller, and several threads
    may share one: their steps are taken one after the other. A process makes its own controller from the
    model's files; states and decisions travel between processes.

    Args:
        plant: tags, targets and limits.
        model: a finished world model of that plant.
        planner: `MpcPlanner(model)` where `None`, by the same clock.
        mode: to start in.
        deadline_s: for the planner; half an interval, at most 1 s, where `None`.
        return_after: usable plans in a row after which a shed controller takes over again; `None` waits for
            an operator.
        clock: seconds that have passed; what the deadline is held to and steps are timed by.
        despite_verdict: whether a model that is not fit for control may be in AUTO, too; else in ADVISORY.
    """

    @_OVERFLOW_IS_AN_ANSWER
    def __init__(
        self,
        plant: PlantSpec,
        model: WorldModel,
        *,
        planner: Planner | None = None,
        mode: Mode = Mode.AUTO,
        deadline_s: float | None = None,
        return_after: int | None = 3,
        clock: Callable[[], float] = wall.perf_counter,
        despite_verdict: bool = False,
    ) -> None:
        check_made_for(plant, model)
        self.plant, self.model, region = plant, model, plant.control.data_region
        self.planner: Planner = planner or MpcPlanner(model, data_region=region, clock=clock)
        usual_s = min(_DEADLINE_SHARE * plant.interval_s, _LONGEST_DEADLINE_S)
        self.deadline_s = usual_s if deadline_s is None else deadline_s
        if not self.deadline_s > 0:
            raise SpecError(f"deadline_s is {self.deadline_s}; it must be above 0")
        self._return_after, self._clock = return_after, clock
        self.clearance = Clearance(unfit(model, plant), despite_verdict)
        self.mode = self.clearance.most(mode)
        self._versions = Versions(plant, model, self._decides_by)
        adaptable = isinstance(self.planner, VersionedPlanner)
        self._adapter = Adapter(self._versions, plant.control.adapt, adaptable=adaptable)
        self._unknown, self._perception = unknown_mvs(model, plant), self._versions.trained.perception
        self.identity = identity(plant, model)
        self.rule, self.guard_names, self.memory = model.rule, model.guard_names, self._perception.memory
        self.guardrails = guardrails_told(model)
        self._one_at_a_time = threading.Lock()

    def _decides_by(self, model: WorldModel) -> Deciding:
        """What decides by `model`, a version of that of the controller."""
        planner = self.planner
        if model is not self.model and isinstance(planner, VersionedPlanner):
            planner = planner.through(model)
        return Deciding(
            plant=self.plant,
            model=model,
            planner=planner,
            gate=Gate(plant=self.plant, guard_names=model.guard_names),
            deadline_s=self.deadline_s,
            clock=self._clock,
            response_error=patient(model, self.plant, planning_error(model, self.plant)),
        )

    def start(self, last_mv: Mapping[str, float], *, history: Sequence[Sample] = ()) -> ControllerState:
        """The state before the first step. The first move counts from `last_mv`: the transfer is bumpless.

        Args:
            last_mv: MVs in force, as read back from the plant.
            history: samples from before, so that the first step need not wait for a full window.

        Raises:
            SpecError: an MV is missing or not finite, or a tag is none.
        """
        known = values_in_force(last_mv, self.plant)
        for tag in self.plant.mvs:
            if tag.name not in known:
                raise SpecError(f"{tag.name}: start needs the value in force, as read back; last_mv has none")
        center, _ = self.model.scaler.part(names_of(self.plant.dvs))
        return ControllerState(
            identity=self.identity,
            mode=modes.begin(self.mode, self.clearance.told(self.mode)),
            buffer=SampleBuffer(self.model.rule),
            unseen=as_samples(history, self.plant, 0),
            in_force=tuple(known[tag.name] for tag in self.plant.mvs),
            reported_ns=(-1,) * len(known),
            lost_ns=(-1,) * len(known),
            dv=tuple(center.tolist()),
            targets=Targets(),
            disturbance=self._perception.start(),
            foreseen=np.zeros((0, len(self.plant.outputs))),
            adaptation=self._adapter.start(),
        )

    def restore(self, data: bytes) -> ControllerState:
        """The state that `ControllerState.to_bytes` wrote, to go on from.

        Raises:
            ArtifactError: the bytes are no state, cut short or altered, were made with another model or
                plant file, or hold what the plant file forbids.
        """
        state = ControllerState.from_bytes(data)
        self.identity.check(state.identity, "the state")
        try:
            known = dict(zip(names_of(self.plant.mvs), state.in_force, strict=True))
            values_in_force(known, self.plant)
            Targets().with_(self.plant, state.targets.asked())
        except (SpecError, ValueError) as error:
            raise ArtifactError(f"the state is none of this plant ({error}); start without it") from None
        if state.buffer.rule != self.model.rule:
            raise ArtifactError("the state holds samples for another window; start without it")
        return state

    def taken_up(self, state: ControllerState, last_mv: Setpoints) -> ControllerState:
        """`state` with the MVs in force that were read back after a pause: the next move counts from them.

        Raises:
            SpecError: a tag is no MV, or a value is not finite.
        """
        given = values_in_force(last_mv, self.plant)
        known = zip(self.plant.mvs, state.in_force, strict=True)
        return replace(state, in_force=tuple(given.get(tag.name, value) for tag, value in known))

    def checked(self, state: ControllerState, request: Request) -> ControllerState:
        """`state` once `request` has been carried out; `SpecError` where any part of it is refused."""
        state = replace(state, targets=state.targets.with_(self.plant, request))
        return state if request.mode is None else self.request(state, modes.named(request.mode))

    def request(
        self, state: ControllerState, mode: Mode, *, reason: str = "operator request"
    ) -> ControllerState:
        """`state` in another mode; `SpecError` where it cannot be reached from the one in force."""
        requested = self.clearance.requested(state.mode, mode, reason)
        return state.begun_anew(requested)

    def given_back(self, state: ControllerState, reason: str) -> ControllerState:
        """`state` in mode SHED for `reason`, where the mode in force writes."""
        return replace(state, mode=modes.shed(state.mode, reason))

    def as_trained(self, state: ControllerState, why: str) -> ControllerState:
        """`state` with the model as it was trained in force, whatever was learned since; `why` is told."""
        return self._adapter.as_trained(state, f"back to the model as trained: {why}")

    @_OVERFLOW_IS_AN_ANSWER
    def step(
        self,
        samples: Mapping[str, float] | Sequence[Sample],
        state: ControllerState,
        *,
        time: datetime,
        setpoints: Setpoints | None = None,
        zones: Mapping[str, Interval] | None = None,
        limits: Mapping[str, Interval] | None = None,
        on: Mapping[str, bool] | None = None,
        permits: Permits | None = None,
        forecast: Forecast | None = None,
        in_force: Setpoints | None = None,
    ) -> tuple[Decision, ControllerState]:
        """One control cycle.

        Args:
            samples: since the last step: values by tag, or samples with quality and source time. MVs are
                among them as the plant reports them; where it does not, the last ones written stand.
            state: from `start` or the step before; unchanged by this call.
            time: of the tick, aware, later than the last one.
            setpoints, zones: overrides by CV, for this and later steps.
            limits: overrides by tag, never wider than those of the plant file.
            on: CVs and MVs to switch on or off. A CV that is off is not controlled, and its limits still
                hold; an MV that is off is not written.
            permits: what the world outside allows in this cycle; everything where `None`.
            forecast: for this step, what is known of the intervals ahead: by CV its setpoints, by DV its
                values at their ends, the last one for all later ones. Without it they are held.
            in_force: by MV, what the plant accepted, where that is not what the last step decided. Newer
                reports among `samples` count more.

        Raises:
            SpecError: an unknown tag, a value outside its range, a naive time or one that goes backwards.
            ArtifactError: the state is that of another controller.
        """
        with self._one_at_a_time:
            asked = Request(setpoints=setpoints or {}, zones=zones or {}, limits=limits or {}, on=on or {})
            known = checked_forecast(forecast or {}, self.plant)
            state = self.taken_up(state, in_force) if in_force else state
            return self._step(samples, state, time, asked, permits or Permits(), known)

    def _step(
        self,
        samples: Mapping[str, float] | Sequence[Sample],
        state: ControllerState,
        time: datetime,
        asked: Request,
        permits: Permits,
        forecast: Forecast,
    ) -> tuple[Decision, ControllerState]:
        began = self._clock()
        state, seen = self._advanced(samples, state, time, asked)
        latent = seen.latent
        if latent is None:
            outcome = CycleOutcome(reason=f"called twice in one interval of {self.plant.interval_s:g} s")
            return decision(self.plant, outcome, state, seen, self._clock() - began), state
        fit = health(self.plant, state, seen.measured, permits, self._unknown)
        seen = replace(seen, measured=fit.measured)
        deciding = self._versions.of(state.adaptation.scales).deciding
        outcome = replace(deciding.outcome(state, fit, latent, forecast), held=fit.held)
        known = deciding.watched(after(state, outcome, self.plant, self._return_after), seen)
        state = self._adapter.decided(known, seen, outcome)
        return decision(self.plant, outcome, state, seen, self._clock() - began), state

    @_OVERFLOW_IS_AN_ANSWER
    def observe(
        self,
        samples: Mapping[str, float] | Sequence[Sample],
        state: ControllerState,
        *,
        time: datetime,
        setpoints: Setpoints | None = None,
    ) -> ControllerState:
        """A cycle without a decision: what a step would have learned about the plant, in less time."""
        with self._one_at_a_time:
            return self._advanced(samples, state, time, Request(setpoints=setpoints or {}))[0]

    def _advanced(
        self,
        samples: Mapping[str, float] | Sequence[Sample],
        state: ControllerState,
        time: datetime,
        asked: Request,
    ) -> tuple[ControllerState, Seen]:
        """`state` at `time`, with its samples and targets, and what is known there."""
        now_ns = nanoseconds(time)
        if not isinstance(state, ControllerState):
            raise SpecError(f"the state is {state!r}; give one that start, step or restore returned")
        self.identity.check(state.identity, "the state")
        if state.time_ns is not None and now_ns <= state.time_ns:
            before = utc(state.time_ns).isoformat()
            raise SpecError(f"time goes backwards: a step at {time.isoformat()} after one at {before}")
        arrived = as_samples(samples, self.plant, now_ns)
        test = state.test or StepTest(base=state.in_force, begun_ns=now_ns)
        state = replace(
            state,
            mode=self.clearance.kept(state.mode),
            targets=state.targets.with_(self.plant, asked),
            test=test if state.mode.actual is Mode.TEST else None,
        )
        return self._adapter.look(state, arrived, now_ns)
