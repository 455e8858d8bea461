"""A client of a served controller: the facts of every cycle, read from its nodes."""

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Any, Self

from asyncua import Node, ua

from procwm.errors import LinkError
from procwm.plant.front import Facts
from procwm.plant.settings import OpcUaSettings
from procwm_adapters.opcua.console.fact_nodes import HEARTBEAT, NAMESPACE, ROOT, facts_of
from procwm_adapters.opcua.link.client import SecureClient
from procwm_adapters.opcua.wire.failures import linked
from procwm_adapters.opcua.wire.requests import read

_LOOKS = 5
"""How often the heartbeat is looked at in a control interval."""


class ControllerClient:
    """Follows the controller that is served at `settings.endpoint`."""

    def __init__(self, settings: OpcUaSettings, *, timeout_s: float = 4.0) -> None:
        """Nothing is sent before the client is entered."""
        self._endpoint = settings.endpoint
        self._client = SecureClient(settings, timeout=timeout_s)
        self._ids: dict[str, Any] = {}

    async def __aenter__(self) -> Self:
        with linked(self._endpoint, "connecting"), self._client.connecting():
            await self._client.connect()
        try:
            with linked(self._endpoint, "looking for the controller"):
                await self._find()
        except BaseException:
            await self._client.disconnect()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with linked(self._endpoint, "disconnecting"):
            await self._client.disconnect()

    async def facts(self) -> AsyncIterator[Facts]:
        """The facts of the newest cycle, whenever there is a new one; `LinkError` once the server is lost."""
        beat: int | None = None
        while True:
            with linked(self._endpoint, "reading"):
                (value,) = await self._read([HEARTBEAT])
                if value != beat:
                    paths = list(self._ids)
                    facts = facts_of(dict(zip(paths, await self._read(paths), strict=True)))
                    beat = facts.heartbeat
                    yield facts
                    wait_s = min(1.0, max(0.05, facts.interval_s / _LOOKS))
            await asyncio.sleep(wait_s)

    async def _read(self, paths: list[str]) -> list[Any]:
        values = await read(self._client, [(self._ids[path], ua.AttributeIds.Value) for path in paths])
        return [None if value.Value is None else value.Value.Value for value in values]

    async def _find(self) -> None:
        namespaces = await self._client.get_namespace_array()
        if NAMESPACE not in namespaces:
            raise LinkError(f"{self._endpoint}: this server is no controller of procwm")
        root = self._client.get_node(ua.NodeId(ROOT, namespaces.index(NAMESPACE)))
        await self._gather(root)

    async def _gather(self, node: Node) -> None:
        for child in await node.get_children():
            path = child.nodeid.Identifier
            if not path.startswith(f"{ROOT}."):
                self._ids[path] = child.nodeid
            await self._gather(child)
