"""Node ids of OPC UA as a plant file writes them (Part 6, 5.3.1.10): `ns=2;s=LT1.PV`, `nsu=urn:plant;i=7`."""

import base64
import binascii
import re
import uuid
from dataclasses import dataclass
from urllib.parse import unquote

from procwm.errors import SpecError
from procwm.plant.texts import check_plain

TAG_NODES = ("node", "cascade_node", "forecast_node")
"""Keys of a tag that hold node ids."""
_WRITTEN = re.compile(
    r"(?:ns=(?P<index>[^;]*);|nsu=(?P<uri>[^;]*);)?(?P<kind>[isgb])=(?P<name>.*)", re.DOTALL
)
_GUID = re.compile(r"[0-9a-fA-F]{8}-(?:[0-9a-fA-F]{4}-){3}[0-9a-fA-F]{12}")
_LARGEST_INDEX, _LARGEST_NUMBER, _LONGEST_TEXT = 65_535, 4_294_967_295, 4096


@dataclass(frozen=True)
class NodeAddress:
    """A node of a server.

    Attributes:
        namespace: index, or URI, of the namespace it is in.
        identifier: number, text, GUID or bytes.
    """

    namespace: int | str
    identifier: int | str | uuid.UUID | bytes


def node_address(text: str) -> NodeAddress:
    """The node that `text` names; `ValueError` with the reason where it can name none."""
    match = _WRITTEN.fullmatch(text)
    if match is None:
        raise ValueError("it is not ns=INDEX; or nsu=URI; and then i=, s=, g= or b= with the identifier")
    namespace: int | str = 0
    if match["uri"] is not None:
        namespace = unquote(match["uri"])
        if not namespace:
            raise ValueError("the namespace's URI is empty")
    elif match["index"] is not None:
        namespace = _whole("the namespace's index", match["index"], _LARGEST_INDEX)
    identifier = _identifier(match["kind"], match["name"])
    if namespace == 0 and identifier == 0:
        raise ValueError("i=0 in namespace 0 is no node")
    return NodeAddress(namespace, identifier)


def check_node_ids(whose: str, **nodes: str | None) -> None:
    """Raise `SpecError` where one of `nodes`, by key of the plant file, is given and can be no node id."""
    for key, text in nodes.items():
        if text is None:
            continue
        label = f"{whose}: {key}"
        check_plain(label, text)
        try:
            node_address(text)
        except ValueError as error:
            raise SpecError(
                f'{label} "{text}" is not an OPC UA node id such as "ns=2;s=LT1.PV" or '
                f'"nsu=urn:plant;s=LT1.PV": {error}'
            ) from None


def _identifier(kind: str, name: str) -> int | str | uuid.UUID | bytes:
    if not name:
        raise ValueError("the identifier is empty")
    if kind == "i":
        return _whole("the number", name, _LARGEST_NUMBER)
    if kind == "g":
        if not _GUID.fullmatch(name):
            raise ValueError("a GUID is written as 09087e75-8e5e-499b-954f-f2a9603db28a")
        return uuid.UUID(name)
    if kind == "b":
        try:
            return base64.b64decode(name, validate=True)
        except binascii.Error:
            raise ValueError("bytes are written in base64") from None
    if len(name) > _LONGEST_TEXT:
        raise ValueError(f"the identifier has {len(name)} characters, at most {_LONGEST_TEXT} are allowed")
    return name


def _whole(what: str, text: str, largest: int) -> int:
    if not re.fullmatch(r"[0-9]{1,10}", text) or int(text) > largest:
        raise ValueError(f"{what} is {text or 'empty'}; it is a whole number from 0 to {largest}")
    return int(text)
