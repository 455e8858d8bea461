"""What one cycle comes to: the planner's plan where it may be used, else a fallback, else shedding."""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType

import numpy as np
import torch
from jaxtyping import Float

from procwm.control import modes
from procwm.control.fallback import RUNGS, Predict, fallback
from procwm.control.forecast import Forecast, dv_ahead
from procwm.control.gate import Gate
from procwm.control.health import Health
from procwm.control.mistrust import MISTRUSTED, mistrust, mistrusted
from procwm.control.modes import Mode
from procwm.control.posing import pose
from procwm.control.promises import UNKEPT, promised
from procwm.control.seen import Seen
from procwm.control.state import ControllerState
from procwm.control.stepping import WAY_BACK, StepTest, stepped, trajectories
from procwm.control.swinging import calmed, watched
from procwm.control.travel import remaining, travelled
from procwm.planning.prediction import Evaluator
from procwm.planning.problem import ControlProblem, Plan, Planner
from procwm.plant.samples import Setpoints
from procwm.plant.tags import PlantSpec
from procwm.world.confidence import half_width_held
from procwm.world.model import WorldModel

_log = logging.getLogger(__name__)

_OVERRUN = 2.0
"""A planner looks at the time between iterations; one that took this many deadlines is late."""
_HOLD_INTERVALS = 10
"""Control intervals without a usable plan, where the plant file does not say."""


@dataclass(frozen=True, kw_only=True, eq=False)
class CycleOutcome:
    """What planning and falling back came to.

    Attributes:
        reason, proposed, plan, rung: as in `Decision`.
        fresh: whether this cycle's plan was usable.
        shed: whether nothing safe was found.
        for_good: whether it is the model that is wrong, so that only an operator may ask for AUTO again.
        held: as in `Decision`.
    """

    reason: str
    proposed: Setpoints | None = None
    plan: Plan | None = None
    rung: str = ""
    fresh: bool = False
    shed: bool = False
    for_good: bool = False
    held: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, kw_only=True, eq=False)
