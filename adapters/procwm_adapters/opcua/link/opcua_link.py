"""A plant reached over OPC UA: one subscription in, verified writes out, reconnecting by itself."""

import asyncio
import logging
import math
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self

from asyncua import Client, ua
from asyncua.client.ua_client import UaClientState

from procwm.errors import LinkError
from procwm.plant.samples import ForecastSample, Quality, Sample, Setpoints
from procwm.plant.tags import PlantSpec, names_of
from procwm_adapters.inbox import Inbox
from procwm_adapters.opcua.link.client import SecureClient, settings_of
from procwm_adapters.opcua.link.named_nodes import (
    HEARTBEAT,
    WRITE_ID,
    WRITE_UNTIL,
    PlantNode,
    named_nodes,
)
from procwm_adapters.opcua.link.nodes import examine
from procwm_adapters.opcua.link.reconnection import Return
from procwm_adapters.opcua.link.setpoint_writer import SetpointWriter
from procwm_adapters.opcua.link.source_times import SourceTimes
from procwm_adapters.opcua.link.subscription import Item, LinkSubscription
from procwm_adapters.opcua.wire.failures import FAILURES, linked
from procwm_adapters.opcua.wire.requests import read
from procwm_adapters.opcua.wire.values import WHOLE, counted, forecast_of, nanoseconds, overflowed

_LOGGER = logging.getLogger(__name__)

_SESSION_S = 120.0
_WITHHELD_S = 10.0
"""For how long a server may hold another value than it has reported; 3 control intervals if they are more,"""
_WITHHELD_AT_MOST_S = 3600.0
"""and twice as long every time it does so again, up to this: it may report nothing but large changes."""
_SERVER_TIME = ua.NodeId(ua.ObjectIds.Server_ServerStatus_CurrentTime)


