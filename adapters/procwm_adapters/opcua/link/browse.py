"""What a server offers: its variables with one number, their units and ranges, and who may write them."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote

from asyncua import Client, ua

from procwm.plant.browsing import Offered, ServedTag
from procwm.plant.settings import OpcUaSettings
from procwm.plant.tags import Interval
from procwm.plant.texts import commands
from procwm_adapters.opcua.link.client import SecureClient
from procwm_adapters.opcua.link.nodes import access_level, kind_of, properties
from procwm_adapters.opcua.wire.analog_items import RANGE, UNIT
from procwm_adapters.opcua.wire.failures import linked
from procwm_adapters.opcua.wire.requests import in_batches, read
from procwm_adapters.opcua.wire.values import NUMERIC

_TIMEOUT_S, _SESSION_MS = 10.0, 60_000
_MOST_NODES = 20_000
"""A server with more is one of a whole site; what it holds beyond them is not looked at."""
_PROPERTIES = frozenset({ua.ObjectIds.HasProperty, ua.ObjectIds.HasSubtype, ua.ObjectIds.HasTypeDefinition})
_EXAMINED = (
    ua.AttributeIds.Value,
    ua.AttributeIds.DataType,
    ua.AttributeIds.AccessLevel,
    ua.AttributeIds.UserAccessLevel,
)


@dataclass(frozen=True)
class _Found:
    """A variable, and the names of the folders that it lies in."""

    id: Any
    name: str
    path: tuple[str, ...]


async def browse(settings: OpcUaSettings) -> Offered:
    """The variables below the folder Objects of the server at `settings`, those of OPC UA itself left out."""
    client = SecureClient(settings, timeout=_TIMEOUT_S)
    client.session_timeout = _SESSION_MS
    with linked(settings.endpoint, "connecting"), client.connecting():
        await client.connect()
    try:
        with linked(settings.endpoint, "looking through the server"):
            return await _offered(client)
    finally:
        await client.disconnect()


async def _offered(client: Client) -> Offered:
    found = await _variables(client)
    (namespaces,) = await read(
        client, [(ua.NodeId(ua.ObjectIds.Server_NamespaceArray), ua.AttributeIds.Value)]
    )
    uris = list((namespaces.Value and namespaces.Value.Value) or [])
    answers = await read(client, [(one.id, attribute) for one in found for attribute in _EXAMINED])
    ids = [one.id for one in found]
    units, ranges = await properties(client, ids, UNIT), await properties(client, ids, RANGE)
    tags, left_out = [], {}
    kinds: dict[Any, Any] = {}
    for place, (one, name) in enumerate(zip(found, _names(found), strict=True)):
        value, data_type, *levels = answers[place * len(_EXAMINED) : (place + 1) * len(_EXAMINED)]
        access, user_access = (access_level(level) for level in levels)
        reason = _no_number(name, value, await kind_of(client, value, data_type, kinds), access & user_access)
        if reason:
            left_out[name] = reason
            continue
        tags.append(
            ServedTag(
                name=name,
                node=_written(one.id, uris),
                unit=_unit(units[place]),
                range=_range(ranges[place]),
                writable=bool(access & user_access & ua.AccessLevel.CurrentWrite.mask),
            )
        )
    return Offered(tags=tags, left_out=left_out)


async def _variables(client: Client) -> list[_Found]:
    """All variables of other namespaces than OPC UA's own, level by level; each once."""
    level: list[_Found] = [_Found(ua.NodeId(ua.ObjectIds.ObjectsFolder), "", ())]
    met = {level[0].id}
    found: list[_Found] = []
    while level and len(met) < _MOST_NODES:
        below = await in_batches(lambda portion: _browsed(client, portion), [one.id for one in level])
        following: list[_Found] = []
        for one, references in zip(level, below, strict=True):
            for reference in references:
                target = ua.NodeId(
                    reference.NodeId.Identifier, reference.NodeId.NamespaceIndex, reference.NodeId.NodeIdType
                )
                if target in met or target.NamespaceIndex == 0:
                    continue
                met.add(target)
                path = (*one.path, one.name) if one.name else ()
                shown = _Found(target, str(reference.BrowseName.Name or ""), path)
                (found if reference.NodeClass == ua.NodeClass.Variable else following).append(shown)
        level = following
    return found[:_MOST_NODES]


