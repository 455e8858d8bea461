"""Which node of a server is which tag: looked up, and checked against the plant file, at every connection."""

import logging
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from asyncua import Client, ua
from asyncua.common.ua_utils import data_type_to_variant_type

from procwm.errors import LinkError, SpecError
from procwm.plant.node_ids import node_address
from procwm.plant.tags import PlantSpec
from procwm_adapters.opcua.link.held_numbers import check_fits, check_number
from procwm_adapters.opcua.link.named_nodes import PlantNode, named_nodes
from procwm_adapters.opcua.wire.analog_items import RANGE, UNIT
from procwm_adapters.opcua.wire.requests import in_batches, read
from procwm_adapters.opcua.wire.values import same_unit

_LOGGER = logging.getLogger(__name__)

_ABSENT = frozenset({ua.StatusCodes.BadNodeIdUnknown, ua.StatusCodes.BadNodeIdInvalid})
_FORBIDDEN = frozenset({ua.StatusCodes.BadUserAccessDenied, ua.StatusCodes.BadNotReadable})
_SAME_RANGE = 1e-3
"""Of the span: servers hold a range in single precision, or rounded."""
_EXAMINED = (
    ua.AttributeIds.Value,
    ua.AttributeIds.DataType,
    ua.AttributeIds.AccessLevel,
    ua.AttributeIds.UserAccessLevel,
)


async def examine(client: Client, spec: PlantSpec, before: Sequence[PlantNode] = ()) -> tuple[PlantNode, ...]:
    """The nodes of all tags and signals, in file order, as the server has them now.

    Args:
        client: the connection.
        spec: the plant file.
        before: what was found at the last connection. A namespace that has another index since then is
            followed: what the plant file calls `ns=2` is what it was when the plant file was taken up.

    Raises:
        SpecError: the plant file gives another unit than the server, or names a node that is written twice,
            or one whose numbers are not those that an MV needs.
        LinkError: a node is absent, may not be read, does not hold one number, or is an MV that may
            not be written.
    """
    (namespaces,) = await read(
        client, [(ua.NodeId(ua.ObjectIds.Server_NamespaceArray), ua.AttributeIds.Value)]
    )
    uris = list((namespaces.Value and namespaces.Value.Value) or [])
    known = {node.name: node.uri for node in before}
    nodes = [(node, _resolved(node, uris, known.get(node.name, ""))) for node in named_nodes(spec)]
    _check_apart(nodes)
    answers = await read(client, [(node_id, attribute) for _, node_id in nodes for attribute in _EXAMINED])
    kinds: dict[Any, Any] = {}
    found = []
    for position, (node, node_id) in enumerate(nodes):
        value, data_type, *levels = answers[position * len(_EXAMINED) : (position + 1) * len(_EXAMINED)]
        _check_readable(node, value)
        kind = await kind_of(client, value, data_type, kinds)
        check_number(node, value, kind)
        access, user_access = (access_level(level) for level in levels)
        if node.written:
            _check_writable(node, spec, access, user_access)
            check_fits(node, spec, kind)
        history = not node.ahead_of and bool(access & user_access & ua.AccessLevel.HistoryRead.mask)
        uri = uris[node_id.NamespaceIndex] if node_id.NamespaceIndex < len(uris) else ""
        found.append(replace(node, id=node_id, kind=kind, uri=uri, history=history))
    await _check_units(client, found)
    await _compare_ranges(client, found)
    return tuple(found)


def _resolved(node: PlantNode, uris: Sequence[str], before: str) -> Any:
    """The `NodeId` at this connection: a namespace may have another index at every start of the server.

    `before` is the namespace that the node was in at the last connection, empty where there was none.
    """
    address = node_address(node.node)
    index = address.namespace if isinstance(address.namespace, int) else None
    # The first two have fixed places (Part 3, 8.2.2), and the second is called after the server itself.
    uri = (before if index > 1 else "") if index is not None else address.namespace
    if index is not None and not uri:
        return ua.NodeId(address.identifier, index)
    if uri not in uris:
        raise LinkError(
            f"{node.name}: the server has no namespace {uri}; it has {', '.join(uris)}; correct node in the "
            "plant file"
        )
    return ua.NodeId(address.identifier, uris.index(uri))


def _check_apart(nodes: Sequence[tuple[PlantNode, Any]]) -> None:
    """A heartbeat on the node of an MV would move it; on the plant's heartbeat it would answer itself."""
    first: dict[Any, PlantNode] = {}
    for node, node_id in nodes:
        other = first.setdefault(node_id, node)
        if other is not node and (node.written or other.written):
            raise SpecError(
                f"{node.name}: node {node.node} is that of {other.name} too; a node that is written belongs "
                "to one name, so correct node in the plant file"
            )


