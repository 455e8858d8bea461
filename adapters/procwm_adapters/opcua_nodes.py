"""Which node of a server is which tag: looked up, and checked against the plant file, once at the start."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from asyncua import Client, ua
from asyncua.common.ua_utils import data_type_to_variant_type

from procwm.errors import LinkError, SpecError
from procwm.plant.tags import PlantSpec, Tag
from procwm_adapters.opcua_values import NUMERIC, same_unit

_NODES_PER_READ = 300
"""Servers cap the nodes of one request; every product seen allows this many."""

_ABSENT = frozenset({ua.StatusCodes.BadNodeIdUnknown, ua.StatusCodes.BadNodeIdInvalid})
_FORBIDDEN = frozenset({ua.StatusCodes.BadUserAccessDenied, ua.StatusCodes.BadNotReadable})


@dataclass(frozen=True, kw_only=True)
class TagNode:
    """A tag, its `NodeId` and the built-in type (`VariantType`) of its values."""

    tag: Tag
    id: Any
    kind: Any


def node_ids(spec: PlantSpec) -> dict[str, Any]:
    """The `NodeId` of every tag; `SpecError` where the plant file names none or an unreadable one."""
    ids = {}
    for tag in spec.tags:
        if tag.node is None:
            raise SpecError(f'{tag.name}: no OPC UA node; add node = "ns=...;s=..." to its [[tag]] table')
        try:
            ids[tag.name] = ua.NodeId.from_string(tag.node)
        except ua.UaStringParsingError:
            raise SpecError(
                f'{tag.name}: node "{tag.node}" is not an OPC UA node id such as "ns=2;s={tag.name}"'
            ) from None
    return ids


async def read(client: Client, targets: Sequence[tuple[Any, Any]]) -> list[Any]:
    """The `DataValue` of each `(node id, attribute)`, both times included, Bad ones as they are."""
    values: list[Any] = []
    for start in range(0, len(targets), _NODES_PER_READ):
        request = ua.ReadParameters()
        request.TimestampsToReturn = ua.TimestampsToReturn.Both
        for node_id, attribute in targets[start : start + _NODES_PER_READ]:
            request.NodesToRead.append(ua.ReadValueId(NodeId=node_id, AttributeId=attribute))
        values += await client.uaclient.read(request)
    return values


async def examine(client: Client, spec: PlantSpec) -> tuple[TagNode, ...]:
    """The nodes of all tags, in file order.

    Raises:
        SpecError: the plant file gives another unit than the server.
        LinkError: a node is absent, may not be read, or does not hold one number.
    """
    ids = node_ids(spec)
    attributes = (ua.AttributeIds.Value, ua.AttributeIds.DataType)
    answers = await read(
        client, [(ids[tag.name], attribute) for tag in spec.tags for attribute in attributes]
    )
    nodes = []
    for position, tag in enumerate(spec.tags):
        value, data_type = answers[2 * position : 2 * position + 2]
        _check_readable(tag, value)
        kind = await _kind(client, value, data_type)
        if kind not in NUMERIC:
            raise LinkError(
                f"{tag.name}: node {tag.node} holds {kind.name}; a tag holds a number or a Boolean"
            )
        if value.Value is not None and isinstance(value.Value.Value, list):
            raise LinkError(f"{tag.name}: node {tag.node} holds an array; a tag holds one number")
        nodes.append(TagNode(tag=tag, id=ids[tag.name], kind=kind))
    await _check_units(client, nodes)
    return tuple(nodes)


def _check_readable(tag: Tag, value: Any) -> None:
    status = value.StatusCode
    if status is None or not status.is_bad():
        return
    if status.value in _ABSENT:
        raise LinkError(f"{tag.name}: the server has no node {tag.node}; correct node in the plant file")
    if status.value == ua.StatusCodes.BadAttributeIdInvalid:
        raise LinkError(f"{tag.name}: node {tag.node} is not a variable")
    if status.value in _FORBIDDEN:
        raise LinkError(f"{tag.name}: the server does not let this user read node {tag.node}")


async def _kind(client: Client, value: Any, data_type: Any) -> Any:
    """The built-in type that the node's values have, and that a write must have."""
    held = ua.VariantType.Null if value.Value is None else value.Value.VariantType
    if data_type.Value is None or not isinstance(data_type.Value.Value, ua.NodeId):
        return held
    declared = await data_type_to_variant_type(client.get_node(data_type.Value.Value))
    if declared is not ua.VariantType.Variant:
        return declared
    # An abstract type such as Number: the present value decides, and Double where there is none.
    return ua.VariantType.Double if held is ua.VariantType.Null else held


async def _check_units(client: Client, nodes: Sequence[TagNode]) -> None:
    for node, information in zip(nodes, await _engineering_units(client, nodes), strict=True):
        theirs = getattr(getattr(information, "DisplayName", None), "Text", None) or ""
        if not same_unit(node.tag.unit, theirs):
            raise SpecError(
                f"{node.tag.name}: unit is {node.tag.unit} in the plant file and {theirs} on the server; "
                "correct unit in the plant file, with range and limits"
            )


async def _engineering_units(client: Client, nodes: Sequence[TagNode]) -> list[Any]:
    """The EUInformation of each node (Part 8, 5.6.3), `None` where the server offers none."""
    paths = [ua.BrowsePath(node.id, ua.RelativePath([_property("EngineeringUnits")])) for node in nodes]
    try:
        found = await client.uaclient.translate_browsepaths_to_nodeids(paths)
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
