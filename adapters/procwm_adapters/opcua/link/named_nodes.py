"""The nodes that a plant file names, before any server has been asked about them."""

from dataclasses import dataclass
from typing import Any

from procwm.errors import SpecError
from procwm.plant.tags import Interval, PlantSpec

HEARTBEAT = "heartbeat"
"""Name of the node that the controller counts up, beside those of the tags."""
WRITE_ID, WRITE_UNTIL = "write id", "write valid until"
"""Names of the nodes that are written with MVs, in the same request."""


@dataclass(frozen=True, kw_only=True)
class PlantNode:
    """A node that the plant file names.

    Attributes:
        name: of the tag or signal.
        node: as the plant file writes it.
        unit: that the values must have; `None` where any will do.
        range: of the instrument, as the plant file has it; `None` of what is no tag.
        written: whether procwm writes it.
        id: its `NodeId` at this connection.
        kind: the built-in type (`VariantType`) of its values.
        uri: of the namespace that `id` is in; empty where the server does not tell.
        history: whether the server keeps its past values and lets this user read them.
        ahead_of: the tag whose values to come this node holds, as an array; empty of any other node.
    """

    name: str
    node: str
    unit: str | None
    written: bool
    range: Interval | None = None
    id: Any = None
    kind: Any = None
    uri: str = ""
    history: bool = False
    ahead_of: str = ""


def named_nodes(spec: PlantSpec) -> tuple[PlantNode, ...]:
    """What the plant file names, not yet looked up; `SpecError` where a tag has no node."""
    writes = spec.opcua is None or not spec.opcua.read_only
    nodes = []
    for tag in spec.tags:
        if tag.node is None:
            raise SpecError(f'{tag.name}: no OPC UA node; add node = "ns=...;s=..." to its [[tag]] table')
        mv = writes and tag in spec.mvs
        nodes.append(PlantNode(name=tag.name, node=tag.node, unit=tag.unit, written=mv, range=tag.range))
    nodes += [PlantNode(name=s.name, node=s.node, unit=None, written=False) for s in spec.signals]
    nodes += [
        PlantNode(
            name=f"{tag.name} forecast", node=tag.forecast_node, unit=None, written=False, ahead_of=tag.name
        )
        for tag in spec.tags
        if tag.forecast_node is not None
    ]
    control = spec.control
    for name, node_id in (
        (HEARTBEAT, control.heartbeat_node),
        (WRITE_ID, control.write_id_node),
        (WRITE_UNTIL, control.write_until_node),
    ):
        if node_id is not None and writes:
            nodes.append(PlantNode(name=name, node=node_id, unit=None, written=True))
    return tuple(nodes)
