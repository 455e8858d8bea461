"""Simulated time over OPC UA: driven interval by interval, or followed as the server lets it run."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Any

from asyncua import ua

from procwm.errors import LinkError, SpecError
from procwm.plant.samples import Sample
from procwm_adapters.opcua.link.opcua_link import OpcUaLink
from procwm_adapters.opcua.simulation.simulation_server import (
    ADVANCE,
    LARGEST_ADVANCE,
    NAMESPACE,
    STATUS,
    TIME_NS,
)
from procwm_adapters.opcua.wire.failures import linked

_BATCH_S = 0.25
"""Aim for the duration of one call to the server, so that it stays far below a request's timeout."""


class ServedTime:
    """A `Clock` that ticks when the simulation behind `link` has moved on by a control interval."""

    def __init__(self, link: OpcUaLink, *, patience_s: float = 30.0) -> None:
        """Args: patience_s: how long to wait for the simulation before calling it stopped."""
        link.reaffirms = False
        self._link = link
        self._patience_s = patience_s
        self._namespace: int | None = None
        self._time_ns = -1
        self._moved = asyncio.Event()

    async def ticks(self, interval_s: float) -> AsyncIterator[int]:
        """The present simulated time, then every time the server reaches, UTC ns; late ones are skipped."""
        self._check(interval_s)
        seen_ns = -1
        while True:
            seen_ns = await self._reached(seen_ns + 1)
            yield seen_ns

    def _check(self, interval_s: float) -> None:
        own = self._link.spec.interval_s
        if interval_s != own:
            raise SpecError(
                f"the simulation has a control interval of {own} s; it cannot tick every {interval_s} s"
            )

    def _node_id(self, name: str) -> Any:
        return ua.NodeId(name, self._namespace)

    async def _attach(self) -> None:
        if self._namespace is not None:
            return
        with linked(self._link.spec.name, "looking for the simulation"):
            try:
                self._namespace = await self._link.client.get_namespace_index(NAMESPACE)
            except ValueError:
                raise LinkError(f"{self._link.spec.name}: the server is not a procwm simulation") from None
        await self._link.watch(self._node_id(TIME_NS), self._on_time)

    def _on_time(self, value: Any) -> None:
        self._time_ns = value.Value.Value
        self._moved.set()

    async def _reached(self, time_ns: int) -> int:
        """Wait until the samples up to `time_ns` have arrived; return the time that has been reached."""
        await self._attach()
        while self._time_ns < time_ns:
            self._moved.clear()
            try:
                await asyncio.wait_for(self._moved.wait(), self._patience_s)
            except TimeoutError:
                raise LinkError(
                    f"{self._link.spec.name}: no samples from the simulation for {self._patience_s:g} s "
                    f"({await self._status()})"
                ) from None
        return self._time_ns

    async def _status(self) -> str:
        with linked(self._link.spec.name, "asking for the simulation's status"):
            return str(await self._link.client.get_node(self._node_id(STATUS)).read_value())


class OpcUaLockstep(ServedTime):
    """A `Clock` that makes the simulation behind `link` move: one control interval per tick.

    The server serves in lockstep, so nothing happens between ticks, and a run over OPC UA is the
    same whatever the speed of the machine.
    """

    async def ticks(self, interval_s: float) -> AsyncIterator[int]:
        """The present simulated time, then one control interval more with every tick, UTC ns."""
        self._check(interval_s)
        yield await self._reached(0)
        while True:
            yield await self.advance()

    async def advance(self, intervals: int = 1) -> int:
        """Simulate that many control intervals; return the time reached, when all samples are here."""
        await self._reached(0)
        async for _ in self._batches(intervals):
            pass
        return self._time_ns

    async def record(self, intervals: int) -> AsyncIterator[Sequence[Sample]]:
        """Simulate that many control intervals, yielding the samples as they come."""
        await self._reached(0)
        yield self._link.drain()
        async for _ in self._batches(intervals):
            yield self._link.drain()

    async def _batches(self, intervals: int) -> AsyncIterator[int]:
        clock = asyncio.get_running_loop().time
        batch, left = 1, intervals
        while left > 0:
            count, start = min(batch, left), clock()
            yield await self._reached(await self._call(count))
            left -= count
            quick = clock() - start < _BATCH_S
            batch = min(LARGEST_ADVANCE, count * 2) if quick else max(1, count // 2)

    async def _call(self, intervals: int) -> int:
        folder = self._link.client.get_node(self._node_id("Simulation"))
        try:
            with linked(self._link.spec.name, "advancing the simulation"):
                argument = ua.Variant(intervals, ua.VariantType.UInt32)
                return int(await folder.call_method(self._node_id(ADVANCE), argument))
        except LinkError as error:
            raise LinkError(f"{error}; the simulation is {await self._status()}") from error
