"""The thin shell around a stepped controller: drain, decide, write, once a tick."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from procwm.control import modes
from procwm.control.controller import Controller
from procwm.control.decision import Decision, SteppedController
from procwm.control.health import Permits
from procwm.control.measurement import readable
from procwm.control.state import ControllerState
from procwm.errors import LinkError, SpecError
from procwm.plant.link import Clock, PlantLink
from procwm.plant.request import Request
from procwm.plant.samples import Sample
from procwm.plant.scenario import TargetChange
from procwm.runtime.ahead import Ahead
from procwm.runtime.cycle import (
    FAILED,
    Cycle,
    CycleSink,
    Inputs,
    SampleSink,
    carried_out,
    step,
    told_of,
)
from procwm.runtime.delivery import Delivered, Delivery
from procwm.runtime.heartbeat import Heartbeat
from procwm.runtime.operator import Operator
from procwm.runtime.snapshot import Snapshot
from procwm.runtime.tally import RunSummary, Tally
from procwm.runtime.watch import Watch

_log = logging.getLogger(__name__)

_STATE_EVERY = 200
"""Steps between two states that are kept with the inputs: from each of them the record can be taken again."""


@dataclass(eq=False)
class _Run:
    """What a run counts while it goes on."""

    link: PlantLink
    controller: SteppedController
    delivery: Delivery
    targets: Sequence[TargetChange]
    reconnect: Callable[[], Awaitable[None]] | None
    operator: Operator | None
    recorder: CycleSink | None
    state: Any
    waiting: list[Sample] = field(default_factory=list)
    asked: dict[str, float] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    trouble: str = ""
    fresh: bool = True
    waits: bool = False
    stepped: int = 0
    last_ns: int = -1
    deaf: int = 0
    reconnects: int = 0
    tick: int = 0
    tally: Tally = field(default_factory=Tally)

    def __post_init__(self) -> None:
        spec = self.link.spec
        self.watch = Watch(spec)
        self.ahead = Ahead(spec)
        self.signals = frozenset(signal.name for signal in spec.signals)
        self.known = frozenset(spec.names)

    async def cycle(self, time_ns: int) -> Cycle:
        """One tick: drain, decide, write."""
        began_ns = time.perf_counter_ns()
        received, fault = await self._drained()
        if not fault and not getattr(self.link, "connected", True):
            fault = "there is no connection to the plant"
        samples = tuple(sample for sample in received if sample.tag in self.known)
        if isinstance(self.recorder, SampleSink):
            self.recorder.receive(samples)
        before = self.delivery.corrections()
        self.delivery.observe(samples, time_ns)
        permits = self.watch.permits(
            [sample for sample in received if sample.tag in self.signals],
            time_ns,
            connected=not fault,
            delivery=self.delivery,
        )
        self.events.clear()
        trouble = getattr(self.link, "trouble", "")
        if trouble and trouble != self.trouble:
            self.events.append(trouble)
        self.trouble = trouble
        decision, inputs = await self._decided(
            (*before, *samples, *self.delivery.corrections()), permits, time_ns
        )
        delivered = Delivered(None)
        if decision.setpoints is not None:
            delivered = await self.delivery.deliver(
                decision.setpoints,
                lambda: time_ns + time.perf_counter_ns() - began_ns,
                tick_ns=time_ns,
                limits=decision.limits,
            )
        self.tally.add(decision)
        cycle = Cycle(
            tick=self.tick,
            time_ns=time_ns,
            samples=samples,
            decision=decision,
            accepted=delivered.accepted,
            fault="; ".join(part for part in (fault, delivered.fault) if part),
            inputs=inputs,
            events=tuple(self.events),
        )
        self.tick += 1
        return cycle

    async def _drained(self) -> tuple[tuple[Sample, ...], str]:
        try:
            return tuple(readable(sample) for sample in self.link.drain()), ""
        except LinkError as error:
            _log.warning("no samples: %s", error)
            fault = f"no samples: {error}"
        except Exception as error:
            _log.exception("the link failed")
            fault = f"no samples: the link failed: {error}"
        self.deaf += 1
        await self._try_again()
        return (), fault

    async def _try_again(self) -> None:
        if self.reconnect is None:
            return
        self.reconnects += 1
        try:
            await self.reconnect()
        except LinkError as error:
            _log.warning("the link stays closed: %s", error)

    async def _decided(
        self, samples: tuple[Sample, ...], permits: Permits, time_ns: int
    ) -> tuple[Decision, Inputs | None]:
        self.waiting += samples
        self.asked |= {change.tag: change.value for change in self.targets if change.tick == self.tick}
        if self.operator is not None:
            self.requests += self.operator.taken()
            self.events += self.operator.told()
        if self.delivery.missing:
            return self._none(f"waiting to read back {self.delivery.awaited_first}", time_ns), None
        if time_ns <= self.last_ns:
            back_s = (self.last_ns - time_ns) / 1e9
            if not self.waits:
                self.events.append(f"the clock went back by {back_s:g} s; waiting for its time")
            self.waits = True
            return self._none(f"the clock went back by {back_s:g} s; waiting for its time", time_ns), None
        self.waits = False
        self._begin()
        kept = isinstance(self.state, ControllerState) and self.stepped % _STATE_EVERY == 0
        self.stepped += 1
        requests = tuple(self._admitted(self.requests))
        forecast, told = self.ahead.known(self.link, time_ns, asked=self._targeted(requests))
        self.events += told
        inputs = Inputs(
            state=self.state.to_bytes() if kept else None,
            samples=tuple(self.waiting),
            setpoints=self.asked,
            requests=requests,
            permits=permits,
            forecast=forecast,
        )
        self.waiting, self.asked, self.requests, self.last_ns = [], {}, [], time_ns
        try:
            # In a thread, so that the link goes on receiving while the controller thinks.
            decision, self.state = await asyncio.to_thread(step, self.controller, self.state, inputs, time_ns)
        except Exception as error:
            _log.exception(FAILED)
            return self._failed(f"{FAILED}: {type(error).__name__}: {error}", inputs, time_ns), None
        return decision, inputs

    def _failed(self, reason: str, inputs: Inputs, time_ns: int) -> Decision:
        """The plant is given back; the controller takes over again by itself once its steps come through.

        Samples of such a cycle are not given to the controller again: they may be why it failed. What was
        asked for in it holds: whoever asked has been told so, and may rely on a limit or a mode.
        """
        if isinstance(self.state, ControllerState) and isinstance(self.controller, Controller):
            state = carried_out(self.controller, self.state, inputs.requests)
            try:
                state = self.controller.checked(state, Request(setpoints=inputs.setpoints))
            except SpecError as error:
                self.events.append(f"setpoints refused: {error}")
            self.state = replace(state, mode=modes.shed(state.mode, reason))
        # No inputs lead to this state, so it is kept with the next ones.
        self.stepped = 0
        return self._none(reason, time_ns)

    def _begin(self) -> None:
        if self.state is None:
            self.state = self.controller.start(self.delivery.in_force)
        elif self.fresh and isinstance(self.controller, Controller):
            self.state = self.controller.taken_up(self.state, self.delivery.in_force)
        self.fresh = False

    def _admitted(self, requests: Sequence[Request]) -> list[Request]:
        """Requests that can be carried out, one after the other; each is told of, refused ones too."""
        admitted: list[Request] = []
        state = self.state
        for request in requests:
            if not isinstance(self.controller, Controller):
                self.events.append(told_of(request.who, f"refused: {self.controller} takes none"))
                continue
            try:
                state = self.controller.checked(state, request)
            except SpecError as error:
                self.events.append(told_of(request.who, f"refused ({request}): {error}"))
                continue
            admitted.append(request)
            self.events.append(told_of(request.who, f"taken up: {request} {request.why}"))
        return admitted

    def _targeted(self, requests: Sequence[Request]) -> set[str]:
        """CVs that somebody has given a setpoint or a zone, in this cycle or before."""
        found = set(self.asked).union(*(set(r.setpoints) | set(r.zones) for r in requests))
        if isinstance(self.state, ControllerState):
            found |= set(self.state.targets.setpoints) | set(self.state.targets.zones)
        return found

    def _none(self, reason: str, time_ns: int) -> Decision:
        if not isinstance(self.state, ControllerState):
            return Decision(setpoints=None, reason=reason, time_ns=time_ns)
        mode = self.state.mode
        return Decision(
            setpoints=None,
            reason=reason,
            time_ns=time_ns,
            mode=mode.actual,
            requested=mode.requested,
            mode_reason=mode.reason,
        )

    @property
    def summary(self) -> RunSummary:
        median, p99 = self.tally.step_ms
        return RunSummary(
            cycles=self.tick,
            written=self.delivery.written,
            failed=self.delivery.failed,
            unknown=self.delivery.unknown,
            deaf=self.deaf,
            reconnects=self.reconnects,
            rungs=self.tally.rungs,
            reasons=self.tally.reasons,
            step_ms_median=median,
            step_ms_p99=p99,
            state=self.state,
        )


async def run(
    link: PlantLink,
    clock: Clock,
    controller: SteppedController,
    *,
    state: Any = None,
    intervals: int | None = None,
    recorder: CycleSink | None = None,
    targets: Sequence[TargetChange] = (),
    heartbeat: Heartbeat | None = None,
    reconnect: Callable[[], Awaitable[None]] | None = None,
    operator: Operator | None = None,
    snapshot: Snapshot | None = None,
    on_cycle: Callable[[Cycle], None] | None = None,
) -> RunSummary:
    """Run `controller` on a plant until `intervals` are over, the clock ends, or the task is cancelled.

    The first step waits until every MV has been read back, so that the first move counts from what is in
    force.

    Args:
        link: to the plant.
        clock: gives the ticks.
        controller: steps once a tick.
        state: to go on from; the controller is started where it is `None`.
        intervals: control cycles to run; `None` is for ever.
        recorder: keeps every cycle; it is not closed here.
        targets: setpoint changes; tick 0 is the first cycle of this run. Each is known from its tick on.
        heartbeat: beats in every cycle after which the link is healthy.
        reconnect: opens the link again; awaited once a cycle while the link cannot be drained.
        operator: asks for modes, targets, limits and switches while the run goes on.
        snapshot: keeps the state of every cycle, for a run that goes on after a kill.
        on_cycle: called after every cycle.
    """
    delivery = Delivery(link)
    going = _Run(link, controller, delivery, targets, reconnect, operator, recorder, state)
    if intervals == 0:
        return going.summary
    ticks = clock.ticks(link.spec.interval_s)
    async with _closing(ticks):
        async for time_ns in ticks:
            cycle = await going.cycle(time_ns)
            if recorder is not None:
                recorder.append(cycle)
            if operator is not None:
                operator.append(cycle)
            if snapshot is not None and isinstance(going.state, ControllerState):
                snapshot.keep(going.state)
            if heartbeat is not None and delivery.healthy and not cycle.fault:
                await heartbeat.beat(within_s=link.spec.interval_s)
            if on_cycle is not None:
                on_cycle(cycle)
            if going.tick == intervals:
                break
    return going.summary


def _closing(ticks: AsyncIterator[int]) -> AbstractAsyncContextManager[Any]:
    return aclosing(ticks) if hasattr(ticks, "aclose") else nullcontext()
