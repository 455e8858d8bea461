"""The one way in for requests of OPC UA clients: each write is a request, or it is refused with a status."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from asyncua import ua
from asyncua.crypto.permission_rules import UserRole
from asyncua.server.address_space import AddressSpace, AttributeService

from procwm.errors import SpecError
from procwm.plant.front import MODES, Desk
from procwm.plant.request import Request
from procwm_adapters.opcua.console.fact_nodes import (
    HIGH,
    LOW,
    MODE_REQUEST,
    ON,
    REQUESTS,
    SETPOINT,
    VARIABLES,
)
from procwm_adapters.opcua.security.guarded_server import Viewer

_KINDS = {
    MODE_REQUEST: ua.VariantType.UInt32,
    SETPOINT: ua.VariantType.Double,
    LOW: ua.VariantType.Double,
    HIGH: ua.VariantType.Double,
    ON: ua.VariantType.Boolean,
}


class RefusedError(Exception):
    """A written value that is no request: the status for the client, and why."""

    def __init__(self, status: int, why: str) -> None:
        super().__init__(why)
        self.status = status


@dataclass
class _Asked:
    """What the items of one write ask for together."""

    mode: str | None = None
    setpoints: dict[str, float] = field(default_factory=dict)
    low: dict[str, float] = field(default_factory=dict)
    high: dict[str, float] = field(default_factory=dict)
    on: dict[str, bool] = field(default_factory=dict)

    def add(self, path: str, value: Any) -> None:
        if path == MODE_REQUEST:
            self.mode = MODES[value]
            return
        tag, label = split(path)
        if label == ON:
            self.on[tag] = value
        else:
            {SETPOINT: self.setpoints, LOW: self.low, HIGH: self.high}[label][tag] = value

    def request(self, who: str) -> Request:
        limits = {tag: (self.low.get(tag), self.high.get(tag)) for tag in {**self.low, **self.high}}
        return Request(who=who, mode=self.mode, setpoints=self.setpoints, limits=limits, on=self.on)


class FrontDoor(AttributeService):  # type: ignore[misc]
    """In the place of a server's own attribute service: nothing but requests is ever written.

    The items of one write are one request, carried out whole or refused whole; items that are none at all
    are refused one by one.
    """

    def __init__(
        self, aspace: AddressSpace, paths: Callable[[Any], str | None], desk: Desk, closed: str
    ) -> None:
        """Args: paths: the path of a node id, `None` of others. closed: why nobody may ask, or empty."""
        super().__init__(aspace)
        self._paths, self._desk, self._closed = paths, desk, closed

    async def write(self, params: Any, user: Any = None) -> list[Any]:
        """The status of each item; asking and refusing never wait for the controller."""
        if user is not None and user.role is UserRole.Admin:
            written: list[Any] = await super().write(params, user)
            return written
        who = f"{getattr(user, 'name', None) or 'anonymous'} over OPC UA"
        closed = f"{user.name} may look and not ask" if isinstance(user, Viewer) else self._closed
        together, asked = _Asked(), list[int]()
        statuses: list[Any] = []
        for item in params.NodesToWrite:
            path = self._paths(item.NodeId) or str(item.NodeId)
            try:
                together.add(path, _value(path, item, closed))
                asked.append(len(statuses))
                statuses.append(ua.StatusCode())
            except RefusedError as refusal:
                self._desk.refused(who, f"{path} = {_shown(item)}", str(refusal))
                statuses.append(ua.StatusCode(refusal.status))
        if not asked:
            return statuses
        try:
            self._desk.ask(together.request(who))
        except SpecError:
            refused = ua.StatusCode(ua.StatusCodes.BadOutOfRange)
            return [refused if index in asked else status for index, status in enumerate(statuses)]
        await self._keep([params.NodesToWrite[index] for index in asked])
        return statuses

    async def _keep(self, items: Sequence[Any]) -> None:
        """Let the request's node hold what was asked for until the next cycle tells."""
        for item in items:
            await self._aspace.write_attribute_value(
                item.NodeId, ua.AttributeIds.Value, ua.DataValue(item.Value.Value)
            )


def _value(path: str, item: Any, closed: str) -> Any:
    """The value that is written, if it can ask for anything; `closed` says why none may ask, or is empty."""
    kind = _KINDS.get(path if path == MODE_REQUEST else split(path)[1])
    if kind is None or item.AttributeId != ua.AttributeIds.Value:
        raise RefusedError(ua.StatusCodes.BadUserAccessDenied, "this is not for anybody to write")
    if closed:
        raise RefusedError(ua.StatusCodes.BadUserAccessDenied, closed)
    if item.IndexRange:
        raise RefusedError(ua.StatusCodes.BadWriteNotSupported, "a part of a value cannot be written")
    variant = item.Value.Value
    if variant is None or variant.VariantType is not kind or variant.is_array:
        raise RefusedError(ua.StatusCodes.BadTypeMismatch, f"it must be one {kind.name}")
    status = item.Value.StatusCode
    if status is not None and not status.is_good():
        raise RefusedError(ua.StatusCodes.BadOutOfRange, "its status is not Good")
    if kind is ua.VariantType.Double and not math.isfinite(variant.Value):
        raise RefusedError(ua.StatusCodes.BadOutOfRange, "it must be a finite number")
    if path == MODE_REQUEST and not 0 <= variant.Value < len(MODES):
        raise RefusedError(ua.StatusCodes.BadOutOfRange, f"modes are numbered 0 to {len(MODES) - 1}")
    return variant.Value


def split(path: str) -> tuple[str, str]:
    """Tag and label of a request's path; a path that is none has an empty label."""
    kind, _, rest = path.partition(".")
    tag, _, label = rest.rpartition(".")
    return (tag, label) if kind == VARIABLES and label in REQUESTS else (path, "")


def _shown(item: Any) -> str:
    """A written value, short enough for a line that people read."""
    held = None if item.Value is None or item.Value.Value is None else item.Value.Value.Value
    text = ascii(held)
    return text if len(text) <= 40 else f"{text[:37]}..."
