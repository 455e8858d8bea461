"""Adaptation, a cycle at a time: estimate, candidate, trial, and what comes of it.

A candidate is one tag whose scale is otherwise. It sees and foresees everything beside the version in
force, with a disturbance estimate of its own. Taken up, it brings that along: its foresight has been
corrected for as long as it was on trial, and the next move counts from the MVs in force as always.
"""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from jaxtyping import Float

from procwm.control import modes
from procwm.control.adaptation import trial
from procwm.control.adaptation.adaptation import Adaptation, Beside
from procwm.control.adaptation.brought import brought
from procwm.control.adaptation.contest import Contest
from procwm.control.adaptation.gain_estimate import GainEstimate
from procwm.control.adaptation.prior import prior_deviation, usual_errors
from procwm.control.adaptation.recollection import Recollection
from procwm.control.adaptation.tag_scales import KnownRange, TagScales
from procwm.control.deciding import CycleOutcome
from procwm.control.onlooking import Onlooking, Tick
from procwm.control.seen import Seen
from procwm.control.state import ControllerState
from procwm.control.versions import ModelVersion, Versions
from procwm.plant.contract import Adapt
from procwm.plant.samples import Sample

_LEAD = 0.5
"""Of the horizon: late enough for most of an answer, early enough for what was planned to have been done."""
_FREQUENT = 0.002
"""Share of a new squared error in their variance."""
_OUTLIER = 4.0
"""Standard deviations at which an error is clipped."""
_BACK_STRETCH, _BACK_KEPT = 0.2, 4
"""Of the horizon: stretches by which the way back is judged; and how many of them count."""
_KEPT = 40
"""Stretches of a candidate's trial that count."""
_CONTINUOUS = (0.5, 1.5)
"""Intervals between two ticks that follow each other."""


