"""A controller's facts as values of OPC UA nodes, and back.

A node is named by its path, which is also its string id: `Heartbeat`, `Variables.TC101.PV.Value`,
`Guardrails.flooding.Worst`. Nodes whose name ends in `Request` take what an operator asks for.
"""

import math
import time
from collections.abc import Mapping
from typing import Any, NamedTuple

from asyncua import ua

from procwm.plant.front import MODES, NO_INTERVAL, Facts, Guardrail, Variable
from procwm.plant.tags import Interval, Role
from procwm.plant.texts import shown
from procwm_adapters.opcua.wire.analog_items import RANGE, UNIT
from procwm_adapters.opcua.wire.values import nanoseconds, opcua_time

NAMESPACE = "urn:procwm:controller"
ROOT = "Controller"
HEARTBEAT = "Heartbeat"
MODE_REQUEST = "Mode.Request"
VARIABLES, GUARDRAILS, KPIS = "Variables", "Guardrails", "Kpis"
SETPOINT, LOW, HIGH, ON = "SetpointRequest", "LimitLowRequest", "LimitHighRequest", "OnRequest"
REQUESTS = (SETPOINT, LOW, HIGH, ON)
VALUE = "Value"


class Held(NamedTuple):
    """What a node holds: far cheaper than a `Variant`, of which one is made only for what has changed."""

    kind: Any
    value: Any

    @property
    def variant(self) -> Any:
        """The same for the library."""
        return ua.Variant(self.value, self.kind, is_array=isinstance(self.value, list))


def holdings(facts: Facts) -> dict[str, Held | None]:
    """What every node holds, by path; `None` for a number that there is none of. Heartbeat is last."""
    found: dict[str, Held | None] = {
        "Plant": _text(facts.plant),
        "Interval": _number(facts.interval_s),
        "Time": Held(ua.VariantType.DateTime, opcua_time(facts.time_ns)),
        MODE_REQUEST: _mode(facts.requested),
        "Mode.Actual": _mode(facts.actual),
        "Mode.Reason": _text(facts.mode_reason),
        "Reason": _text(facts.reason),
        "StepTime": _number(facts.step_s),
        "Alarms": Held(ua.VariantType.String, list(facts.alarms)),
    }
    found |= {f"{KPIS}.{name}": _number(value) for name, value in facts.kpis.items()}
    for name, variable in facts.variables.items():
        found |= {f"{VARIABLES}.{name}.{path}": held for path, held in _of_variable(variable).items()}
    for name, guardrail in facts.guardrails.items():
        found[f"{GUARDRAILS}.{name}.Worst"] = _number(guardrail.worst)
        found[f"{GUARDRAILS}.{name}.Prediction"] = _numbers(guardrail.prediction)
    # Whoever sees a new heartbeat finds everything else of that cycle.
    found[HEARTBEAT] = Held(ua.VariantType.UInt32, facts.heartbeat)
    return found


def _mode(mode: str) -> Held:
    return Held(ua.VariantType.UInt32, MODES.index(mode))


def _of_variable(variable: Variable) -> dict[str, Held | None]:
    found: dict[str, Held | None] = {"Role": _text(variable.role.value), VALUE: _number(variable.value)}
    if variable.role is Role.CV:
        found |= {"Setpoint": _number(variable.setpoint), SETPOINT: _number(variable.asked_setpoint)}
        found |= {"ZoneLow": _number(variable.zone[0]), "ZoneHigh": _number(variable.zone[1])}
    if variable.role in (Role.CV, Role.MV):
        found |= {"On": _flag(variable.on), ON: _flag(variable.asked_on)}
    if variable.role is Role.MV:
        found |= {"Move": _number(variable.move), "Held": _text(variable.held)}
    if variable.role in (Role.CV, Role.MV) or math.isfinite(variable.limits[0]):
        found |= {"LimitLow": _number(variable.limits[0]), "LimitHigh": _number(variable.limits[1])}
        found |= {LOW: _number(variable.asked_limits[0]), HIGH: _number(variable.asked_limits[1])}
        found["Prediction"] = _numbers(variable.prediction)
    if variable.forecast is not None:
        found["Forecast"] = _numbers(variable.forecast)
    return found


def facts_of(values: Mapping[str, Any]) -> Facts:
    """The facts that nodes with these values (by path, `None` where there is none) tell."""
    values = {shown(path): _plain(held) for path, held in values.items()}
    parts = {group: _grouped(values, group) for group in (VARIABLES, GUARDRAILS)}
    kpis = {path.partition(".")[2]: _float(held) for path, held in values.items() if path.startswith(KPIS)}
    return Facts(
        plant=values["Plant"],
        interval_s=values["Interval"],
        time_ns=nanoseconds(values["Time"]) or time.time_ns(),
        heartbeat=values[HEARTBEAT],
        requested=MODES[values[MODE_REQUEST]],
        actual=MODES[values["Mode.Actual"]],
        mode_reason=values["Mode.Reason"],
        reason=values["Reason"],
        alarms=tuple(values["Alarms"] or ()),
        step_s=_float(values["StepTime"]),
        kpis=kpis,
        variables={name: _variable(held) for name, held in parts[VARIABLES].items()},
        guardrails={
            name: Guardrail(worst=_float(held["Worst"]), prediction=tuple(held["Prediction"] or ()))
            for name, held in parts[GUARDRAILS].items()
        },
    )


def _plain(held: Any) -> Any:
    """A value of a server, its texts without anything that commands a screen."""
    if isinstance(held, list):
        return [_plain(item) for item in held]
    return shown(held) if isinstance(held, str) else held


def _grouped(values: Mapping[str, Any], group: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for path, held in values.items():
        kind, _, rest = path.partition(".")
        if kind == group:
            for label in (UNIT, RANGE):
                # The id of a property ends in that of its variable and its own name.
                rest = rest.replace(f".{VALUE}.{label}", f".{label}")
            name, _, label = rest.rpartition(".")
            found.setdefault(name, {})[label] = held
    return found


def _variable(held: Mapping[str, Any]) -> Variable:
    span, unit = held.get(RANGE), held.get(UNIT)
    return Variable(
        role=Role(held["Role"]),
        unit=getattr(getattr(unit, "DisplayName", None), "Text", None) or "",
        range=NO_INTERVAL if span is None else (span.Low, span.High),
        value=_float(held[VALUE]),
        setpoint=_float(held.get("Setpoint")),
        zone=_interval(held, "ZoneLow", "ZoneHigh"),
        limits=_interval(held, "LimitLow", "LimitHigh"),
        move=_float(held.get("Move")),
        prediction=tuple(held.get("Prediction") or ()),
        on=held.get("On", True),
        held=held.get("Held", ""),
        forecast=tuple(held["Forecast"] or ()) if "Forecast" in held else None,
        asked_setpoint=_float(held.get(SETPOINT)),
        asked_limits=_interval(held, LOW, HIGH),
        asked_on=held.get(ON, True),
    )


def _interval(held: Mapping[str, Any], low: str, high: str) -> Interval:
    return _float(held.get(low)), _float(held.get(high))


def _float(value: Any) -> float:
    return math.nan if value is None else float(value)


def _text(value: str) -> Held:
    return Held(ua.VariantType.String, value)


def _flag(value: bool) -> Held:
    return Held(ua.VariantType.Boolean, value)


def _number(value: float) -> Held | None:
    return Held(ua.VariantType.Double, value) if math.isfinite(value) else None


def _numbers(values: tuple[float, ...]) -> Held:
    return Held(ua.VariantType.Double, list(values))