class Deciding:
    """The decision of a cycle; keeps nothing between cycles.

    Attributes:
        plant, model: as the controller has them.
        planner: asked first.
        gate: what may reach the plant.
        deadline_s: for the planner.
        clock: seconds that have passed, for the deadline.
        response_error: of the model's step responses, engineering units.
    """

    plant: PlantSpec
    model: WorldModel
    planner: Planner
    gate: Gate
    deadline_s: float
    clock: Callable[[], float]
    response_error: Float[np.ndarray, "horizon mv output"]

    def outcome(
        self, state: ControllerState, fit: Health, latent: Float[np.ndarray, " latent"], forecast: Forecast
    ) -> CycleOutcome:
        """What this cycle comes to, before it has had any effect."""
        measured = fit.measured
        if state.mode.actual is Mode.OFF:
            return CycleOutcome(reason="the controller is off")
        if fit.shed:
            return CycleOutcome(reason=fit.shed, shed=True)
        if state.mode.actual in modes.WRITING and mistrusted(state.mistrust, self.model.horizon):
            return CycleOutcome(reason=MISTRUSTED, shed=True, for_good=True)
        if state.mode.actual in modes.WRITING and state.promise.broken:
            return CycleOutcome(reason=UNKEPT, shed=True, for_good=True)
        if not measured.enough:
            rows = f"{measured.filled} of {measured.history} rows"
            if state.last_good is None:
                left_s = measured.wanted * self.plant.interval_s
                return CycleOutcome(reason=f"filling the history: {rows}; enough in {left_s:g} s")
            return CycleOutcome(reason=f"too little was measured lately: {rows}", shed=True)
        if not measured.controlled[: len(self.plant.cvs)].any():
            return CycleOutcome(reason="no CV is measured and switched on", shed=True)
        if not np.isfinite(latent).all():
            return CycleOutcome(reason="the model's state is not finite", shed=True)
        problem = self._problem(state, fit, latent, forecast)
        predict = Evaluator(self.model, problem).predict
        if state.swings.swung:
            problem = calmed(problem, predict, state.swings.slowed)
        if state.test is None:
            plan, refusal = self._plan(problem, state)
        else:
            plan, refusal = self._stepped(problem, predict, state, state.test, measured.output)
        if plan is not None and refusal is None:
            prediction = predict(plan.mv[None])
            refusal = self.gate.prediction_refusal(prediction)
            plan = replace(plan, cv=prediction.cv[0], guard=prediction.guard[0])
        if plan is not None and refusal is None:
            proposed = self.gate.setpoints(plan.mv[0], problem, fit.held)
            return CycleOutcome(
                reason=plan.note or str(plan.status), proposed=proposed, plan=plan, rung=plan.rung, fresh=True
            )
        return self._fallen_back(problem, predict, fit, state, plan, str(refusal))

    def watched(self, state: ControllerState, seen: Seen) -> ControllerState:
        """`state` with what this cycle tells of the model: limits it cannot explain, swings, failed plans."""
        output, surprise = seen.measured.output, seen.surprise
        count = mistrust(state.mistrust, surprise, output, self.plant, state.targets)
        state = replace(state, mistrust=count)
        if state.mode.actual is not Mode.AUTO:
            return replace(state, promise=state.promise.released)
        known = (state.targets, state.in_force, output, surprise, self.model.horizon)
        plan = state.last_good.cv if state.last_good is not None and state.age == 1 else None
        ends = self.model.half_width[-1]
        return replace(
            state,
            swings=watched(state.swings, self.plant, *known),
            promise=promised(state.promise, output, plan, ends, self.plant, state.targets),
        )

    def _problem(
        self, state: ControllerState, fit: Health, latent: Float[np.ndarray, " latent"], forecast: Forecast
    ) -> ControlProblem:
        assert state.time_ns is not None, "a problem is posed after the present has been looked at"
        hourly = [np.inf if t.max_move_per_hour is None else t.max_move_per_hour for t in self.plant.mvs]
        return pose(
            self.plant,
            state.targets,
            fit.measured,
            latent=latent,
            last_mv=np.array(state.in_force),
            bias=state.disturbance.bias,
            held=fit.held,
            reach=remaining(state.travel, np.array(hourly), state.time_ns),
            predicted=self._outputs(latent),
            forecast=forecast,
            half_width=self._half_width(latent, np.array(state.in_force), fit, forecast),
            response_error=self.response_error,
            places=state.swings.held(len(self.plant.mvs)),
        )

    def _half_width(
        self,
        latent: Float[np.ndarray, " latent"],
        in_force: Float[np.ndarray, " mv"],
        fit: Health,
        forecast: Forecast,
    ) -> Float[np.ndarray, "horizon output"]:
        """The error band from here on; it takes rolling the ensemble out, so only `tightening` asks."""
        model = self.model
        if self.plant.control.tightening == 0.0 or model.uncertainty is None:
            return model.half_width
        return half_width_held(
            model, latent, in_force, dv_ahead(self.plant, fit.measured, forecast, model.horizon)
        )

    def _outputs(self, latent: Float[np.ndarray, " latent"]) -> Float[np.ndarray, " output"]:
        """What the model says the outputs are now, engineering units."""
        weight = self.model.readout.weight
        with torch.inference_mode():
            scaled = self.model.readout(torch.as_tensor(latent, dtype=weight.dtype, device=weight.device))
        return self.model.engineering(scaled, self.model.output_names)

    def _fallen_back(
        self,
        problem: ControlProblem,
        predict: Predict,
        fit: Health,
        state: ControllerState,
        offered: Plan | None,
        refusal: str,
    ) -> CycleOutcome:
        """What to do without a usable plan; following or holding the last one ends after `hold_for_s`."""
        rung = fallback(
            problem, predict, self.gate, last_good=state.last_good, age=state.age, offered=offered
        )
        if rung is None:
            return CycleOutcome(
                reason=f"{refusal}; nothing to fall back on is predicted safe", plan=offered, shed=True
            )
        longest_s = self.plant.control.hold_for_s or _HOLD_INTERVALS * self.plant.interval_s
        if rung.name != "recovery" and state.unplanned * self.plant.interval_s >= longest_s:
            return CycleOutcome(
                reason=f"{refusal}; no usable plan for more than {longest_s:g} s", plan=offered, shed=True
            )
        return CycleOutcome(
            reason=f"{refusal}; {RUNGS[rung.name]}",
            proposed=self.gate.setpoints(rung.plan.mv[0], problem, fit.held),
            plan=rung.plan,
            rung=rung.name,
        )

    def _stepped(
        self,
        problem: ControlProblem,
        predict: Predict,
        state: ControllerState,
        test: StepTest,
        output: Float[np.ndarray, " output"],
    ) -> tuple[Plan | None, str | None]:
        """The step that a step test makes, and why there is none; none while an `output` breaks a limit."""
        assert state.time_ns is not None, "a problem is posed after the present has been looked at"
        base, broken = np.array(test.base), ((output < problem.low) | (output > problem.high)).any()
        target = base if broken else test.target(self.plant, problem.horizon, state.time_ns)
        plan = stepped(predict(trajectories(target, base, problem)), problem)
        if plan is not None and broken:
            plan = replace(plan, note=WAY_BACK)
        if plan is None:
            return None, "the step test waits: neither the step nor the way back is predicted safe"
        return plan, self.gate.refusal(plan, problem)

    def _plan(self, problem: ControlProblem, state: ControllerState) -> tuple[Plan | None, str | None]:
        """What the planner came up with, and why it may not be used."""
        began = self.clock()
        try:
            plan = self.planner.plan(
                problem, warm_start=state.last_good if state.age == 1 else None, deadline_s=self.deadline_s
            )
        except Exception as error:
            _log.exception("the planner failed")
            return None, f"the planner failed: {error}"
        if not isinstance(plan, Plan):
            return None, f"the planner returned {plan!r} in place of a plan"
        took_s = self.clock() - began
        if took_s > _OVERRUN * self.deadline_s:
            return plan, f"the planner took {took_s:.3g} s; its deadline is {self.deadline_s:g} s"
        return plan, self.gate.refusal(plan, problem)


