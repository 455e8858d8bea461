"""What a plant's server offers, before any plant file names it."""

from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from procwm.plant.settings import OpcUaSettings
from procwm.plant.tags import Interval


@dataclass(frozen=True, kw_only=True)
class ServedTag:
    """A variable of a server that holds one number.

    Attributes:
        name: as the server shows it.
        node: its node id, as a plant file writes it.
        unit: as the server states it; empty where it does not.
        range: likewise; `None` where it does not.
        writable: whether this user may write it.
    """

    name: str
    node: str
    unit: str
    range: Interval | None
    writable: bool


@dataclass(frozen=True, kw_only=True)
class Offered:
    """The variables of a server.

    Attributes:
        tags: those that hold one number, in the order in which they were found.
        left_out: by name, why another one is not among them.
    """

    tags: Sequence[ServedTag]
    left_out: Mapping[str, str]


PlantBrowser: TypeAlias = Callable[[OpcUaSettings], Coroutine[Any, Any, Offered]]
"""Looks through the server at an address; raises only `LinkError` and `SpecError`."""
