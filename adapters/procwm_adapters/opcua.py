"""A plant reached over OPC UA: one subscription in, verified writes out, reconnecting by itself."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

from asyncua import Client, ua
from asyncua.client.ua_client import UaClientState
from asyncua.common.subscription import DataChangeEvent, Subscription

from procwm.errors import LinkError, SpecError
from procwm.plant.samples import Quality, Sample, Setpoints
from procwm.plant.tags import PlantSpec, Role
from procwm_adapters.inbox import Inbox
from procwm_adapters.opcua_client import SecureClient, settings_of
from procwm_adapters.opcua_errors import FAILURES, linked
from procwm_adapters.opcua_history import read_raw
from procwm_adapters.opcua_nodes import HEARTBEAT, PlantNode, examine, named_nodes
from procwm_adapters.opcua_requests import in_batches, read
from procwm_adapters.opcua_values import nanoseconds, overflowed, sample_of
from procwm_adapters.opcua_write import SetpointWriter

_LOGGER = logging.getLogger(__name__)

_KEEP_ALIVE_S = 10.0
_LIFETIME_S = 60.0
_SESSION_S = 120.0
_NOT_RETURNED: tuple[type[Exception], ...] = (LinkError, SpecError, *FAILURES)
_RETRY_S = 2.0
_POLL_S = 0.05
_OVERLAP_S = 60.0
_SERVER_TIME = ua.NodeId(ua.ObjectIds.Server_ServerStatus_CurrentTime)
_NEW_TIME = ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp)


class _Item(NamedTuple):
    """A node of the subscription, and who takes its `DataValue`s."""

    name: str
    id: Any
    receive: Callable[[Any], None]


class OpcUaLink:
    """A `PlantLink` to `spec.opcua.endpoint`; use it as `async with OpcUaLink(spec) as link:`.

    Entering connects, finds every tag's node, checks its type and unit and subscribes to it.
    A lost connection is taken up again by itself; meanwhile `drain` has nothing and `write` refuses.

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
        self._publishing_s = publishing_s or min(1.0, max(0.05, spec.interval_s / 10.0))
        self._server_queue = server_queue
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
        self._heard: dict[str, float] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._receiving: asyncio.Task[None] | None = None
        self._subscription: Subscription | None = None
        self._items: dict[int, _Item] = {}
        self._mvs: dict[str, PlantNode] = {}
        self._writer = SetpointWriter(
            self._client, self._endpoint, self._mvs, lambda: self.connected, settle_s=settle_s
        )
        self._beats: dict[str, PlantNode] = {}
        self._beater = SetpointWriter(
            self._client, self._endpoint, self._beats, lambda: self.connected, settle_s=settle_s
        )
        self._losses = 0
        self._lost = asyncio.Event()
        self._overflows = 0
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
        return self._client.state is UaClientState.CONNECTED and not self._lost.is_set()

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

    async def write(self, setpoints: Setpoints) -> dict[str, float]:
        """Write MVs, read them back, and return what the plant holds.

        Raises:
            LinkError: a tag that is no MV, a value that is no finite number, no connection, or the
                server refused.
            OutcomeUnknownError: what came of the write could not be read.
        """
        return await self._writer.write(setpoints)

    async def beat(self, count: int) -> None:
        """Write `count` to the heartbeat's node of the plant file; `LinkError` where that fails."""
        await self._beater.write({HEARTBEAT: float(count)})

    async def watch(self, node_id: Any, receive: Callable[[Any], None]) -> None:
        """Call `receive` with every `DataValue` of another node, in order with the tags' samples."""
        with linked(self._endpoint, f"watching {node_id}"):
            await self._subscribe([_Item(str(node_id), node_id, receive)])

    async def _open(self) -> None:
        self._client.connection_lost_callback = self._on_loss
        self._take(await examine(self._client, self._spec))
        await self._subscribe_anew([])
        self._tasks.append(asyncio.create_task(self._reaffirm()))
        self._tasks.append(asyncio.create_task(self._return()))

    def _take(self, nodes: tuple[PlantNode, ...]) -> None:
        self._nodes = nodes
        for named, role in ((self._mvs, Role.MV), (self._beats, None)):
            named.clear()
            names = {tag.name for tag in self._spec.tags if tag.role is role} if role else {HEARTBEAT}
            named.update({node.name: node for node in nodes if node.written and node.name in names})

    async def _subscribe_anew(self, others: Sequence[_Item]) -> None:
        """Have the one subscription bring every tag and signal, and the `others` that are watched."""
        self._items.clear()
        self._subscription = await self._client.create_subscription(self._parameters(), queue_maxsize=0)
        self._receiving = asyncio.create_task(self._receive(self._subscription))
        told = [node for node in self._nodes if node.name != HEARTBEAT]
        await self._subscribe([_Item(node.name, node.id, self._receiver(node)) for node in told])
        await self._subscribe(others)

    async def _on_loss(self, _: Exception) -> None:
        self._losses += 1
        self._lost.set()
        self._inbox.hold()
        if self._subscription is not None:
            # Else the library takes it for stale on return, and restores it twice at the same time.
            self._subscription.last_publish_at = None

    async def _return(self) -> None:
        """After every loss: is the server that came back still the plant, and what was missed meanwhile?"""
        while True:
            await self._lost.wait()
            async with self._client.subscribe_state() as states:
                await states.wait_for_state(UaClientState.CONNECTED)
            losses = self._losses
            try:
                await self._resume()
            except _NOT_RETURNED as error:
                _LOGGER.warning("%s: the server is back, but not as it was: %s", self._endpoint, error)
                await asyncio.sleep(_RETRY_S)
                continue
            if losses == self._losses:
                self._lost.clear()

    async def _resume(self) -> None:
        nodes = await examine(self._client, self._spec)
        moved = [node.id for node in nodes] != [node.id for node in self._nodes]
        self._take(nodes)
        if moved:
            await self._resubscribe()
        self._inbox.release(await self._missed())

    async def _resubscribe(self) -> None:
        """Begin anew on a server that numbers its namespaces differently since it was started again."""
        while self._subscription is None or self._subscription.subscription_id is None:
            await asyncio.sleep(_POLL_S)  # the library is still restoring it
        tags = {node.name for node in self._nodes}
        others = [item for item in self._items.values() if item.name not in tags]
        if self._receiving is not None:
            self._receiving.cancel()
        with contextlib.suppress(*FAILURES):
            await self._subscription.delete()
        await self._subscribe_anew(others)

    async def _missed(self) -> list[Sample]:
        """What the server has kept of the time without a connection; nothing where it keeps nothing."""
        kept = [node for node in self._nodes if node.history]
        newest_ns = self._inbox.newest_ns
        if not kept or newest_ns is None:
            return []
        # Values were on their way when the connection was lost; the inbox knows those that had arrived.
        start_ns = newest_ns - round(_OVERLAP_S * 1e9)
        end_ns = max(time.time_ns(), newest_ns) + round(_OVERLAP_S * 1e9)
        samples: list[Sample] = []
        try:
            async for portion in read_raw(self._client, kept, start_ns, end_ns):
                samples += portion
        except _NOT_RETURNED as error:
            _LOGGER.warning("%s: what was missed could not be read back: %s", self._endpoint, error)
        return samples

    async def _close(self) -> None:
        tasks = [*self._tasks, *([self._receiving] if self._receiving else [])]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._tasks.clear()
        await self._client.disconnect()

    def _parameters(self) -> Any:
        return ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=self._publishing_s * 1000.0,
            RequestedMaxKeepAliveCount=max(1, round(_KEEP_ALIVE_S / self._publishing_s)),
            RequestedLifetimeCount=max(3, round(_LIFETIME_S / self._publishing_s)),
            PublishingEnabled=True,
        )

    async def _subscribe(self, items: Sequence[_Item]) -> None:
        """Add items to the one subscription; `LinkError` where the server refuses one."""
        numbered = dict(enumerate(items, start=len(self._items) + 1))
        self._items.update(numbered)
        refused = await self._create(numbered, _NEW_TIME)
        plain = {handle: numbered[handle] for handle, status in refused.items() if "Filter" in status.name}
        # Servers that cannot report a new time of an unchanged value say so; `_reaffirm` makes up for it.
        refused = {handle: refused[handle] for handle in refused.keys() - plain.keys()}
        refused |= await self._create(plain, None)
        for handle, status in refused.items():
            item = numbered[handle]
            raise LinkError(
                f"{self._endpoint}: {item.name}: {item.id} cannot be subscribed to ({status.name})"
            )

    async def _create(self, items: Mapping[int, _Item], trigger: Any) -> dict[int, Any]:
        """Create monitored items by client handle; return the status of each one that was refused."""
        if self._subscription is None or not items:
            return {}
        answers = await in_batches(
            self._subscription.create_monitored_items,
            [
                ua.MonitoredItemCreateRequest(
                    ItemToMonitor=ua.ReadValueId(NodeId=item.id, AttributeId=ua.AttributeIds.Value),
                    MonitoringMode=ua.MonitoringMode.Reporting,
                    RequestedParameters=ua.MonitoringParameters(
                        ClientHandle=handle,
                        SamplingInterval=self._publishing_s * 1000.0,
                        Filter=trigger,
                        QueueSize=self._server_queue,
                        DiscardOldest=True,
                    ),
                )
                for handle, item in items.items()
            ],
        )
        return {
            h: answer for h, answer in zip(items, answers, strict=True) if isinstance(answer, ua.StatusCode)
        }

    async def _receive(self, subscription: Subscription) -> None:
        async for event in subscription:
            if isinstance(event, DataChangeEvent):
                self._items[event.data.subscription_data.client_handle].receive(
                    event.data.monitored_item.Value
                )
            else:
                _LOGGER.warning("%s: the subscription reports %s", self._endpoint, event)

    def _receiver(self, node: PlantNode) -> Callable[[Any], None]:
        def receive(value: Any) -> None:
            self._heard[node.name] = time.monotonic()
            self._overflows += overflowed(value.StatusCode)
            if not _awaited(value):
                self._inbox.put(sample_of(node.name, value, time.time_ns()))

        return receive

    async def _reaffirm(self) -> None:
        half_s = self._spec.interval_s / 2.0
        while True:
            await asyncio.sleep(half_s)
            before = time.monotonic() - half_s
            silent = [
                node
                for node in self._nodes
                if node.name != HEARTBEAT and self._heard.get(node.name, before) <= before
            ]
            if self.reaffirms and silent and self.connected:
                try:
                    await self._confirm(silent)
                except FAILURES as error:
                    _LOGGER.warning("%s: reading silent tags failed: %s", self._endpoint, error)

    async def _confirm(self, silent: Sequence[PlantNode]) -> None:
        """Read `silent` tags with the server's clock; a value still Good holds at that time."""
        targets = [*(node.id for node in silent), _SERVER_TIME]
        *values, clock = await read(self._client, [(target, ua.AttributeIds.Value) for target in targets])
        received_ns = time.time_ns()
        server_ns = nanoseconds(clock.Value.Value if clock.Value is not None else None) or received_ns
        for node, value in zip(silent, values, strict=True):
            if _awaited(value):
                continue
            sample = sample_of(node.name, value, server_ns)
            self._inbox.put(sample)
            if sample.quality is Quality.GOOD:
                self._inbox.affirm(Sample(node.name, sample.value, sample.quality, server_ns))


def _awaited(value: Any) -> bool:
    """Whether the server says that the source has not reported anything yet."""
    status = value.StatusCode
    return status is not None and status.value == ua.StatusCodes.BadWaitingForInitialData
