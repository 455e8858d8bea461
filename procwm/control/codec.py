"""A controller's state as bytes: one line with a hash, then JSON. Only known types are read back; no pickle.

Floats are written so that they read back to the last bit, arrays as the bytes they are.
"""

import base64
import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import numpy as np

from procwm.control.adaptation.adaptation import Adaptation, Beside
from procwm.control.adaptation.contest import Contest
from procwm.control.adaptation.gain_estimate import GainEstimate
from procwm.control.adaptation.recollection import Recollection
from procwm.control.adaptation.tag_scales import TagScales
from procwm.control.disturbance import Disturbance
from procwm.control.identity import Identity
from procwm.control.modes import Mode, ModeState
from procwm.control.pace import Pace
from procwm.control.promises import Promise
from procwm.control.stepping import StepTest
from procwm.control.swinging import Swings
from procwm.control.targets import Targets
from procwm.data.buffer import SampleBuffer
from procwm.data.series import TagSeries
from procwm.data.window import WindowRule
from procwm.errors import ArtifactError, ProcwmError
from procwm.planning.problem import Plan, PlanStatus
from procwm.plant.samples import Quality, Sample

_FORMAT = "procwm-state 3"
_VALUES = (
    Adaptation,
    Beside,
    Contest,
    Disturbance,
    GainEstimate,
    Identity,
    ModeState,
    Pace,
    Plan,
    Promise,
    Recollection,
    Sample,
    SampleBuffer,
    StepTest,
    Swings,
    TagScales,
    TagSeries,
    Targets,
    WindowRule,
)
_ENUMS = (Mode, PlanStatus, Quality)
_KNOWN: Mapping[str, Any] = MappingProxyType({kind.__name__: kind for kind in (*_VALUES, *_ENUMS)})
_DTYPES = frozenset({"float64", "int64", "int8", "bool"})


def encode(values: Mapping[str, Any]) -> bytes:
    """`values` by name as bytes."""
    body = json.dumps(_plain(values), separators=(",", ":")).encode()
    return f"{_FORMAT} {hashlib.sha256(body).hexdigest()}\n".encode() + body


def decode(data: bytes) -> dict[str, Any]:
    """What `encode` was given.

    Raises:
        ArtifactError: the bytes are no state, of another version, cut short or altered.
    """
    head, _, body = data.partition(b"\n")
    name, _, digest = head.decode("ascii", "replace").rpartition(" ")
    if not name.startswith("procwm-state "):
        raise ArtifactError("these bytes are no state of a controller; start without them")
    if name != _FORMAT:
        raise ArtifactError(
            f"the state has the format {name}, this version reads {_FORMAT}; start without it"
        )
    if hashlib.sha256(body).hexdigest() != digest:
        raise ArtifactError("the state was cut short or altered; start without it")
    try:
        return dict(_value(json.loads(body)))
    except (KeyError, TypeError, ValueError, RecursionError, ProcwmError) as error:
        raise ArtifactError(f"the state cannot be read ({error}); start without it") from None


def _plain(value: Any) -> Any:
    if isinstance(value, np.ndarray):
        content = base64.b64encode(np.ascontiguousarray(value).tobytes()).decode("ascii")
        return {"~": "array", "dtype": str(value.dtype), "shape": list(value.shape), "base64": content}
    if (is_dataclass(value) or isinstance(value, StrEnum)) and type(value).__name__ not in _KNOWN:
        raise TypeError(f"a {type(value).__name__} cannot be read back; the codec must know it")
    if isinstance(value, StrEnum):
        return {"~": type(value).__name__, "value": value.value}
    if is_dataclass(value):
        return {"~": type(value).__name__} | {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {"~": "map", "items": [[key, _plain(item)] for key, item in value.items()]}
    if isinstance(value, tuple | list):
        return [_plain(item) for item in value]
    return value


def _value(plain: Any) -> Any:
    if isinstance(plain, list):
        return tuple(_value(item) for item in plain)
    if not isinstance(plain, dict):
        return plain
    kind = plain["~"]
    if kind == "map":
        return MappingProxyType({key: _value(item) for key, item in plain["items"]})
    if kind == "array":
        if plain["dtype"] not in _DTYPES:
            raise ValueError(f"an array of {plain['dtype']}")
        content = base64.b64decode(plain["base64"], validate=True)
        return np.frombuffer(content, plain["dtype"]).reshape(plain["shape"]).copy()
    known = _KNOWN[kind]
    if known in _ENUMS:
        return known(plain["value"])
    return known(**{name: _value(item) for name, item in plain.items() if name != "~"})
