"""Requests about many nodes, in portions that the server accepts."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

from asyncua import Client, ua

_Item = TypeVar("_Item")

_AT_ONCE = 300
"""Nodes of one request to begin with; a server that takes fewer says so."""
TOO_MANY = (
    ua.uaerrors.BadTooManyOperations,
    ua.uaerrors.BadRequestTooLarge,
    ua.uaerrors.BadResponseTooLarge,
    ua.uaerrors.BadEncodingLimitsExceeded,
)


async def in_batches(
    call: Callable[[Sequence[_Item]], Awaitable[Sequence[Any]]], items: Sequence[_Item], *, smallest: int = 1
) -> list[Any]:
    """What `call` answers to each item, asked in portions, of at least `smallest`, that are not too many."""
    answers: list[Any] = []
    size = max(_AT_ONCE, smallest)
    while len(answers) < len(items):
        portion = items[len(answers) : len(answers) + size]
        try:
            given = await call(portion) or []
        except TOO_MANY:
            if len(portion) <= smallest:
                raise
            size = (len(portion) + 1) // 2
            continue
        if len(given) != len(portion):
            raise ua.UaError(f"the server gave {len(given)} answers to {len(portion)} questions")
        answers += given
    return answers


async def read(client: Client, targets: Sequence[tuple[Any, Any]]) -> list[Any]:
    """The `DataValue` of each `(node id, attribute)`, both times included, Bad ones as they are."""

    async def ask(portion: Sequence[tuple[Any, Any]]) -> Sequence[Any]:
        request = ua.ReadParameters()
        request.TimestampsToReturn = ua.TimestampsToReturn.Both
        for node_id, attribute in portion:
            request.NodesToRead.append(ua.ReadValueId(NodeId=node_id, AttributeId=attribute))
        answers: Sequence[Any] = await client.uaclient.read(request)
        return answers

    return await in_batches(ask, targets)