def _check_readable(node: PlantNode, value: Any) -> None:
    status = value.StatusCode
    if status is None or not status.is_bad():
        return
    if status.value in _ABSENT:
        raise LinkError(f"{node.name}: the server has no node {node.node}; correct node in the plant file")
    if status.value == ua.StatusCodes.BadAttributeIdInvalid:
        raise LinkError(f"{node.name}: node {node.node} is not a variable")
    if status.value in _FORBIDDEN:
        raise LinkError(f"{node.name}: the server does not let this user read node {node.node}")


def access_level(value: Any) -> int:
    """The bits of an AccessLevel (Part 3, 8.57); all of them where the server does not tell."""
    told = value.Value is not None and isinstance(value.Value.Value, int)
    return int(value.Value.Value) if told else 0xFF


def _check_writable(node: PlantNode, spec: PlantSpec, access: int, user_access: int) -> None:
    write = ua.AccessLevel.CurrentWrite.mask
    if not access & write:
        raise LinkError(
            f"{node.name}: node {node.node} can only be read; name the node that takes its value, or set "
            "read_only = true in [opcua]"
        )
    if not user_access & write:
        who = (spec.opcua and spec.opcua.user) or "this user"
        raise LinkError(
            f"{node.name}: the server does not let {who} write node {node.node}; give the user that right, "
            "or set read_only = true in [opcua]"
        )


async def kind_of(client: Client, value: Any, data_type: Any, kinds: dict[Any, Any]) -> Any:
    """The built-in type that the node's values have, and that a write must have."""
    held = ua.VariantType.Null if value.Value is None else value.Value.VariantType
    if data_type.Value is None or not isinstance(data_type.Value.Value, ua.NodeId):
        return held
    declared = data_type.Value.Value
    if declared not in kinds:
        try:
            kinds[declared] = await data_type_to_variant_type(client.get_node(declared))
        except ua.UaError:
            # Some servers have values of types that they do not have.
            kinds[declared] = ua.VariantType.Variant
    if kinds[declared] is not ua.VariantType.Variant:
        return kinds[declared]
    # An abstract type such as Number, or an unknown one: the present value decides, or else it is Double.
    return ua.VariantType.Double if held is ua.VariantType.Null else held


async def _check_units(client: Client, nodes: Sequence[PlantNode]) -> None:
    measured = [node for node in nodes if node.unit is not None]
    for node, information in zip(
        measured, await properties(client, [node.id for node in measured], UNIT), strict=True
    ):
        theirs = getattr(getattr(information, "DisplayName", None), "Text", None) or ""
        if not same_unit(node.unit or "", theirs):
            raise SpecError(
                f"{node.name}: unit is {node.unit} in the plant file and {theirs} on the server; "
                "correct unit in the plant file, with range and limits"
            )


async def _compare_ranges(client: Client, nodes: Sequence[PlantNode]) -> None:
    """Warn where the server tells another range: one of the two scales costs and limits wrongly."""
    measured = [node for node in nodes if node.range is not None]
    for node, theirs in zip(
        measured, await properties(client, [node.id for node in measured], RANGE), strict=True
    ):
        if node.range is None or not isinstance(theirs, ua.Range) or theirs.Low >= theirs.High:
            continue
        low, high = node.range
        if max(abs(theirs.Low - low), abs(theirs.High - high)) > _SAME_RANGE * (high - low):
            _LOGGER.warning(
                "%s: range is [%g, %g] in the plant file and [%g, %g] on the server; correct the wrong one",
                *(node.name, low, high, theirs.Low, theirs.High),
            )


async def properties(client: Client, nodes: Sequence[Any], name: str) -> list[Any]:
    """A property of each node, by its id, as EUInformation (Part 8, 5.6.3); `None` where there is none."""
    paths = [ua.BrowsePath(node, ua.RelativePath([_property(name)])) for node in nodes]
    try:
        found = await in_batches(client.uaclient.translate_browsepaths_to_nodeids, paths)
    except ua.UaStatusCodeError:
        return [None] * len(nodes)
    targets = [_local(result.Targets[0].TargetId) if result.Targets else None for result in found]
    values = iter(await read(client, [(target, ua.AttributeIds.Value) for target in targets if target]))
    held = [next(values).Value if target else None for target in targets]
    return [None if variant is None else variant.Value for variant in held]


def _property(name: str) -> Any:
    element = ua.RelativePathElement()
    element.ReferenceTypeId = ua.NodeId(ua.ObjectIds.HasProperty)
    element.IsInverse = False
    element.IncludeSubtypes = True
    element.TargetName = ua.QualifiedName(name, 0)
    return element


def _local(target: Any) -> Any:
    """The plain `NodeId` of an expanded one in the same server."""
    return ua.NodeId(target.Identifier, target.NamespaceIndex, target.NodeIdType)
