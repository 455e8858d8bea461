"""Past samples from a server that keeps them: HistoryRead of raw values (Part 11, 6.4.3)."""

from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from asyncua import Client, ua

from procwm.errors import LinkError, LinkRefusedError
from procwm.plant.samples import Sample
from procwm.plant.tags import PlantSpec
from procwm_adapters.opcua.link.client import SecureClient, settings_of
from procwm_adapters.opcua.link.named_nodes import PlantNode
from procwm_adapters.opcua.link.nodes import examine
from procwm_adapters.opcua.link.source_times import SourceTimes
from procwm_adapters.opcua.wire.failures import linked
from procwm_adapters.opcua.wire.requests import TOO_MANY, in_batches, read
from procwm_adapters.opcua.wire.values import opcua_time

_NODES_AT_ONCE = 50
_VALUES_AT_ONCE = 1000
"""Of one node in one answer; the server hands out a continuation point for the rest."""
_SHORTEST_NS = 1000
"""Of a time asked for: OPC UA's library tells no shorter ones apart."""
_LIMITS = (
    ua.ObjectIds.Server_ServerCapabilities_MaxHistoryContinuationPoints,
    ua.ObjectIds.Server_ServerCapabilities_OperationLimits_MaxNodesPerHistoryReadData,
)
_NO_POINT = frozenset({ua.StatusCodes.BadContinuationPointInvalid, ua.StatusCodes.BadNoContinuationPoints})
"""What a server answers that keeps fewer continuation points than it was asked for (Part 4, 7.9)."""
_TOO_MUCH = frozenset(
    {
        ua.StatusCodes.BadTooManyOperations,
        ua.StatusCodes.BadResponseTooLarge,
        ua.StatusCodes.BadEncodingLimitsExceeded,
    }
)


@dataclass(frozen=True)
class _Lot:
    """Nodes that are asked about together, for a stretch of time."""

    nodes: tuple[PlantNode, ...]
    start_ns: int
    end_ns: int


async def read_raw(
    client: Client, nodes: Sequence[PlantNode], start_ns: int, end_ns: int, times: SourceTimes
) -> AsyncIterator[list[Sample]]:
    """The samples of `nodes` from `start_ns` until before `end_ns`, a portion for every answer.

    A sample's time follows the rule of live ones; one that has none in that time is left out. A server that
    is asked for too much is asked again for less: fewer nodes, down to one, then fewer values or a shorter
    time. What it had answered by then may come a second time. `LinkError` where the server keeps nothing of a
    node.
    """
    reading = _Reading(client, times)
    at_once = await _nodes_at_once(client)
    waiting = deque(
        _Lot(tuple(nodes[first : first + at_once]), start_ns, end_ns)
        for first in range(0, len(nodes), at_once)
    )
    while waiting:
        lot = waiting.popleft()
        refused: dict[PlantNode, int] = {}
        async for samples in reading.lot(lot, refused):
            yield samples
        waiting.extendleft(reversed(_smaller(lot, refused)))


class _Reading:
    """Asks for the history of lots, with no more values in one answer than the server can send."""

    def __init__(self, client: Client, times: SourceTimes) -> None:
        self._client, self._times = client, times
        self._values = _VALUES_AT_ONCE

    async def lot(self, lot: _Lot, refused: dict[PlantNode, int]) -> AsyncIterator[list[Sample]]:
        """The samples of a lot; `refused` gets the nodes that are to be asked about again, and from when."""
        self._times.forget()
        begins = dict.fromkeys(lot.nodes, lot.start_ns)
        pending: list[tuple[PlantNode, Any]] = [(node, None) for node in lot.nodes]
        ask = self._question(lot)
        while pending:
            try:
                answers = await in_batches(ask, pending)
            except TOO_MANY:
                # It was one node alone.
                if self._values == 1:
                    raise
                self._values = (self._values + 1) // 2
                refused.update({node: begins[node] for node, _ in pending})
                return
            samples, left = [], []
            for (node, before), answer in zip(pending, answers, strict=True):
                found = self._samples(node, answer, lot)
                samples += found
                begins[node] = max((sample.source_ns for sample in found), default=begins[node])
                if self._again(answer, alone=len(lot.nodes) == 1):
                    refused[node] = begins[node]
                elif answer.ContinuationPoint and answer.ContinuationPoint == before:
                    raise LinkError(f"{node.name}: the server sends the same portion of its history again")
                elif answer.ContinuationPoint:
                    left.append((node, answer.ContinuationPoint))
            pending = left
            yield samples

    def _question(self, lot: _Lot) -> Callable[[Sequence[tuple[PlantNode, Any]]], Awaitable[Sequence[Any]]]:
        details = ua.ReadRawModifiedDetails(
            IsReadModified=False,
            StartTime=opcua_time(lot.start_ns),
            EndTime=opcua_time(lot.end_ns),
            NumValuesPerNode=self._values,
            ReturnBounds=False,
        )

        async def ask(pending: Sequence[tuple[PlantNode, Any]]) -> Sequence[Any]:
            request = ua.HistoryReadParameters(
                HistoryReadDetails=details,
                TimestampsToReturn=ua.TimestampsToReturn.Both,
                ReleaseContinuationPoints=False,
                NodesToRead=[
                    ua.HistoryReadValueId(NodeId=node.id, ContinuationPoint=point) for node, point in pending
                ],
            )
            answers: Sequence[Any] = await self._client.uaclient.history_read(request)
            return answers

        return ask

    def _again(self, answer: Any, *, alone: bool) -> bool:
        """Whether the server was asked for too much of a node; of one alone, then for fewer values next."""
        code = answer.StatusCode.value if answer.StatusCode is not None else ua.StatusCodes.Good
        if code in _TOO_MUCH and alone and self._values > 1:
            self._values = (self._values + 1) // 2
            return True
        more = code == ua.StatusCodes.GoodMoreData and not answer.ContinuationPoint
        return code in _NO_POINT or more or (code in _TOO_MUCH and not alone)

    def _samples(self, node: PlantNode, answer: Any, lot: _Lot) -> list[Sample]:
        code = answer.StatusCode.value if answer.StatusCode is not None else ua.StatusCodes.Good
        if answer.StatusCode is not None and answer.StatusCode.is_bad():
            if code == ua.StatusCodes.BadNoData or code in _NO_POINT | _TOO_MUCH:
                return []
            raise LinkRefusedError(
                f"{node.name}: the server reads no history of node {node.node} ({answer.StatusCode.name})"
            )
        held = getattr(answer.HistoryData, "DataValues", None) or []
        start_ns = max(0, lot.start_ns)
        samples = (self._times.past(node.name, value, start_ns, lot.end_ns) for value in held)
        return [sample for sample in samples if sample is not None]


