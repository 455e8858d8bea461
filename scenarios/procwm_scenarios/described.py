"""Tags and plant files of simulated plants, with what all of them have in common."""

from typing import Any

from procwm.plant.tags import Interval, OpcUaSettings, PlantSpec, Role, Tag

_ENDPOINT = "opc.tcp://127.0.0.1:4840"


def tag(name: str, role: Role, unit: str, within: Interval, **more: Any) -> Tag:
    """A tag that is served at the node of its name; `within` is the range of its instrument."""
    return Tag(name=name, role=role, unit=unit, range=within, node=f"ns=2;s={name}", **more)


def plant_of(name: str, interval_s: float, *tags: Tag) -> PlantSpec:
    """The plant file of `tags`, served on this machine."""
    return PlantSpec(name=name, interval_s=interval_s, tags=tags, opcua=OpcUaSettings(endpoint=_ENDPOINT))
