"""What a link does when the connection, or the subscription alone, was lost: look again, read back, go on."""

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable

from asyncua import Client
from asyncua.client.ua_client import UaClientState

from procwm.errors import LinkError, LinkRefusedError, SpecError
from procwm.plant.samples import Sample
from procwm_adapters.inbox import Inbox
from procwm_adapters.opcua.link.history_read import read_raw
from procwm_adapters.opcua.link.named_nodes import PlantNode
from procwm_adapters.opcua.link.source_times import SourceTimes
from procwm_adapters.opcua.link.subscription import LinkSubscription
from procwm_adapters.opcua.wire.failures import FAILURES

_LOGGER = logging.getLogger(__name__)

_NOT_RETURNED: tuple[type[Exception], ...] = (LinkError, SpecError, *FAILURES)
_RETRY_S = 2.0
_LOOK_S = 0.25
"""Between two looks at whether the subscription lives."""
_OVERLAP_S = 60.0
_READINGS = 3
"""Times that what was missed is asked for while nothing may be written; a busy server is late."""


class Return:
    """The way back after a loss.

    While it is under way the inbox holds what comes, so that what was missed can go before it.

    Attributes:
        complete: whether nothing is lost at the moment.
        trouble: in what the server that came back is not as it was, one sentence, or empty.
    """

    def __init__(
        self,
        client: Client,
        endpoint: str,
        subscription: LinkSubscription,
        inbox: Inbox,
        look_again: Callable[[], Awaitable[tuple[PlantNode, ...]]],
    ) -> None:
        """Losses are noted from here on, and made up for in `watch`.

        Args:
            client: the connection.
            endpoint: how messages name the server.
            subscription: of the link.
            inbox: where its samples go.
            look_again: looks the plant's nodes up on the server that came back and subscribes to them anew
                where they have moved, or the subscription is lost.
        """
        self._client, self._endpoint = client, endpoint
        self._subscription, self._inbox, self._look_again = subscription, inbox, look_again
        self._times = SourceTimes(endpoint, interval_s=_OVERLAP_S)
        self.trouble = ""
        self._losses = 0
        self._lost = asyncio.Event()
        client.connection_lost_callback = self._on_loss

    @property
    def complete(self) -> bool:
        return not self._lost.is_set()

    async def watch(self) -> None:
        """Notice losses and make up for them, for ever."""
        await asyncio.gather(self._look(), self._return())

    async def _on_loss(self, _: Exception) -> None:
        self._note_loss()

    def _note_loss(self) -> None:
        self._losses += 1
        self._lost.set()
        self._inbox.hold()

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(_LOOK_S)
            if self.complete and self._subscription.dead:
                _LOGGER.warning("%s: the server brings nothing more; subscribing anew", self._endpoint)
                self._subscription.give_up()
                self._note_loss()

    async def _return(self) -> None:
        """After every loss: is the server that came back still the plant, and what was missed meanwhile?"""
        while True:
            await self._lost.wait()
            async with self._client.subscribe_state() as states:
                await states.wait_for_state(UaClientState.CONNECTED)
            losses = self._losses
            try:
                nodes = await self._look_again()
                self._inbox.release(await self._missed(nodes))
            except _NOT_RETURNED as error:
                self.trouble = f"{self._endpoint}: the server is back, but not as it was: {error}"
                _LOGGER.warning("%s", self.trouble)
                await asyncio.sleep(_RETRY_S)
                continue
            self.trouble = ""
            if losses == self._losses:
                self._lost.clear()

    async def _missed(self, nodes: tuple[PlantNode, ...]) -> list[Sample]:
        """What the server has kept of the time without values; nothing where it keeps nothing."""
        kept = [node for node in nodes if node.history]
        reported_ns = self._inbox.reported_ns
        if not kept or reported_ns is None:
            return []
        # Values were on their way when they stopped coming; the inbox knows those that had arrived.
        start_ns = reported_ns - round(_OVERLAP_S * 1e9)
        end_ns = max(time.time_ns(), reported_ns) + round(_OVERLAP_S * 1e9)
        samples: list[Sample] = []
        for more in reversed(range(_READINGS)):
            try:
                async for portion in read_raw(self._client, kept, start_ns, end_ns, self._times):
                    samples += portion
                break
            except _NOT_RETURNED as error:
                # What is given up here is never asked for again, and a connection may be lost once more.
                if self._client.state is not UaClientState.CONNECTED:
                    raise
                if not more or isinstance(error, LinkRefusedError):
                    _LOGGER.warning("%s: what was missed could not be read back: %s", self._endpoint, error)
                    break
            await asyncio.sleep(_LOOK_S)
        return samples
