"""A controller's facts as values of OPC UA nodes, and back.

A node is named by its path, which is also its string id: `Heartbeat`, `Variables.TC101.PV.Value`,
`Guardrails.flooding.Worst`. Nodes whose name ends in `Request` take what an operator asks for.
"""

import math
import time
from collections.abc import Mapping
from typing import Any

from asyncua import ua

from procwm.plant.front import MODES, NO_INTERVAL, Facts, Guardrail, Variable
from procwm.plant.tags import Interval, Role
from procwm_adapters.opcua_analog import RANGE, UNIT
from procwm_adapters.opcua_values import nanoseconds, opcua_time

NAMESPACE = "urn:procwm:controller"
ROOT = "Controller"
HEARTBEAT = "Heartbeat"
MODE_REQUEST = "Mode.Request"
VARIABLES, GUARDRAILS, KPIS = "Variables", "Guardrails", "Kpis"
SETPOINT, LOW, HIGH, ON = "SetpointRequest", "LimitLowRequest", "LimitHighRequest", "OnRequest"
REQUESTS = (SETPOINT, LOW, HIGH, ON)
VALUE = "Value"


def variants(facts: Facts) -> dict[str, Any]:
    """The `Variant` of every node, by path; `None` for a number that there is none of. Heartbeat is last."""
    found = {
        "Plant": _text(facts.plant),
        "Interval": _number(facts.interval_s),
        "Time": ua.Variant(opcua_time(facts.time_ns), ua.VariantType.DateTime),
        MODE_REQUEST: mode_variant(facts.requested),
        "Mode.Actual": mode_variant(facts.actual),
        "Mode.Reason": _text(facts.mode_reason),
        "Reason": _text(facts.reason),
        "StepTime": _number(facts.step_s),
        "Alarms": ua.Variant(list(facts.alarms), ua.VariantType.String, is_array=True),
    }
    found |= {f"{KPIS}.{name}": _number(value) for name, value in facts.kpis.items()}
    for name, variable in facts.variables.items():
        found |= {f"{VARIABLES}.{name}.{path}": held for path, held in _of_variable(variable).items()}
    for name, guardrail in facts.guardrails.items():
        found[f"{GUARDRAILS}.{name}.Worst"] = _number(guardrail.worst)
        found[f"{GUARDRAILS}.{name}.Prediction"] = _numbers(guardrail.prediction)
    # Whoever sees a new heartbeat finds everything else of that cycle.
    found[HEARTBEAT] = ua.Variant(facts.heartbeat, ua.VariantType.UInt32)
    return found


def mode_variant(mode: str) -> Any:
    """A mode as the number that stands for it."""
    return ua.Variant(MODES.index(mode), ua.VariantType.UInt32)


def _of_variable(variable: Variable) -> dict[str, Any]:
    found = {"Role": _text(variable.role.value), VALUE: _number(variable.value)}
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
    return found


def facts_of(values: Mapping[str, Any]) -> Facts:
    """The facts that nodes with these values (by path, `None` where there is none) tell."""
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
        asked_setpoint=_float(held.get(SETPOINT)),
        asked_limits=_interval(held, LOW, HIGH),
        asked_on=held.get(ON, True),
    )


def _interval(held: Mapping[str, Any], low: str, high: str) -> Interval:
    return _float(held.get(low)), _float(held.get(high))


def _float(value: Any) -> float:
    return math.nan if value is None else float(value)


def _text(value: str) -> Any:
    return ua.Variant(value, ua.VariantType.String)


def _flag(value: bool) -> Any:
    return ua.Variant(value, ua.VariantType.Boolean)


def _number(value: float) -> Any:
    return ua.Variant(value, ua.VariantType.Double) if math.isfinite(value) else None


def _numbers(values: tuple[float, ...]) -> Any:
    return ua.Variant(list(values), ua.VariantType.Double, is_array=True)
