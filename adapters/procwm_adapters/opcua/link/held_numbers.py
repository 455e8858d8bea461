"""Whether a node holds the numbers that are read from it or written to it; asked once, at the connection."""

import math
from typing import Any

from asyncua import ua

from procwm.errors import LinkError, SpecError
from procwm.plant.tags import PlantSpec, Tag
from procwm_adapters.opcua.link.named_nodes import WRITE_ID, WRITE_UNTIL, PlantNode
from procwm_adapters.opcua.wire.values import NUMERIC, WHOLE, held_range

_WIDE = (ua.VariantType.UInt32, ua.VariantType.Int64, ua.VariantType.UInt64, ua.VariantType.Double)
"""Types that hold every whole number below 2^32."""


def check_number(node: PlantNode, value: Any, kind: Any) -> None:
    """Raise `LinkError` where `node`, which now has `value`, does not hold one number of a type `kind`."""
    if node.name == WRITE_UNTIL and kind is ua.VariantType.DateTime:
        return
    if node.name in (WRITE_ID, WRITE_UNTIL) and kind not in _WIDE:
        raise LinkError(
            f"{node.name}: node {node.node} holds {kind.name}, which is too narrow; let it hold "
            f"{', '.join(wide.name for wide in _WIDE)}"
        )
    if kind not in NUMERIC:
        raise LinkError(f"{node.name}: node {node.node} holds {kind.name}; a tag holds a number or a Boolean")
    if value.Value is None:
        return
    if node.ahead_of and not isinstance(value.Value.Value, list):
        raise LinkError(f"{node.name}: node {node.node} holds one number; a forecast is an array")
    if not node.ahead_of and isinstance(value.Value.Value, list):
        raise LinkError(f"{node.name}: node {node.node} holds an array; a tag holds one number")


def check_fits(node: PlantNode, spec: PlantSpec, kind: Any) -> None:
    """Raise `SpecError` where `node` is an MV that a value of the type `kind` cannot take wherever it may go.

    Found out by its first write, such a node would have the plant given back for a fault that always was.
    """
    mv = next((tag for tag in spec.mvs if tag.name == node.name), None)
    if mv is None:
        return
    (low, high), (least, most) = mv.bounds, held_range(kind)
    if not least <= low < high <= most:
        raise SpecError(
            f"{mv.name}: it may go from {low:g} to {high:g}, and node {node.node} holds {kind.name} "
            f"({least:g} to {most:g}); correct limits, or name a node of a wider type"
        )
    if kind in WHOLE:
        _check_steps(mv, f"{mv.name}: node {node.node} holds whole numbers ({kind.name})")


def _check_steps(mv: Tag, holds: str) -> None:
    """An MV that holds whole numbers must be able to go to another one; `holds` begins every sentence."""
    low, high = mv.bounds
    for label in ("max_move", "max_move_per_hour"):
        largest = getattr(mv, label)
        if largest is not None and largest < 1:
            raise SpecError(
                f"{holds}, and {label} is {largest:g}: it could never move; name a node that holds Float or "
                f"Double, or let {label} be 1 or more"
            )
    if math.floor(high) - math.ceil(low) < 1:
        raise SpecError(
            f"{holds}, and may go from {low:g} to {high:g}: it could never move; name a node that holds "
            "Float or Double, or widen limits"
        )
    beside = [level for level in mv.levels or () if level != round(level)]
    if beside:
        raise SpecError(f"{holds}; correct levels in the plant file, where {beside[0]:g} is none")