class OpcUaLink:
    """A `PlantLink` to `spec.opcua.endpoint`; use it as `async with OpcUaLink(spec) as link:`.

    Entering connects, finds every tag's node, checks its type and unit and subscribes to it.
    A lost connection is taken up again by itself, and so is a subscription that the server has ended or
    brings nothing of; meanwhile `drain` has nothing and `write` refuses. Where the server keeps history, what
    was missed is read back before anything newer comes out of `drain`.

    Attributes:
        reaffirms: whether a tag that the server has been silent about for a control interval is
            read again, and confirmed when it is still Good. A server need not send a value that
            does not change, and without this a steady level would look like a lost one. To be
            switched off where the plant's time is not the clock's.
    """

    def __init__(
        self,
        spec: PlantSpec,
        *,
        publishing_s: float | None = None,
        timeout_s: float = 4.0,
        watchdog_s: float = 2.0,
        reconnect_delay_s: float = 2.0,
        settle_s: float = 0.5,
        server_queue: int = 1000,
        local_queue: int = 200_000,
    ) -> None:
        """Nothing is sent before the link is entered.

        Args:
            spec: the plant, with an endpoint and a node for every tag.
            publishing_s: how often the server sends; a tenth of the control interval where `None`.
            timeout_s: how long any request may take.
            watchdog_s: how often the server is probed, and how long it may take to answer.
            reconnect_delay_s: longest pause between attempts to reconnect.
            settle_s: how long the server may take to show a value that it has accepted.
            server_queue: values of a tag that the server keeps between two sendings.
            local_queue: samples that wait here for `drain`; beyond that the oldest are dropped.
        """
        self._spec = spec
        self._nodes = named_nodes(spec)
        settings = settings_of(spec)
        self._client = SecureClient(settings, timeout=timeout_s, watchdog_intervall=watchdog_s)
        self._client.session_timeout = int(_SESSION_S * 1000)
        self._endpoint = settings.endpoint
        self._reconnect = {
            "auto_reconnect": True,
            "reconnect_max_delay": reconnect_delay_s,
            # No request may go out late, in a later control interval.
            "reconnect_request_timeout": min(timeout_s, spec.interval_s / 2.0),
        }
        self._inbox = Inbox(local_queue)
        self._forecasts: dict[str, ForecastSample] = {}
        self._heard: dict[str, float] = {}
        self._reported: dict[str, float] = {}
        self._withheld: dict[str, float] = {}
        self._patience_s = max(_WITHHELD_S, 3.0 * spec.interval_s)
        self._believed = {tag.name for tag in spec.tags if tag.use_uncertain}
        self._tasks: list[asyncio.Task[None]] = []
        self._subscription = LinkSubscription(
            self._client,
            self._endpoint,
            publishing_s=publishing_s or min(1.0, max(0.05, spec.interval_s / 10.0)),
            interval_s=spec.interval_s,
            server_queue=server_queue,
        )
        self._return = Return(self._client, self._endpoint, self._subscription, self._inbox, self._look_again)
        self._mvs: dict[str, PlantNode] = {}
        self._stamps: dict[str, PlantNode] = {}
        self._writer = SetpointWriter(
            self._client,
            self._endpoint,
            self._mvs,
            lambda: self.connected,
            settle_s=settle_s,
            stamps=self._stamps,
        )
        self._beats: dict[str, PlantNode] = {}
        self._beater = SetpointWriter(
            self._client, self._endpoint, self._beats, lambda: self.connected, settle_s=settle_s
        )
        self._overflows = 0
        self._skew_s = spec.control.clock_skew_s or spec.interval_s
        self._times = SourceTimes(self._endpoint, interval_s=spec.interval_s, skew_s=self._skew_s)
        self.reaffirms = True

    @property
    def spec(self) -> PlantSpec:
        """The plant file's view of the plant."""
        return self._spec

    @property
    def client(self) -> Client:
        """The connection, for services beyond samples and setpoints."""
        return self._client

    @property
    def connected(self) -> bool:
        """Whether the server is reached at the moment, and is the one that the plant file describes."""
        return self._client.state is UaClientState.CONNECTED and self._return.complete

    @property
    def trouble(self) -> str:
        """Why a lost server has not been taken up again, one sentence, or empty."""
        return self._client.trouble or self._return.trouble

    @property
    def whole_numbers(self) -> tuple[str, ...]:
        """MVs whose nodes hold whole numbers."""
        return tuple(name for name, node in self._mvs.items() if node.kind in WHOLE)

    @property
    def dropped(self) -> int:
        """Samples lost here because `drain` came too late, and times the server says it lost some."""
        return self._inbox.dropped + self._overflows

    async def __aenter__(self) -> Self:
        with linked(self._endpoint, "connecting"), self._client.connecting():
            await self._client.connect(**self._reconnect)
        try:
            with linked(self._endpoint, "subscribing"):
                await self._open()
        except BaseException:
            await self._close()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._close()

    def drain(self) -> list[Sample]:
        """Samples received since the last call, oldest source time first; never blocks."""
        return self._inbox.drain()

    def forecasts(self) -> list[ForecastSample]:
        """What is known ahead: the newest of each tag with a `forecast_node`; never blocks."""
        return list(self._forecasts.values())

    async def write(self, setpoints: Setpoints) -> dict[str, float]:
        """Write MVs, read them back, and return what the plant holds.

        Raises:
            LinkError: there is no connection.
            LinkRefusedError: a tag that is no MV, a value that is no finite number, or the server refused.
            OutcomeUnknownError: what came of the write could not be read.
        """
        return await self._writer.write(setpoints)

    async def write_valid(self, setpoints: Setpoints, *, write_id: int, until_ns: int) -> dict[str, float]:
        """Write MVs as `write` does; the plant file's nodes for it get number and validity in one request."""
        return await self._writer.write(setpoints, stamped={WRITE_ID: write_id, WRITE_UNTIL: until_ns})

    async def beat(self, count: int) -> None:
        """Write `count` to the heartbeat's node of the plant file; `LinkError` where that fails.

        A type too narrow for it begins again from 0, and a Boolean toggles: what the plant watches keeps
        changing.
        """
        node = self._beats.get(HEARTBEAT)
        shown = count if node is None else counted(count, node.kind)
        await self._beater.write({HEARTBEAT: float(shown)})

    async def watch(self, node_id: Any, receive: Callable[[Any], None]) -> None:
        """Call `receive` with every `DataValue` of another node, in order with the tags' samples."""
        with linked(self._endpoint, f"watching {node_id}"):
            await self._subscription.add([Item(str(node_id), node_id, receive)])
        if str(node_id) in self._subscription.left_out:
            raise LinkError(f"{self._endpoint}: {node_id.to_string()} cannot be subscribed to")

    async def _open(self) -> None:
        self._take(await examine(self._client, self._spec))
        await self._subscription.open(self._told)
        self._tasks.append(asyncio.create_task(self._return.watch()))
        self._tasks.append(asyncio.create_task(self._reaffirm()))

    def _take(self, nodes: tuple[PlantNode, ...]) -> None:
        self._nodes = nodes
        for named, names in (
            (self._mvs, names_of(self._spec.mvs)),
            (self._beats, (HEARTBEAT,)),
            (self._stamps, (WRITE_ID, WRITE_UNTIL)),
        ):
            named.clear()
            named.update({node.name: node for node in nodes if node.written and node.name in names})

    @property
    def _told(self) -> list[Item]:
        """What the subscription brings of the plant: every tag and signal, and what is known ahead."""
        return [Item(node.name, node.id, self._receiver(node)) for node in self._nodes if _read(node)]

    async def _look_again(self) -> tuple[PlantNode, ...]:
        """The nodes of the server that came back; it may number its namespaces differently now."""
        nodes = await examine(self._client, self._spec, self._nodes)
        moved = [node.id for node in nodes] != [node.id for node in self._nodes]
        self._take(nodes)
        if moved or not await self._subscription.restored():
            await self._subscription.reopen(self._told)
        return nodes

    async def _close(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._tasks.clear()
        await self._subscription.close()
        await self._client.disconnect()

    def _receiver(self, node: PlantNode) -> Callable[[Any], None]:
        def look_ahead(value: Any) -> None:
            if not _awaited(value):
                self._forecasts[node.ahead_of] = forecast_of(node.ahead_of, value)

        def receive(value: Any) -> None:
            self._heard[node.name] = time.monotonic()
            self._overflows += overflowed(value.StatusCode)
            if not _awaited(value):
                sample = self._times.live(node.name, value, time.time_ns())
                self._reported[node.name] = sample.value
                self._withheld.pop(node.name, None)
                self._inbox.put(sample)

        return look_ahead if node.ahead_of else receive

    async def _reaffirm(self) -> None:
        half_s = self._spec.interval_s / 2.0
        wait_s = 0.0 if self._subscription.left_out else half_s
        while True:
            await asyncio.sleep(wait_s)
            wait_s = half_s
            before = time.monotonic() - half_s
            silent = [node for node in self._nodes if _read(node) and self._silent(node, before)]
            if self.reaffirms and silent and self.connected:
                try:
                    await self._confirm(silent)
                    self._subscription.note_reading()
                except FAILURES as error:
                    _LOGGER.warning("%s: reading silent tags failed: %s", self._endpoint, error)

    def _silent(self, node: PlantNode, before: float) -> bool:
        """Whether `node` has said nothing since `before`, and was expected to; an array may stay as it is."""
        if node.ahead_of:
            return node.name in self._subscription.left_out
        return self._heard.get(node.name, before) <= before

    async def _confirm(self, silent: Sequence[PlantNode]) -> None:
        """Read `silent` tags with the server's clock; a value still Good holds at that time."""
        targets = [*(node.id for node in silent), _SERVER_TIME]
        *values, clock = await read(self._client, [(target, ua.AttributeIds.Value) for target in targets])
        received_ns = time.time_ns()
        server_ns = nanoseconds(clock.Value.Value if clock.Value is not None else None) or received_ns
        self._compare_clocks((server_ns - received_ns) / 1e9)
        for node, value in zip(silent, values, strict=True):
            if node.ahead_of:
                self._receiver(node)(value)
                continue
            if _awaited(value):
                continue
            sample = self._times.live(node.name, value, server_ns)
            self._inbox.put(sample, reported=False)
            believed = sample.quality is Quality.UNCERTAIN and node.name in self._believed
            if believed or sample.quality is Quality.GOOD:
                brought = node.name not in self._subscription.left_out
                if brought and sample.value != self._reported.get(node.name):
                    self._withheld.setdefault(node.name, time.monotonic())
                self._inbox.affirm(Sample(node.name, sample.value, sample.quality, server_ns))
        if self._withheld and time.monotonic() - min(self._withheld.values()) > self._patience_s:
            self._withheld.clear()
            self._patience_s = min(2.0 * self._patience_s, _WITHHELD_AT_MOST_S)
            self._subscription.give_up()

    def _compare_clocks(self, ahead_s: float) -> None:
        """Warn once, where the server's time is not ours: what it stamps is taken for old, or refused."""
        if abs(ahead_s) > self._skew_s:
            self._skew_s = math.inf
            _LOGGER.warning(
                "%s: the server's clock is %.3g s %s ours, and samples count by their time; set both by one "
                "time server",
                *(self._endpoint, abs(ahead_s), "ahead of" if ahead_s > 0 else "behind"),
            )


def _read(node: PlantNode) -> bool:
    """Whether its values are looked at; what procwm alone writes tells it nothing."""
    return node.name not in (HEARTBEAT, WRITE_ID, WRITE_UNTIL)


def _awaited(value: Any) -> bool:
    """Whether the server says that the source has not reported anything yet."""
    status = value.StatusCode
    return status is not None and status.value == ua.StatusCodes.BadWaitingForInitialData
