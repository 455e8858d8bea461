"""The thin shell around a stepped controller: drain, decide, write, once a tick."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass, field
from typing import Any

from procwm.control.decision import Decision, SteppedController
from procwm.control.health import Permits
from procwm.errors import LinkError
from procwm.plant.link import Clock, FullLink, PlantLink
from procwm.plant.request import Request
from procwm.plant.samples import Sample, readable
from procwm.plant.scenario import TargetChange
from procwm.plant.texts import shown
from procwm.runtime.cycle import FAILED, Cycle, CycleSink, Inputs
from procwm.runtime.delivery import Delivered, Delivery
from procwm.runtime.forecast_check import ForecastCheck
from procwm.runtime.heartbeat import Heartbeat
from procwm.runtime.keeping import Keeping
from procwm.runtime.operator import Operator
from procwm.runtime.past_reading import PastReading
from procwm.runtime.snapshot import Snapshot
from procwm.runtime.steering import PlainSteering, steering
from procwm.runtime.tally import RunSummary, Tally
from procwm.runtime.watch import Watch

_log = logging.getLogger(__name__)

_STATE_EVERY = 200
"""Steps between two states that are kept with the inputs: from each of them the record can be taken again."""


@dataclass(eq=False)
class _Run:
    """What a run counts while it goes on."""

    link: FullLink
    steering: PlainSteering
    delivery: Delivery
    targets: Sequence[TargetChange]
    reconnect: Callable[[], Awaitable[None]] | None
    operator: Operator | None
    recorder: CycleSink | None
    past: PastReading | None
    waiting: list[Sample] = field(default_factory=list)
    asked: dict[str, float] = field(default_factory=dict)
    requests: list[Request] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    trouble: str = ""
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
        self.keeping = Keeping(self.recorder)
        self.forecasts = ForecastCheck(spec)
        self.signals = frozenset(signal.name for signal in spec.signals)
        self.known = frozenset(spec.names)

    async def cycle(self, time_ns: int) -> Cycle:
        """One tick: drain, decide, write."""
        began_ns = time.perf_counter_ns()
        received, fault = await self._drained()
        if not fault and not self.link.connected:
            fault = "there is no connection to the plant"
        samples = tuple(sample for sample in received if sample.tag in self.known)
        self.keeping.receive(samples)
        self.delivery.observe(samples, time_ns)
        permits = self.watch.permits(
            [sample for sample in received if sample.tag in self.signals],
            time_ns,
            connected=not fault,
            delivery=self.delivery,
        )
        self.events[:] = self.keeping.told()
        trouble = self.link.trouble
        if trouble and trouble != self.trouble:
            self.events.append(trouble)
        self.trouble = trouble
        decision, inputs = await self._decided(samples, permits, time_ns)
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
            fault=shown("; ".join(part for part in (fault, delivered.fault) if part)),
            inputs=inputs,
            events=tuple(map(shown, self.events)),
        )
        self.tick += 1
        return cycle

    async def _drained(self) -> tuple[tuple[Sample, ...], str]:
        try:
            return readable(self.link.drain()), ""
        except LinkError as error:
            _log.warning("no samples: %s", shown(str(error)))
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
            _log.warning("the link stays closed: %s", shown(str(error)))

    async def _decided(
        self, samples: tuple[Sample, ...], permits: Permits, time_ns: int
    ) -> tuple[Decision, Inputs | None]:
        self.waiting += samples
        self.asked |= {change.tag: change.value for change in self.targets if change.tick == self.tick}
        if self.operator is not None:
            self.requests += self.operator.taken()
            self.events += self.operator.told()
        if self.delivery.missing:
            waited = f"waiting to read back {self.delivery.awaited_first}"
            return self.steering.no_step(waited, time_ns), None
        if time_ns <= self.last_ns:
            back = f"the clock went back by {(self.last_ns - time_ns) / 1e9:g} s; waiting for its time"
            if not self.waits:
                self.events.append(back)
            self.waits = True
            return self.steering.no_step(back, time_ns), None
        self.waits = False
        past: tuple[Sample, ...] = ()
        if self.past is not None and self.steering.state is None:
            found = await self.past.found(time_ns, self.waiting, self.delivery.in_force)
            if found is None:
                return self.steering.no_step("reading what was before", time_ns), None
            self.events.append(found.told)
            past = found.samples
        self.steering.begin(self.delivery.in_force, past)
        inputs = self._inputs(permits, time_ns)
        self.waiting, self.asked, self.requests, self.last_ns = [], {}, [], time_ns
        try:
            # In a thread, so that the link goes on receiving while the controller thinks.
            return await asyncio.to_thread(self.steering.step, inputs, time_ns), inputs
        except Exception as error:
            _log.exception(FAILED)
            reason = shown(f"{FAILED}: {type(error).__name__}: {error}")
            self.events += self.steering.failed(reason, inputs)
            # No inputs lead to this state, so it is kept with the next ones.
            self.stepped = 0
            return self.steering.no_step(reason, time_ns), None

    def _inputs(self, permits: Permits, time_ns: int) -> Inputs:
        """All that the next step is given."""
        state = self.steering.kept
        kept = state is not None and self.stepped % _STATE_EVERY == 0
        self.stepped += 1
        requests, told = self.steering.admitted(self.requests)
        self.events += told
        targeted = set(self.asked).union(*({*asked.setpoints, *asked.zones} for asked in requests))
        if state is not None:
            targeted |= {*state.targets.setpoints, *state.targets.zones}
        forecast, told = self.forecasts.known(self.link.forecasts(), time_ns, asked=targeted)
        self.events += told
        return Inputs(
            state=state.to_bytes() if state is not None and kept else None,
            samples=tuple(self.waiting),
            setpoints=self.asked,
            requests=requests,
            permits=permits,
            forecast=forecast,
            in_force=self.delivery.taken_otherwise(),
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
            state=self.steering.state,
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
    past: PastReading | None = None,
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
        past: finds samples from before, for a controller that is started; `None` where there are none.
        snapshot: keeps the state of every cycle, for a run that goes on after a kill.
        on_cycle: called after every cycle.
    """
    full = FullLink(link)
    delivery = Delivery(full)
    going = _Run(full, steering(controller, state), delivery, targets, reconnect, operator, recorder, past)
    if intervals == 0:
        return going.summary
    ticks = clock.ticks(link.spec.interval_s)
    async with _closing(ticks), _closing(past):
        async for time_ns in ticks:
            cycle = await going.cycle(time_ns)
            going.keeping.append(cycle)
            if operator is not None:
                operator.append(cycle)
            if snapshot is not None and going.steering.kept is not None:
                snapshot.keep(going.steering.kept)
            if heartbeat is not None and delivery.healthy and not cycle.fault:
                await heartbeat.beat(within_s=link.spec.interval_s)
            if on_cycle is not None:
                on_cycle(cycle)
            if going.tick == intervals:
                break
    return going.summary


def _closing(used: AsyncIterator[int] | PastReading | None) -> AbstractAsyncContextManager[Any]:
    return aclosing(used) if hasattr(used, "aclose") else nullcontext()