class Adapter:
    """Looks at the plant with every version that runs, and says which one decides.

    Args:
        versions: of the model.
        adapt: whether a version may take over by itself.
        adaptable: whether it could decide; where the planner plans through one model only, it is advised.
    """

    def __init__(self, versions: Versions, adapt: Adapt, *, adaptable: bool) -> None:
        model, plant = versions.trained.model, versions.plant
        self._versions, self._known = versions, KnownRange(plant, model)
        self._adapt = adapt if adaptable or adapt is Adapt.OFF else Adapt.ADVISE
        self._horizon, self._lead = model.horizon, max(1, round(_LEAD * model.horizon))
        self._names = (*plant.mv_names, *plant.output_names)
        self._beside, self._interval_ns = Onlooking(versions), model.rule.interval_ns
        self._usual_variance = usual_errors(model)[self._lead - 1] ** 2
        self._unmoved = GainEstimate.before(prior_deviation(model))
        self._nothing = Recollection.nothing(
            latent=model.readout.in_features,
            output=len(plant.outputs),
            mv=len(plant.mvs),
            dv=len(plant.dvs),
            lead=self._lead,
        )

    def start(self) -> Adaptation:
        """Nothing known: the model as trained."""
        return Adaptation(
            scales=TagScales.as_trained(self._versions.plant),
            estimate=self._unmoved,
            variance=self._usual_variance,
            past=self._nothing,
        )

    def look(
        self, state: ControllerState, samples: Sequence[Sample], now_ns: int
    ) -> tuple[ControllerState, Seen]:
        """`state` at `now_ns` with `samples` in it, as the version in force sees it, and what is known."""
        version = self._versions.of(state.adaptation.scales)
        after, seen = version.perception.look(state, samples, now_ns)
        if self._adapt is Adapt.OFF or seen.latent is None or state.time_ns is None:
            return after, seen
        tick = Tick(
            before=state,
            samples=samples,
            time_ns=now_ns,
            mv=np.array(after.in_force),
            dv=np.array(after.dv),
            came=seen.came,
            follows=_CONTINUOUS[0] < (now_ns - state.time_ns) / self._interval_ns < _CONTINUOUS[1],
        )
        known = self._recalled(version, self._compared(version, tick), after, seen.latent, tick)
        return replace(after, adaptation=known), seen

    def decided(self, state: ControllerState, seen: Seen, outcome: CycleOutcome) -> ControllerState:
        """`state` for the next cycle, after the `outcome` of this one.

        A version takes over between two cycles: this one was seen and decided by the one in force.
        """
        known = state.adaptation
        if self._adapt is Adapt.OFF or not len(known.past.latent):
            return state
        if outcome.fresh and outcome.plan is not None and state.mode.actual in modes.WRITING:
            known = replace(known, past=known.past.with_plan(outcome.plan.mv))
        state = replace(state, adaptation=known)
        if known.trained is not None and trial.back(known.trained.contest):
            evidence = _evidence(known.trained.contest)
            return self.as_trained(state, f"back to the model as trained: {evidence}")
        return self._tried(state, seen)

    def as_trained(self, state: ControllerState, told: str) -> ControllerState:
        """`state` with the model as trained in force, and no candidate; `told` says why."""
        known = replace(state.adaptation, candidate=None, advised=False, told=told)
        state = replace(state, adaptation=known)
        return state if known.trained is None else self._switched(state, known.trained, told)

    def _compared(self, version: ModelVersion, tick: Tick) -> Adaptation:
        """What is known once versions beside the one in force have seen the tick, too."""
        known, onward = tick.before.adaptation, self._beside.onward
        short = max(1, round(_BACK_STRETCH * self._horizon))
        return replace(
            known,
            told="",
            candidate=onward(known.candidate, tick, version, length=self._horizon, kept=_KEPT),
            trained=onward(known.trained, tick, version, length=short, kept=_BACK_KEPT),
        )

    def _recalled(
        self,
        version: ModelVersion,
        known: Adaptation,
        after: ControllerState,
        latent: Float[np.ndarray, " latent"],
        tick: Tick,
    ) -> Adaptation:
        """`known` with the tick in its past, and what that says of gains."""
        past = known.past if tick.follows else known.past.forgotten()
        past = past.ticked(latent, after.disturbance.bias[self._lead - 1], tick.mv, tick.dv)
        if not past.full:
            return replace(known, past=past)
        found = brought(version.model, past, tick.came)
        if not (np.isfinite(found.made).all() and np.isfinite(found.planned).all()):
            return replace(known, past=past)
        # A gain that is wrong by all of an answer is no outlier.
        reach = _OUTLIER * np.sqrt(known.variance + (found.made**2).sum(axis=0))
        error = found.error.clip(-reach, reach)
        # What a wrong gain has taught the bias is missing from the error: it is left out of the answer, too.
        response = found.made - past.learned[0]
        # Errors at this lead overlap: as many in a row say what one does.
        estimate = known.estimate.learned(found.planned, response, error, self._lead * known.variance)
        past = past.with_answer(found.made, version.estimator.share[self._lead - 1])
        news = np.where(np.isfinite(error), error**2 - known.variance, 0.0)
        return replace(known, past=past, estimate=estimate, variance=known.variance + _FREQUENT * news)

    def _tried(self, state: ControllerState, seen: Seen) -> ControllerState:
        """`state` once the candidate's trial has gone on by a tick, or one has begun."""
        known = state.adaptation
        candidate = known.candidate
        if candidate is None:
            return replace(state, adaptation=self._suggested(known, state, seen))
        evidence = f"{candidate.told}; {_evidence(candidate.contest)}"
        if trial.established(candidate.contest):
            if self._adapt is Adapt.ON:
                return self._switched(state, candidate, f"version {known.version + 1}: {evidence}")
            told = "" if known.advised else f"advised: {evidence}"
            return replace(state, adaptation=replace(known, advised=True, told=told))
        if trial.not_shown(candidate.contest):
            told = f"not taken up: {evidence}"
            ended = replace(known, candidate=None, advised=False, estimate=self._unmoved, told=told)
            return replace(state, adaptation=ended)
        return state

    def _suggested(self, known: Adaptation, state: ControllerState, seen: Seen) -> Adaptation:
        """`known` with a candidate, where the estimate suggests one."""
        reading = np.concatenate((state.in_force, seen.measured.output))
        found = trial.suggested(known.estimate, known.scales, self._known, reading)
        if found is None:
            return known
        index, scales = found
        start = self._versions.of(scales).estimator.start()
        foreseen = np.full_like(state.foreseen, np.nan)
        told = self._sentence(index, scales)
        return replace(
            known,
            candidate=Beside(scales, start, foreseen, told=told),
            told=f"on trial: {told}; {_estimated(known.estimate, index)}",
        )

    def _switched(self, state: ControllerState, to: Beside, told: str) -> ControllerState:
        """`state` with the version `to` in force from the next cycle on."""
        known = state.adaptation
        trained = known.trained
        if known.scales.trained:
            trained = Beside(known.scales, state.disturbance, state.foreseen)
        changed = replace(
            self.start(),
            version=known.version + 1,
            scales=to.scales,
            trained=None if to.scales.trained else trained and replace(trained, contest=Contest()),
            told=told,
        )
        return replace(state, disturbance=to.disturbance, foreseen=to.foreseen, adaptation=changed)

    def _sentence(self, index: int, scales: TagScales) -> str:
        factor, name = scales.factor[index], self._names[index]
        if index < scales.mvs:
            return f"{name}: its moves do {factor:.2f} times what the model learned"
        return f"{name}: it answers {factor:.2f} times as much as the model learned"


def _evidence(contest: Contest) -> str:
    return (
        f"over {contest.stretches:.0f} stretches with moves its squared errors are "
        f"{contest.better:.0%} smaller (t = {contest.t:.1f})"
    )


def _estimated(estimate: GainEstimate, index: int) -> str:
    change, deviation = estimate.change[index], estimate.deviation[index]
    return f"gain estimated {change:+.0%} +- {deviation:.0%} beside the version in force"
