"""Past samples from a server that keeps them: HistoryRead of raw values (Part 11, 6.4.3)."""

from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Self

from asyncua import Client, ua

from procwm.errors import LinkError
from procwm.plant.samples import Sample
from procwm.plant.tags import PlantSpec
from procwm_adapters.opcua.link.client import SecureClient, settings_of
from procwm_adapters.opcua.link.named_nodes import PlantNode
from procwm_adapters.opcua.link.nodes import examine
from procwm_adapters.opcua.wire.failures import linked
from procwm_adapters.opcua.wire.requests import in_batches
from procwm_adapters.opcua.wire.values import opcua_time, sample_of

_NODES_AT_ONCE = 50
_VALUES_AT_ONCE = 1000
"""Of one node in one answer; the server hands out a continuation point for the rest."""


async def read_raw(
    client: Client, nodes: Sequence[PlantNode], start_ns: int, end_ns: int
) -> AsyncIterator[list[Sample]]:
    """The samples of `nodes` from `start_ns` until before `end_ns`, a portion for every answer.

    A sample's time follows the rule of live ones; one without any time is left out. `LinkError` where
    the server keeps nothing of a node.
    """
    details = ua.ReadRawModifiedDetails(
        IsReadModified=False,
        StartTime=opcua_time(start_ns),
        EndTime=opcua_time(end_ns),
        NumValuesPerNode=_VALUES_AT_ONCE,
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
        answers: Sequence[Any] = await client.uaclient.history_read(request)
        return answers

    for first in range(0, len(nodes), _NODES_AT_ONCE):
        pending: list[tuple[PlantNode, Any]] = [
            (node, None) for node in nodes[first : first + _NODES_AT_ONCE]
        ]
        while pending:
            answers = await in_batches(ask, pending)
            samples, left = [], []
            for (node, before), answer in zip(pending, answers, strict=True):
                samples += _samples(node, answer, start_ns, end_ns)
                if answer.ContinuationPoint and answer.ContinuationPoint == before:
                    raise LinkError(f"{node.name}: the server sends the same portion of its history again")
                if answer.ContinuationPoint:
                    left.append((node, answer.ContinuationPoint))
            pending = left
            yield samples


def _samples(node: PlantNode, answer: Any, start_ns: int, end_ns: int) -> list[Sample]:
    if answer.StatusCode is not None and answer.StatusCode.is_bad():
        if answer.StatusCode.value == ua.StatusCodes.BadNoData:
            return []
        raise LinkError(
            f"{node.name}: the server reads no history of node {node.node} ({answer.StatusCode.name})"
        )
    held = getattr(answer.HistoryData, "DataValues", None) or []
    samples = (sample_of(node.name, value, -1) for value in held)
    return [sample for sample in samples if max(0, start_ns) <= sample.source_ns < end_ns]


class OpcUaHistory:
    """The historian of the plant's server; use it as `async with OpcUaHistory(spec) as history:`."""

    def __init__(self, spec: PlantSpec, *, timeout_s: float = 30.0) -> None:
        """Args: timeout_s: how long one answer may take; historians read from disk."""
        self._spec = spec
        self._client = SecureClient(settings_of(spec), timeout=timeout_s)
        self._endpoint = settings_of(spec).endpoint
        self._nodes: tuple[PlantNode, ...] = ()

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
            async for samples in read_raw(self._client, self._nodes, start_ns, end_ns):
                yield samples

    def _check_kept(self) -> None:
        missing = [node.name for node in self._nodes if not node.history]
        if missing:
            listed = ", ".join(missing[:8]) + (f" and {len(missing) - 8} more" if len(missing) > 8 else "")
            raise LinkError(
                f"{self._endpoint}: the server keeps no history of {listed}; switch it on there, or record "
                "the plant with: procwm record"
            )