def _smaller(lot: _Lot, refused: Mapping[PlantNode, int]) -> list[_Lot]:
    """What is to be asked for in place of what was `refused` of `lot`, from when on."""
    if len(lot.nodes) == 1 and refused.get(lot.nodes[0]) == lot.start_ns:
        middle_ns = (lot.start_ns + lot.end_ns) // 2 // _SHORTEST_NS * _SHORTEST_NS
        if middle_ns <= lot.start_ns:
            (node,) = lot.nodes
            raise LinkRefusedError(
                f"{node.name}: the server has too many values of node {node.node} at one time to send them"
            )
        return [_Lot(lot.nodes, lot.start_ns, middle_ns), _Lot(lot.nodes, middle_ns, lot.end_ns)]
    most = max(1, len(lot.nodes) // 2)
    lots = []
    for begin_ns in sorted(set(refused.values())):
        nodes = [node for node, since_ns in refused.items() if since_ns == begin_ns]
        lots += [
            _Lot(tuple(nodes[first : first + most]), begin_ns, lot.end_ns)
            for first in range(0, len(nodes), most)
        ]
    return lots


async def _nodes_at_once(client: Client) -> int:
    """How many nodes to ask about at once: the server may tell how many it answers and keeps points for."""
    told = await read(client, [(ua.NodeId(limit), ua.AttributeIds.Value) for limit in _LIMITS])
    limits = [value.Value.Value for value in told if value.Value is not None]
    return min([_NODES_AT_ONCE, *(limit for limit in limits if isinstance(limit, int) and limit > 0)])


class OpcUaHistory:
    """The historian of the plant's server; use it as `async with OpcUaHistory(spec) as history:`."""

    def __init__(self, spec: PlantSpec, *, timeout_s: float = 30.0) -> None:
        """Args: timeout_s: how long one answer may take; historians read from disk."""
        self._spec = spec
        # A server that looks for values answers nothing else meanwhile, and is not lost for that.
        self._client = SecureClient(settings_of(spec), timeout=timeout_s, watchdog_intervall=timeout_s)
        self._endpoint = settings_of(spec).endpoint
        self._nodes: tuple[PlantNode, ...] = ()
        self._times = SourceTimes(self._endpoint, interval_s=spec.interval_s)

    async def __aenter__(self) -> Self:
        with linked(self._endpoint, "connecting"), self._client.connecting():
            await self._client.connect()
        try:
            with linked(self._endpoint, "looking for the tags"):
                found = await examine(self._client, self._spec)
            self._nodes = tuple(node for node in found if node.name in self._spec.names)
            self._check_kept()
        except BaseException:
            await self._client.disconnect()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._client.disconnect()

    async def read(self, start_ns: int, end_ns: int) -> AsyncIterator[Sequence[Sample]]:
        """The raw samples of all tags from `start_ns` until before `end_ns`, in portions."""
        with linked(self._endpoint, "reading history"):
            async for samples in read_raw(self._client, self._nodes, start_ns, end_ns, self._times):
                yield samples

    def _check_kept(self) -> None:
        missing = [node.name for node in self._nodes if not node.history]
        if missing:
            listed = ", ".join(missing[:8]) + (f" and {len(missing) - 8} more" if len(missing) > 8 else "")
            raise LinkError(
                f"{self._endpoint}: the server keeps no history of {listed}; switch it on there, or record "
                "the plant with: procwm record"
            )
