"""Variables that carry their unit and range: AnalogItemType (OPC UA Part 8, 5.3.2.3)."""

from typing import Any

from asyncua import Node, ua

UNIT = "EngineeringUnits"
RANGE = "EURange"
_UNECE = "http://www.opcfoundation.org/UA/units/un/cefact"


async def add_analog(folder: Node, node_id: Any, name: str, unit: str, span: tuple[float, float]) -> Node:
    """A Double variable at `node_id` with EngineeringUnits and EURange, whose ids end in these names."""
    node = await folder.add_variable(
        node_id, ua.QualifiedName(name, node_id.NamespaceIndex), 0.0, ua.VariantType.Double
    )
    plain = ua.NodeId(ua.ObjectIds.BaseDataVariableType)
    await node.delete_reference(plain, ua.ObjectIds.HasTypeDefinition)
    await node.add_reference(ua.ObjectIds.AnalogItemType, ua.ObjectIds.HasTypeDefinition)
    text = ua.LocalizedText(unit)
    information = ua.EUInformation(NamespaceUri=_UNECE, UnitId=-1, DisplayName=text, Description=text)
    for label, value in ((UNIT, information), (RANGE, ua.Range(*span))):
        property_id = ua.NodeId(f"{node_id.Identifier}.{label}", node_id.NamespaceIndex)
        await node.add_property(property_id, ua.QualifiedName(label, 0), value)
    return node
