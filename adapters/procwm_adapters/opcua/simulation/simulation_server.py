"""A simulated plant as an OPC UA server: its tags as nodes, its time as the source time."""

import asyncio
import logging
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

from asyncua import Node, ua
from asyncua.common.callback import CallbackType

from procwm.errors import ProcwmError, SpecError
from procwm.plant.samples import Quality, Sample
from procwm.plant.scenario import SimulatedPlant
from procwm.plant.settings import check_url
from procwm.plant.tags import OpcUaSettings, PlantSpec, Role, Tag
from procwm_adapters.opcua.security.guarded_server import GuardedServer, open_server
from procwm_adapters.opcua.simulation.sample_history import SampleHistory
from procwm_adapters.opcua.wire.analog_items import add_analog
from procwm_adapters.opcua.wire.failures import linked
from procwm_adapters.opcua.wire.values import data_value, opcua_time

_LOGGER = logging.getLogger(__name__)

NAMESPACE = "urn:procwm:simulation"
"""Namespace of the nodes that tell about and drive the simulation, not the plant."""

ADVANCE = "Simulation.Advance"
TIME_NS = "Simulation.TimeNs"
INTERVALS = "Simulation.Intervals"
STATUS = "Simulation.Status"

_VALUE = ua.AttributeIds.Value
_CLOCK = ua.NodeId(ua.ObjectIds.Server_ServerStatus_CurrentTime)
_RUNNING = "running"

LARGEST_ADVANCE = 200
"""Control intervals of one call, so that no queue of a monitored item runs over."""


