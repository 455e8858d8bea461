"""The one subscription of a link: which nodes it brings, who takes their values, whether it lives."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from asyncua import Client, ua
from asyncua.common.subscription import DataChangeEvent, StatusChangeEvent, Subscription

from procwm.errors import LinkError
from procwm_adapters.opcua_errors import FAILURES
from procwm_adapters.opcua_requests import in_batches

_LOGGER = logging.getLogger(__name__)

_KEEP_ALIVE_S = 10.0
_LIFETIME_S = 60.0
_POLL_S = 0.05
_KEEP_ALIVES = 3.0
"""Keep-alive intervals without a word after which a subscription is taken for dead, and"""
_SILENT_S = 10.0
"""at least that long: a busy server is late, and nothing may be written while it is asked anew."""
_FULL = frozenset({ua.StatusCodes.BadTooManyMonitoredItems, ua.StatusCodes.BadOutOfMemory})
"""Answers to an item that say that there is room for no more of them."""
_NEW_TIME = ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp)


class Item(NamedTuple):
    """A node of the subscription, and who takes its `DataValue`s."""

    name: str
    id: Any
    receive: Callable[[Any], None]


class LinkSubscription:
    """Brings the values of items; opened anew where the server has lost it.

    Attributes:
        left_out: names of items that the server has no room for.
    """

    def __init__(
        self, client: Client, endpoint: str, *, publishing_s: float, interval_s: float, server_queue: int
    ) -> None:
        """Nothing is sent before it is opened.

        Args:
            client: the connection.
            endpoint: how errors name the server.
            publishing_s: how often the server sends.
            interval_s: control interval; an idle server says that often that it lives, or every 10 s.
            server_queue: values of an item that the server keeps between two sendings.
        """
        self._client, self._endpoint = client, endpoint
        self._publishing_s, self._server_queue = publishing_s, server_queue
        self._keep_alive_s = min(_KEEP_ALIVE_S, interval_s)
        self._subscription: Subscription | None = None
        self._receiving: asyncio.Task[None] | None = None
        self._items: dict[int, Item] = {}
        self._ended = False
        self.left_out: frozenset[str] = frozenset()
        # The library would open it anew itself and tell nobody that there is a gap.
        client._stale_check_margin = float("inf")

    @property
    def dead(self) -> bool:
        """Whether the server has ended it, or has said nothing for longer than it promised."""
        patience = max(_KEEP_ALIVES, _SILENT_S / self._keep_alive_s)
        return self._ended or (self._subscription is not None and self._subscription.is_stale(patience))

    def give_up(self) -> None:
        """Take it for dead: it lives, and brings nothing of what the server has."""
        self._ended = True

    def forget_silence(self) -> None:
        """The connection is lost, so silence says nothing about the subscription."""
        if self._subscription is not None:
            # Else the library takes it for stale on return, and restores it twice at the same time.
            self._subscription.last_publish_at = None

    async def open(self, items: Sequence[Item]) -> None:
        """Have the server bring `items`, and nothing that was brought before."""
        self._items.clear()
        self.left_out = frozenset()
        self._subscription = await self._client.create_subscription(self._parameters(), queue_maxsize=0)
        # Silence counts from here on, also of a server that never says anything.
        self._subscription.last_publish_at = time.monotonic()
        self._ended = False
        self._receiving = asyncio.create_task(self._receive(self._subscription))
        await self.add(items)

    async def reopen(self, items: Sequence[Item], *, ended: Callable[[], None] = lambda: None) -> None:
        """Begin anew with `items`, and with all that others watch.

        Args:
            items: of the plant.
            ended: called when nothing more comes of the old subscription, and nothing yet of the new one.
        """
        while self._subscription is None or self._subscription.subscription_id is None:
            await asyncio.sleep(_POLL_S)  # the library is still restoring it
        names = {item.name for item in items}
        others = [item for item in self._items.values() if item.name not in names]
        if self._receiving is not None:
            self._receiving.cancel()
        ended()
        with contextlib.suppress(*FAILURES):
            await self._subscription.delete()
        await self.open([*items, *others])

    async def close(self) -> None:
        """Take nothing more."""
        if self._receiving is not None:
            self._receiving.cancel()
            await asyncio.gather(self._receiving, return_exceptions=True)

    async def add(self, items: Sequence[Item]) -> None:
        """Have the server bring `items`, too; `LinkError` where it refuses one for what it is."""
        numbered = dict(enumerate(items, start=len(self._items) + 1))
        self._items.update(numbered)
        refused = await self._create(numbered, _NEW_TIME)
        plain = {handle: numbered[handle] for handle, status in refused.items() if "Filter" in status.name}
        # Servers that cannot report a new time of an unchanged value say so; reading silent tags makes up.
        refused = {handle: refused[handle] for handle in refused.keys() - plain.keys()}
        refused |= await self._create(plain, None)
        full = {numbered[handle].name for handle, status in refused.items() if status.value in _FULL}
        for handle, status in refused.items():
            item = numbered[handle]
            if item.name not in full:
                raise LinkError(
                    f"{self._endpoint}: {item.name}: {item.id.to_string()} cannot be subscribed to "
                    f"({status.name})"
                )
        if full:
            self.left_out |= full
            _LOGGER.warning(
                "%s: the server has no room for %d of the %d tags and signals in a subscription; they are "
                "read, twice a control interval",
                *(self._endpoint, len(self.left_out), len(self._items)),
            )

    def _parameters(self) -> Any:
        return ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=self._publishing_s * 1000.0,
            RequestedMaxKeepAliveCount=max(1, round(self._keep_alive_s / self._publishing_s)),
            RequestedLifetimeCount=max(3, round(_LIFETIME_S / self._publishing_s)),
            PublishingEnabled=True,
        )

    async def _create(self, items: Mapping[int, Item], trigger: Any) -> dict[int, Any]:
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
                continue
            _LOGGER.warning("%s: the subscription reports %s", self._endpoint, event)
            if isinstance(event, StatusChangeEvent) and event.notification.Status.is_bad():
                self._ended = True
