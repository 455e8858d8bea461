"""The one subscription of a link: which nodes it brings, who takes their values, whether it lives."""

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

from asyncua import Client, ua
from asyncua.common.subscription import DataChangeEvent, StatusChangeEvent, Subscription

from procwm_adapters.opcua.wire.failures import FAILURES, reason
from procwm_adapters.opcua.wire.requests import in_batches

_LOGGER = logging.getLogger(__name__)

_KEEP_ALIVE_S = 10.0
_LIFETIME_S = 60.0
_KEEP_ALIVES = 3.0
"""Times that it has promised to say something in vain before a server is taken for silent, and"""
_SILENT_S = 10.0
"""at least that long: a busy server is late, and nothing may be written while it is asked anew."""
_AGAIN_S = 600.0
"""For how long a server that refused a subscription is not asked for another: some close the connection."""
_NEW_TIME = ua.DataChangeFilter(Trigger=ua.DataChangeTrigger.StatusValueTimestamp)


class Item(NamedTuple):
    """A node of the subscription, and who takes its `DataValue`s."""

    name: str
    id: Any
    receive: Callable[[Any], None]


class _Lasting(Subscription):  # type: ignore[misc]
    """A subscription of which the library's client does not know, so that the link restores it by itself.

    Attributes:
        promised_s: how often the server has said that it will say that it lives.
    """

    promised_s = 0.0

    async def init(self) -> Any:
        """Have the server make it; silence counts from here on, also of a server that never says anything."""
        given = await super().init()
        self.promised_s = given.RevisedPublishingInterval * given.RevisedMaxKeepAliveCount / 1000.0
        self.last_publish_at = time.monotonic()
        return given

    async def restore(self) -> None:
        """Take it up again after a loss; one of `FAILURES` where the server has lost it (Part 4, 6.7)."""
        session = self.server

        async def transfer(ids: Sequence[Any]) -> Any:
            parameters = ua.TransferSubscriptionsParameters(list(ids), SendInitialValues=False)
            return await session.transfer_subscriptions(parameters)

        (answer,) = await in_batches(transfer, [self.subscription_id])
        answer.StatusCode.check()
        # Some servers answer to any other number, too, without end.
        for number in sorted(answer.AvailableSequenceNumbers or []):
            with contextlib.suppress(ua.uaerrors.BadMessageNotAvailable):
                kept = await session.republish(self.subscription_id, number)
                await self.publish_callback(ua.PublishResult(self.subscription_id, NotificationMessage=kept))
        session.ensure_publish_loop()
        self.last_publish_at = time.monotonic()


class LinkSubscription:
    """Brings the values of items; opened anew where the server has lost it.

    Attributes:
        left_out: names of items that the server does not bring, all of them where it gives no subscription;
            they are to be read.
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
        self._interval_s = interval_s
        self._subscription: _Lasting | None = None
        self._receiving: asyncio.Task[None] | None = None
        self._items: dict[int, Item] = {}
        self._ended = False
        self._read_at = 0.0
        self._refused_at, self._refusal = float("-inf"), ""
        self._warned_of: frozenset[str] = frozenset()
        self.left_out: frozenset[str] = frozenset()

    @property
    def dead(self) -> bool:
        """Whether the server has ended it, or nothing came for too long of what is brought or is read."""
        if self._ended or (self.left_out and _silent(self._read_at, self._interval_s)):
            return True
        kept = self._subscription
        return kept is not None and _silent(kept.last_publish_at, kept.promised_s)

    def give_up(self) -> None:
        """Take it for dead, though it may live: it brings nothing of what the server has."""
        self._ended = True

    def note_reading(self) -> None:
        """What is left out has just been read."""
        self._read_at = time.monotonic()

    async def open(self, items: Sequence[Item]) -> None:
        """Have the server bring `items`, and nothing that was brought before."""
        self._items.clear()
        self.left_out = frozenset()
        self.note_reading()
        self._ended = True
        self._subscription = await self._asked_for()
        if self._subscription is not None:
            self._receiving = asyncio.create_task(self._receive(self._subscription))
        await self.add(items)
        self._ended = False

    async def restored(self) -> bool:
        """Whether the server that came back still has it; what it sent meanwhile then comes once more."""
        if self._subscription is None or self._ended:
            return False
        try:
            await self._subscription.restore()
        except FAILURES:
            return False
        self.note_reading()
        return True

    async def reopen(self, items: Sequence[Item]) -> None:
        """Begin anew with the plant's `items`, and with all that others watch."""
        names = {item.name for item in items}
        others = [item for item in self._items.values() if item.name not in names]
        if self._receiving is not None:
            self._receiving.cancel()
        if self._subscription is not None:
            with contextlib.suppress(*FAILURES):
                await self._subscription.delete()
        await self.open([*items, *others])

    async def close(self) -> None:
        """Take nothing more."""
        if self._receiving is not None:
            self._receiving.cancel()
            await asyncio.gather(self._receiving, return_exceptions=True)

    async def add(self, items: Sequence[Item]) -> None:
        """Have the server bring `items`, too; those that it refuses are left out."""
        numbered = dict(enumerate(items, start=len(self._items) + 1))
        self._items.update(numbered)
        refused = await self._create(numbered, _NEW_TIME)
        # Servers that cannot report a new time of an unchanged value say so; reading silent tags makes up.
        plain = {handle: numbered[handle] for handle, why in refused.items() if "Filter" in why}
        refused = {handle: refused[handle] for handle in refused.keys() - plain.keys()}
        refused |= await self._create(plain, None)
        self.left_out |= {numbered[handle].name for handle in refused}
        if self.left_out - self._warned_of:
            self._warned_of = self.left_out
            why = ", ".join(sorted(set(refused.values())))
            _LOGGER.warning(
                "%s: %d of the %d tags and signals cannot be subscribed to (%s); they are read, twice a "
                "control interval",
                *(self._endpoint, len(self.left_out), len(self._items), why),
            )

    async def _asked_for(self) -> _Lasting | None:
        """A new subscription; `None` where the server gives none, as those of the smallest profiles do."""
        if time.monotonic() - self._refused_at < _AGAIN_S:
            return None
        subscription = _Lasting(self._client.uaclient.session, self._parameters(), queue_maxsize=0)
        try:
            await subscription.init()
        except FAILURES as error:
            self._refused_at, self._refusal = time.monotonic(), reason(error)
            return None
        return subscription

    def _parameters(self) -> Any:
        return ua.CreateSubscriptionParameters(
            RequestedPublishingInterval=self._publishing_s * 1000.0,
            RequestedMaxKeepAliveCount=max(
                1, round(min(_KEEP_ALIVE_S, self._interval_s) / self._publishing_s)
            ),
            RequestedLifetimeCount=max(3, round(_LIFETIME_S / self._publishing_s)),
            PublishingEnabled=True,
        )

    async def _create(self, items: Mapping[int, Item], trigger: Any) -> dict[int, str]:
        """Create monitored items by client handle; return why each one of those refused was."""
        if self._subscription is None:
            return dict.fromkeys(items, self._refusal)
        requests = [
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
        ]
        try:
            answers = await in_batches(self._subscription.create_monitored_items, requests)
        except ua.UaStatusCodeError as error:
            return dict.fromkeys(items, reason(error))
        refused = zip(items, answers, strict=True)
        return {handle: answer.name for handle, answer in refused if isinstance(answer, ua.StatusCode)}

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


def _silent(last_at: float, promised_s: float) -> bool:
    return time.monotonic() - last_at > max(_KEEP_ALIVES * promised_s, _SILENT_S)
