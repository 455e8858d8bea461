"""The thin shell around a stepped controller: drain, decide, write, once a tick."""

import asyncio
import logging
import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from procwm.control.decision import Decision, SteppedController
from procwm.control.measurement import utc
from procwm.errors import LinkError
from procwm.plant.link import Clock, PlantLink
from procwm.plant.samples import Sample, Setpoints
from procwm.plant.scenario import TargetChange
from procwm.runtime.delivery import Delivered, Delivery
from procwm.runtime.heartbeat import Heartbeat

_log = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, eq=False)
class Cycle:
    """All that happened in one control interval, engineering units.

    Attributes:
        tick: count of cycles before this one.
        time_ns: of the tick, UTC.
        samples: received since the tick before.
        decision: of the controller.
        accepted: what the plant took; `None` where nothing was written, or nothing is known.
        fault: what went wrong between controller and plant, one sentence, or empty.
    """

    tick: int
    time_ns: int
    samples: tuple[Sample, ...]
    decision: Decision
    accepted: Setpoints | None
    fault: str


@runtime_checkable
class CycleSink(Protocol):
    """Keeps cycles; `Recorder` is one."""

    def append(self, cycle: Cycle) -> None:
        """Keep one cycle; when this returns it survives the death of the process."""
        ...


@dataclass(frozen=True, kw_only=True, eq=False)
class RunSummary:
    """A run in numbers.

    Attributes:
        cycles: control cycles run.
        written: writes that the plant accepted.
        failed: writes that it did not.
        unknown: writes whose outcome could not be read back.
        deaf: cycles in which the link could not be drained.
        reconnects: attempts to open the link again.
        rungs: how often each rung of the ladder decided.
        reasons: how often each reason was given for writing nothing.
        step_ms_median, step_ms_p99: wall time of the controller's steps.
        state: of the controller, to go on from; `None` where it never started.
    """

    cycles: int
    written: int
    failed: int
    unknown: int
    deaf: int
    reconnects: int
    rungs: Counter[str]
    reasons: Counter[str]
    step_ms_median: float
    step_ms_p99: float
    state: Any


@dataclass(eq=False)
class _Run:
    """What a run counts while it goes on."""

    link: PlantLink
    controller: SteppedController
    delivery: Delivery
    targets: Sequence[TargetChange]
    reconnect: Callable[[], Awaitable[None]] | None
    state: Any
    waiting: list[Sample] = field(default_factory=list)
    asked: dict[str, float] = field(default_factory=dict)
    deaf: int = 0
    reconnects: int = 0
    tick: int = 0
    rungs: Counter[str] = field(default_factory=Counter)
    reasons: Counter[str] = field(default_factory=Counter)
    step_s: list[float] = field(default_factory=list)

    async def cycle(self, time_ns: int) -> Cycle:
        """One tick: drain, decide, write."""
        began_ns = time.perf_counter_ns()
        samples, fault = await self._drained()
        before = self.delivery.corrections()
        self.delivery.observe(samples, time_ns)
        decision = await self._decided((*before, *samples, *self.delivery.corrections()), time_ns)
        delivered = Delivered(None)
        if decision.setpoints is not None:
            delivered = await self.delivery.deliver(
                decision.setpoints, lambda: time_ns + time.perf_counter_ns() - began_ns
            )
        self._count(decision)
        cycle = Cycle(
            tick=self.tick,
            time_ns=time_ns,
            samples=samples,
            decision=decision,
            accepted=delivered.accepted,
            fault="; ".join(part for part in (fault, delivered.fault) if part),
        )
        self.tick += 1
        return cycle

    async def _drained(self) -> tuple[tuple[Sample, ...], str]:
        try:
            return tuple(self.link.drain()), ""
        except LinkError as error:
            self.deaf += 1
            _log.warning("no samples: %s", error)
            await self._try_again()
            return (), f"no samples: {error}"

    async def _try_again(self) -> None:
        if self.reconnect is None:
            return
        self.reconnects += 1
        try:
            await self.reconnect()
        except LinkError as error:
            _log.warning("the link stays closed: %s", error)

    async def _decided(self, samples: tuple[Sample, ...], time_ns: int) -> Decision:
        self.waiting += samples
        self.asked |= {change.tag: change.value for change in self.targets if change.tick == self.tick}
        if self.delivery.missing:
            missing = ", ".join(self.delivery.missing)
            return Decision(setpoints=None, reason=f"waiting to read back {missing}", time_ns=time_ns)
        if self.state is None:
            self.state = self.controller.start(self.delivery.in_force)
        samples, self.waiting = tuple(self.waiting), []
        asked, self.asked = self.asked, {}
        # In a thread, so that the link goes on receiving while the controller thinks.
        decision, self.state = await asyncio.to_thread(
            self.controller.step, samples, self.state, time=utc(time_ns), setpoints=asked or None
        )
        return decision

    def _count(self, decision: Decision) -> None:
        self.step_s.append(decision.step_s)
        if decision.rung:
            self.rungs[decision.rung] += 1
        if decision.setpoints is None:
            self.reasons[decision.reason] += 1

    @property
    def summary(self) -> RunSummary:
        step_ms = sorted(1e3 * step for step in self.step_s) or [0.0]
        return RunSummary(
            cycles=self.tick,
            written=self.delivery.written,
            failed=self.delivery.failed,
            unknown=self.delivery.unknown,
            deaf=self.deaf,
            reconnects=self.reconnects,
            rungs=self.rungs,
            reasons=self.reasons,
            step_ms_median=statistics.median(step_ms),
            step_ms_p99=step_ms[min(len(step_ms) - 1, int(0.99 * len(step_ms)))],
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
        on_cycle: called after every cycle.
    """
    delivery = Delivery(link)
    going = _Run(link, controller, delivery, targets, reconnect, state)
    if intervals == 0:
        return going.summary
    ticks = clock.ticks(link.spec.interval_s)
    async with _closing(ticks):
        async for time_ns in ticks:
            cycle = await going.cycle(time_ns)
            if recorder is not None:
                recorder.append(cycle)
            if heartbeat is not None and delivery.healthy and not cycle.fault:
                await heartbeat.beat()
            if on_cycle is not None:
                on_cycle(cycle)
            if going.tick == intervals:
                break
    return going.summary


def _closing(ticks: AsyncIterator[int]) -> AbstractAsyncContextManager[Any]:
    return aclosing(ticks) if hasattr(ticks, "aclose") else nullcontext()
