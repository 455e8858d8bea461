"""A controller as an OPC UA server of its own, so that any HMI or DCS can be its front end.

The server runs on a thread and event loop of its own: a client that is slow, frozen or hostile can slow
down the server and other clients, and never a control cycle.
"""

import asyncio
import contextlib
import ipaddress
import logging
import threading
from concurrent.futures import Future
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from asyncua import Node, ua

from procwm.plant.front import MODES, Desk, Facts
from procwm.plant.settings import check_url
from procwm_adapters.opcua.console.fact_nodes import (
    MODE_REQUEST,
    NAMESPACE,
    ROOT,
    VALUE,
    VARIABLES,
    Held,
    holdings,
)
from procwm_adapters.opcua.console.front_door import FrontDoor, split
from procwm_adapters.opcua.security.guarded_server import GuardedServer, open_server
from procwm_adapters.opcua.wire.analog_items import add_analog
from procwm_adapters.opcua.wire.failures import linked
from procwm_adapters.opcua.wire.values import opcua_time

_LOGGER = logging.getLogger(__name__)

_VALUE = ua.AttributeIds.Value
_MODES = ("Mode.Actual", MODE_REQUEST)
_STOP_S = 10.0


class ControllerServer:
    """Shows facts as nodes and takes requests to `desk`, between entering and leaving it.

    With certificates everybody who can log in may look, and all but viewers may ask. Without them anybody
    may look, and nobody may ask unless the server listens on this machine alone, or the plant file opens it
    to others.

    Attributes:
        closed: why nobody may ask; empty where they may.
    """

    def __init__(
        self,
        desk: Desk,
        facts: Facts,
        *,
        url: str = "opc.tcp://127.0.0.1:0",
        pki: Path | None = None,
        users: Path | None = None,
        viewers: Path | None = None,
        unsecured_writes: bool = False,
    ) -> None:
        """Nothing is served before the server is entered.

        Args:
            desk: where requests go.
            facts: shown until there are others; there is a node for everything that they tell.
            url: to serve at; with port 0 any free port is taken.
            pki: folder of certificates, for secured connections only; `None` serves without security.
            users: with `pki`, a private file of lines `name:password` of who may log in, look and ask.
            viewers: the same of who may look alone.
            unsecured_writes: whether requests from other machines are taken without security.
        """
        check_url("serve", url)
        self._desk, self._first, self._url = desk, facts, url
        self._host = str(urlsplit(url).hostname)
        self._pki, self._users, self._viewers = pki, users, viewers
        self.closed = ""
        if pki is None and not unsecured_writes and not _loopback(self._host):
            self.closed = (
                "this server has no security and listens to other machines; add serve_pki, or "
                "serve_unsecured_writes = true, to [control]"
            )
        self._server: Any = None
        self._ids: dict[str, Any] = {}
        self._shown: dict[str, Any] = {}
        self._latest = facts
        self._seen: Facts | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._wake = asyncio.Event()
        self._stopping = False
        self._thread: threading.Thread | None = None

    @property
    def url(self) -> str:
        """Where it is served."""
        return self._url

    @property
    def shown(self) -> Facts | None:
        """What clients see at present; of a server slower than its controller, cycles are left out."""
        return self._seen

    def show(self, facts: Facts) -> None:
        """Show `facts` in place of those before; returns at once, and never raises."""
        self._latest = facts
        self._rouse()

    async def __aenter__(self) -> Self:
        started: Future[int] = Future()
        self._thread = threading.Thread(
            target=lambda: asyncio.run(self._serve(started)), name="front end", daemon=True
        )
        self._thread.start()
        port = await asyncio.wrap_future(started)
        self._url = f"opc.tcp://{urlsplit(self._url).netloc.rpartition(':')[0]}:{port}"
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping = True
        self._rouse()
        if self._thread is not None:
            await asyncio.to_thread(self._thread.join, _STOP_S)

    def _rouse(self) -> None:
        if self._loop is not None:
            # A server that failed has closed its loop; the controller goes on without it.
            with contextlib.suppress(RuntimeError):
                self._loop.call_soon_threadsafe(self._wake.set)

    async def _serve(self, started: "Future[int]") -> None:
        """All that happens on the server's own thread."""
        self._loop = asyncio.get_running_loop()
        try:
            if self._pki is None:
                self._server = open_server()
            else:
                self._server = GuardedServer(self._pki, self._users, self._viewers)
            await self._build()
            with linked(self._url, "serving"):
                await self._server.start()
        except BaseException as error:
            started.set_exception(error)
            return
        started.set_result(self._server.bserver.port)
        try:
            while not self._stopping:
                await self._wake.wait()
                self._wake.clear()
                await self._publish(self._latest)
        except Exception:
            _LOGGER.exception("%s: the front end failed; control goes on without it", self._url)
        finally:
            await self._server.stop()

    async def _publish(self, facts: Facts) -> None:
        """Write what has changed."""
        now = opcua_time(facts.time_ns)
        for path, held in holdings(facts).items():
            if path not in self._ids or (path in self._shown and self._shown[path] == held):
                continue
            if held is not None:
                value = ua.DataValue(held.variant, SourceTimestamp=now, ServerTimestamp=now)
            else:
                status = ua.StatusCode(ua.StatusCodes.BadNoData)
                value = ua.DataValue(None, StatusCode=status, SourceTimestamp=now, ServerTimestamp=now)
            await self._server.iserver.aspace.write_attribute_value(self._ids[path], _VALUE, value)
            # A request's node may since have been written by a client: it is always told anew.
            if not (path == MODE_REQUEST or split(path)[1]):
                self._shown[path] = held
        self._seen = facts

    async def _build(self) -> None:
        self._server.set_endpoint(self._url)
        self._server.set_server_name(f"procwm controller of {self._first.plant}")
        await self._server.init()
        index = await self._server.register_namespace(NAMESPACE)
        folders: dict[str, Node] = {}
        for path, held in holdings(self._first).items():
            parent, _, name = path.rpartition(".")
            folder = await self._folder(folders, parent, index)
            node_id = ua.NodeId(path, index)
            if parent.startswith(VARIABLES) and name == VALUE:
                variable = self._first.variables[parent.partition(".")[2]]
                await add_analog(folder, node_id, name, variable.unit, variable.range)
            else:
                await self._plain(folder, node_id, path, held)
            self._ids[path] = node_id
        paths = {node_id: path for path, node_id in self._ids.items()}
        await self._publish(self._first)
        # From here on every write is a request, or refused.
        iserver = self._server.iserver
        iserver.attribute_service = FrontDoor(iserver.aspace, paths.get, self._desk, self.closed)

    async def _folder(self, folders: dict[str, Node], path: str, index: int) -> Node:
        """The object at `path`, made where it is missing; a tag's name may hold dots itself."""
        if path not in folders:
            group, _, name = path.partition(".")
            parent = self._server.nodes.objects
            if path:
                parent = await self._folder(folders, group if name else "", index)
            label = name or group or ROOT
            folders[path] = await parent.add_object(
                ua.NodeId(f"{ROOT}.{path}" if path else ROOT, index), ua.QualifiedName(label, index)
            )
        return folders[path]

    async def _plain(self, folder: Node, node_id: Any, path: str, held: Held | None) -> None:
        name = ua.QualifiedName(path.rpartition(".")[2], node_id.NamespaceIndex)
        held = Held(ua.VariantType.Double, 0.0) if held is None else held
        node = await folder.add_variable(node_id, name, held.variant)
        if path in _MODES:
            plain = ua.NodeId(ua.ObjectIds.BaseDataVariableType)
            await node.delete_reference(plain, ua.ObjectIds.HasTypeDefinition)
            await node.add_reference(ua.ObjectIds.MultiStateDiscreteType, ua.ObjectIds.HasTypeDefinition)
            property_id = ua.NodeId(f"{path}.EnumStrings", node_id.NamespaceIndex)
            texts = [ua.LocalizedText(mode) for mode in MODES]
            await node.add_property(property_id, ua.QualifiedName("EnumStrings", 0), texts)
        if path == MODE_REQUEST or split(path)[1]:
            await node.set_writable()


def _loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