class SimulationServer:
    """Serves `plant` over OPC UA; use it as `async with SimulationServer(plant) as server:`.

    Every tag is an analog item with its unit and range, at the plant file's node id or, without one,
    at `ns=2;s=<tag>`. MVs can be written; what the plant accepts is what the node then holds. Past
    samples can be read back.

    In lockstep (no `speed`) simulated time moves only when a client calls `Simulation.Advance`, and
    every sample of every interval is published with its own source time, `Simulation.TimeNs` last.
    With a `speed` simulated time runs by itself, that many times as fast as the clock.
    """

    def __init__(
        self,
        plant: SimulatedPlant,
        *,
        endpoint: str = "opc.tcp://127.0.0.1:0",
        speed: float | None = None,
        pki: Path | None = None,
        users: Path | None = None,
    ) -> None:
        """Nothing is served before the server is entered.

        Args:
            plant: from now on only this server advances it.
            endpoint: URL to serve at; with port 0 any free port is taken.
            speed: simulated seconds per second, above 0; `None` is lockstep.
            pki: folder of certificates, for secured connections only; `None` lets everybody in, without
                security.
            users: with `pki`, a private file of lines `name:password` of who may log in.
        """
        check_url("endpoint", endpoint)
        if users is not None and pki is None:
            raise SpecError(f"{users}: users need secured connections; name a folder of certificates")
        if speed is not None and not speed > 0:
            raise SpecError(f"speed is {speed}; it must be above 0")
        self._plant = plant
        self._endpoint = endpoint
        self._speed = speed
        self._server = open_server() if pki is None else GuardedServer(pki, users)
        self._history = SampleHistory()
        self._nodes: dict[str, Any] = {}
        self._own: dict[str, Any] = {}
        self._intervals = 0
        self._advancing = asyncio.Lock()
        self._running: asyncio.Task[None] | None = None
        self._spec = replace(plant.spec, tags=tuple(_with_node(tag) for tag in plant.spec.tags))

    @property
    def plant(self) -> SimulatedPlant:
        """The plant that is served."""
        return self._plant

    @property
    def spec(self) -> PlantSpec:
        """The plant file for a client of this server."""
        return self._spec

    async def __aenter__(self) -> Self:
        await self._build()
        with linked(self._endpoint, "serving"):
            await self._server.start()
        port = self._server.bserver.port
        host = urlsplit(self._endpoint).hostname
        self._spec = replace(self._spec, opcua=OpcUaSettings(endpoint=f"opc.tcp://{host}:{port}"))
        await self._publish(self._plant.drain())
        await self._publish_time()
        if self._speed is not None:
            self._running = asyncio.create_task(self._run(self._spec.interval_s / self._speed))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        await self._server.stop()

    async def advance(self, intervals: int = 1) -> int:
        """Simulate that many control intervals, publishing every sample; return the time reached, UTC ns."""
        async with self._advancing:
            for _ in range(intervals):
                try:
                    self._plant.advance()
                except ProcwmError as error:
                    await self._fail(str(error))
                    raise
                self._intervals += 1
                await self._publish(self._plant.drain())
            await self._publish_time()
        await self._send_now()
        return self._plant.truth.time_ns

    async def _run(self, period_s: float) -> None:
        clock = asyncio.get_running_loop().time
        due = clock()
        while True:
            due += period_s
            await asyncio.sleep(max(0.0, due - clock()))
            try:
                await self.advance()
            except ProcwmError as error:
                _LOGGER.error("the simulation stopped: %s", error)
                return

    async def _publish(self, samples: Sequence[Sample]) -> None:
        for sample in samples:
            await self._set(self._nodes[sample.tag], data_value(sample))
            self._history.keep(self._nodes[sample.tag], sample)

    async def _publish_time(self) -> None:
        now_ns = self._plant.truth.time_ns
        now = opcua_time(now_ns)
        await self._set(_CLOCK, ua.DataValue(ua.Variant(now, ua.VariantType.DateTime), SourceTimestamp=now))
        await self._set_own(INTERVALS, ua.Variant(self._intervals, ua.VariantType.Int64))
        # Last, so that whoever sees this time has been sent every sample up to it.
        await self._set_own(TIME_NS, ua.Variant(now_ns, ua.VariantType.Int64))

    async def _send_now(self) -> None:
        """Send what is due without waiting for the subscriptions' publishing intervals."""
        for subscription in list(self._server.iserver.subscription_service.subscriptions.values()):
            await subscription.publish_results()

    async def _fail(self, reason: str) -> None:
        time_ns = self._plant.truth.time_ns + 1000
        await self._publish([Sample(name, math.nan, Quality.BAD, time_ns) for name in self._nodes])
        await self._publish_time()
        await self._set_own(STATUS, ua.Variant(reason, ua.VariantType.String))
        await self._send_now()

    async def _set(self, node_id: Any, value: Any) -> None:
        await self._server.iserver.aspace.write_attribute_value(node_id, _VALUE, value)

    async def _set_own(self, name: str, variant: Any) -> None:
        now = opcua_time(self._plant.truth.time_ns)
        await self._set(self._own[name], ua.DataValue(variant, SourceTimestamp=now, ServerTimestamp=now))

    async def _before_write(self, event: Any, _: Any) -> None:
        """Let the plant decide on the MV writes of a request; the rest is the library's to refuse."""
        if not event.is_external:
            return
        names = {node_id: name for name, node_id in self._nodes.items() if name in self._mv_names}
        asked = [
            (names[item.NodeId], item)
            for item in event.request_params.NodesToWrite
            if item.AttributeId == _VALUE and item.NodeId in names and _is_double(item.Value)
        ]
        if not asked:
            return
        setpoints = {name: item.Value.Value.Value for name, item in asked}
        if not all(math.isfinite(value) for value in setpoints.values()):
            raise ua.UaStatusCodeError(ua.StatusCodes.BadOutOfRange)
        try:
            accepted = await self._plant.write(setpoints)
        except ProcwmError as error:
            _LOGGER.info("the plant refused a write: %s", error)
            raise ua.UaStatusCodeError(ua.StatusCodes.BadOutOfRange) from error
        await self._publish(self._plant.drain())
        for name, item in asked:
            item.Value = self._accepted(name, accepted[name])

    def _accepted(self, name: str, value: float) -> Any:
        """What the node of an MV holds after a write: what the plant reported, else `value` from now on."""
        held = self._server.iserver.aspace.read_attribute_value(self._nodes[name], _VALUE)
        if held.Value is not None and held.Value.Value == value:
            return held
        sample = Sample(name, value, Quality.GOOD, self._plant.truth.time_ns + 1000)
        self._history.keep(self._nodes[name], sample)
        return data_value(sample)

    @property
    def _mv_names(self) -> frozenset[str]:
        return frozenset(tag.name for tag in self._spec.mvs)

    async def _build(self) -> None:
        self._server.set_endpoint(self._endpoint)
        self._server.set_server_name(f"procwm simulation of {self._spec.name}")
        # The server's clock is simulated time, set with every interval.
        self._server.disable_clock()
        self._server.iserver.history_manager.set_storage(self._history)
        await self._server.init()
        ids = {tag.name: ua.NodeId.from_string(tag.node) for tag in self._spec.tags}
        await self._register_namespaces(max(node_id.NamespaceIndex for node_id in ids.values()))
        folder = await self._server.nodes.objects.add_object(2, self._spec.name)
        for tag in self._spec.tags:
            await _add_tag(folder, ids[tag.name], tag)
            if tag.forecast_node is not None:
                await self._add_forecast(folder, tag, tag.forecast_node)
            await self._set(ids[tag.name], _nothing_yet(self._plant.truth.time_ns))
        self._nodes = ids
        await self._add_simulation()
        self._server.subscribe_server_callback(CallbackType.PreWrite, self._before_write)

    async def _add_forecast(self, folder: Node, tag: Tag, node: str) -> None:
        """A node that takes what is known ahead of `tag`; nothing is known yet."""
        name = ua.QualifiedName(f"{tag.name} forecast", 2)
        variable = await folder.add_variable(ua.NodeId.from_string(node), name, [0.0], ua.VariantType.Double)
        await variable.set_writable()
        await self._set(variable.nodeid, _nothing_yet(self._plant.truth.time_ns))

    async def _register_namespaces(self, last: int) -> None:
        for index in range(2, last + 1):
            await self._server.register_namespace(f"urn:procwm:plant:{index}")

    async def _add_simulation(self) -> None:
        index = await self._server.register_namespace(NAMESPACE)
        folder = await self._server.nodes.objects.add_object(
            ua.NodeId("Simulation", index), ua.QualifiedName("Simulation", index)
        )
        for name, value, kind in (
            (TIME_NS, self._plant.truth.time_ns, ua.VariantType.Int64),
            (INTERVALS, 0, ua.VariantType.Int64),
            (STATUS, _RUNNING, ua.VariantType.String),
        ):
            node = await folder.add_variable(
                ua.NodeId(name, index), ua.QualifiedName(name, index), value, kind
            )
            self._own[name] = node.nodeid
        if self._speed is None:
            await folder.add_method(
                ua.NodeId(ADVANCE, index),
                ua.QualifiedName(ADVANCE, index),
                self._advance_called,
                [ua.VariantType.UInt32],
                [ua.VariantType.Int64],
            )

    async def _advance_called(self, _: Any, intervals: Any) -> Any:
        if not 1 <= intervals.Value <= LARGEST_ADVANCE:
            return ua.StatusCode(ua.StatusCodes.BadOutOfRange)
        try:
            reached = await self.advance(intervals.Value)
        except ProcwmError:
            return ua.StatusCode(ua.StatusCodes.BadInvalidState)
        return [ua.Variant(reached, ua.VariantType.Int64)]


def _with_node(tag: Tag) -> Tag:
    return tag if tag.node is not None else replace(tag, node=f"ns=2;s={tag.name}")


def _nothing_yet(time_ns: int) -> Any:
    time = opcua_time(time_ns)
    status = ua.StatusCode(ua.StatusCodes.BadWaitingForInitialData)
    return ua.DataValue(None, StatusCode=status, SourceTimestamp=time, ServerTimestamp=time)


def _is_double(value: Any) -> bool:
    variant = value.Value
    return variant is not None and variant.VariantType is ua.VariantType.Double and not variant.is_array


async def _add_tag(folder: Node, node_id: Any, tag: Tag) -> None:
    node = await add_analog(folder, node_id, tag.name, tag.unit, tag.range)
    for attribute in (ua.AttributeIds.AccessLevel, ua.AttributeIds.UserAccessLevel):
        await node.set_attr_bit(attribute, ua.AccessLevel.HistoryRead)
    await node.write_attribute(ua.AttributeIds.Historizing, ua.DataValue(True))
    if tag.role is Role.MV:
        await node.set_writable()