def after(
    state: ControllerState, outcome: CycleOutcome, plant: PlantSpec, return_after: int | None
) -> ControllerState:
    """`state` once `outcome` has had its effect: mode, MVs in force, and the plan to fall back on.

    Args:
        state: of this cycle, before.
        outcome: of this cycle.
        plant: whose MVs are moved.
        return_after: usable plans in a row after which a shed controller takes over again.
    """
    mode = state.mode
    if outcome.shed:
        mode = (modes.given_up if outcome.for_good else modes.shed)(mode, outcome.reason)
    elif outcome.fresh:
        mode = modes.recovered(mode, return_after)
    in_force, travel = state.in_force, state.travel
    if mode.actual in modes.WRITING and outcome.proposed is not None and state.time_ns is not None:
        before = zip(plant.mvs, state.in_force, strict=True)
        in_force = tuple(outcome.proposed.get(tag.name, value) for tag, value in before)
        moves = [new - old for new, old in zip(in_force, state.in_force, strict=True)]
        travel = travelled(travel, moves, state.time_ns)
    last_good, age = state.last_good, state.age + 1
    if outcome.fresh and outcome.plan is not None:
        # How it was found is for this cycle's record; the next one goes on from the trajectory alone.
        last_good, age = replace(outcome.plan, stopped="", optimality=None, active=()), 1
    unplanned = 0 if outcome.fresh else state.unplanned + (outcome.plan is not None)
    return replace(
        state,
        mode=mode,
        in_force=in_force,
        travel=travel,
        last_good=last_good,
        age=age,
        unplanned=unplanned,
    )