async def _browsed(client: Client, portion: Sequence[Any]) -> list[list[Any]]:
    """References from each node to what it holds, in whatever portions the server hands them out."""
    parameters = ua.BrowseParameters()
    parameters.NodesToBrowse = [_description(node_id) for node_id in portion]
    results = await client.uaclient.browse(parameters)
    held: list[list[Any]] = [list(result.References or []) for result in results]
    left = {
        place: result.ContinuationPoint for place, result in enumerate(results) if result.ContinuationPoint
    }
    while left:
        more = ua.BrowseNextParameters(ContinuationPoints=list(left.values()))
        answers = dict(zip(left, await client.uaclient.browse_next(more), strict=True))
        for place, answer in answers.items():
            held[place] += answer.References or []
        left = {
            place: answer.ContinuationPoint for place, answer in answers.items() if answer.ContinuationPoint
        }
    return [
        [one for one in references if one.ReferenceTypeId.Identifier not in _PROPERTIES]
        for references in held
    ]


def _description(node_id: Any) -> Any:
    description = ua.BrowseDescription()
    description.NodeId = node_id
    description.BrowseDirection = ua.BrowseDirection.Forward
    description.ReferenceTypeId = ua.NodeId(ua.ObjectIds.HierarchicalReferences)
    description.IncludeSubtypes = True
    description.NodeClassMask = ua.NodeClass.Object | ua.NodeClass.Variable
    description.ResultMask = ua.BrowseResultMask.All
    return description


def _names(found: Sequence[_Found]) -> list[str]:
    """A name for each: its own, with as many folders before it as tell it from the others."""
    deepest = max((len(one.path) for one in found), default=0)
    named: dict[int, str] = {}
    for depth in range(deepest + 1):
        offered = {
            place: ".".join((*one.path[len(one.path) - depth :], one.name))
            for place, one in enumerate(found)
            if place not in named and depth <= len(one.path)
        }
        counts = Counter((*offered.values(), *named.values()))
        named |= {place: name for place, name in offered.items() if counts[name] == 1}
    return [named.get(place, one.id.to_string()) for place, one in enumerate(found)]


def _no_number(name: str, value: Any, kind: Any, access: int) -> str:
    """Why a variable can be no tag; empty where it can."""
    if not name.strip() or any(map(commands, name)):
        return "its name is empty or holds a character that cannot be seen"
    if not access & ua.AccessLevel.CurrentRead.mask:
        return "this user may not read it"
    held = None if value.Value is None else value.Value.Value
    if kind not in NUMERIC or isinstance(held, list | tuple):
        return "it does not hold one number"
    return "it holds yes or no" if kind is ua.VariantType.Boolean else ""


def _unit(information: Any) -> str:
    text = getattr(getattr(information, "DisplayName", None), "Text", None) or ""
    return "" if any(map(commands, text)) else str(text)


def _range(told: Any) -> Interval | None:
    if not isinstance(told, ua.Range):
        return None
    low, high = float(told.Low), float(told.High)
    return (low, high) if math.isfinite(low) and math.isfinite(high) and low < high else None


def _written(node_id: Any, uris: Sequence[str]) -> str:
    """A node id that holds after a restart, too, when a namespace may have another index."""
    index = node_id.NamespaceIndex
    text = str(node_id.to_string())
    if index < 2 or index >= len(uris):
        return text
    return f"nsu={quote(uris[index], safe=':/')};" + text.partition(";")[2]
