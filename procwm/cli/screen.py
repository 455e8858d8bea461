"""A controller's facts as a screen of text, and as one line."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime

from rich.console import Console, Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from procwm.plant.front import Facts, Guardrail, Variable
from procwm.plant.tags import Interval, Role

_COLOURS = {
    "auto": "bold green",
    "shed": "bold red",
    "off": "dim",
    "shadow": "cyan",
    "advisory": "yellow",
    "test": "bold magenta",
}
_NEAR = 0.02
"""Of the range: a value this near to a limit is marked."""


def screen(facts: Facts, console: Console, *, lost: str = "") -> RenderableType:
    """The facts as they fit `console`: as many variables as there is room for, those in trouble first.

    Args:
        facts: of the newest cycle.
        console: its width and height count.
        lost: why there are no newer ones, or empty.
    """
    most = max(len(facts.variables), len(facts.guardrails), len(facts.alarms))
    least, most = 1, max(1, min(most, console.height))
    while least < most:
        rows = (least + most + 1) // 2
        fits = len(console.render_lines(_drawn(facts, rows, lost), pad=False)) <= console.height
        least, most = (rows, most) if fits else (least, rows - 1)
    return _drawn(facts, least, lost)


def line(facts: Facts) -> str:
    """One cycle in one line."""
    cvs = [
        f"{name} {_number(variable.value)} ({_target(variable)})"
        for name, variable in facts.variables.items()
        if variable.role is Role.CV
    ]
    mvs = [
        f"{name} {_number(variable.value)} -> {_number(variable.move)}"
        for name, variable in facts.variables.items()
        if variable.role is Role.MV
    ]
    parts = (_clock(facts), _mode(facts), ", ".join(cvs), ", ".join(mvs), facts.reason, *facts.alarms)
    return " | ".join(part for part in parts if part)


def _drawn(facts: Facts, rows: int, lost: str) -> Group:
    parts: list[RenderableType] = [_head(facts, lost)]
    for role, table in (
        (Role.CV, _cv_table),
        (Role.MV, _mv_table),
        (Role.PV, _cv_table),
        (Role.DV, _dv_table),
    ):
        known = {name: v for name, v in facts.variables.items() if v.role is role}
        if known:
            urgent = sorted(known, key=lambda name: not _trouble(known[name]))
            parts.append(table(role, {name: known[name] for name in urgent[:rows]}))
            parts += _more(len(known) - rows, f"{role}s")
    if facts.guardrails:
        worst = sorted(facts.guardrails, key=lambda name: -_orderly(facts.guardrails[name].worst))
        parts.append(_guard_table({name: facts.guardrails[name] for name in worst[:rows]}))
        parts += _more(len(worst) - rows, "guardrails")
    parts += [Text(f"! {text}", style="yellow") for text in facts.alarms[:rows]]
    parts += _more(len(facts.alarms) - rows, "alarms")
    figures = [
        f"{_words(name)} {_number(value)}" for name, value in facts.kpis.items() if _shown(name, value)
    ]
    parts.append(Text(" · ".join(figures), style="dim"))
    return Group(*parts)


def _head(facts: Facts, lost: str) -> Group:
    step = f"step {1e3 * facts.step_s:.0f} ms of {facts.interval_s:g} s" if facts.step_s > 0 else ""
    first = " · ".join(
        part for part in (facts.plant, _clock(facts), f"cycle {facts.heartbeat}", step) if part
    )
    mode = Text.assemble(
        (f" {facts.actual.upper()} ", f"{_COLOURS[facts.actual]} reverse"),
        "" if facts.actual == facts.requested else f" asked for: {facts.requested}",
        f" {facts.mode_reason}" if facts.mode_reason else "",
    )
    parts = [Text(first, style="bold"), mode]
    if facts.reason != facts.mode_reason:
        parts.append(Text(facts.reason))
    return Group(*parts, Text(f"NO CONNECTION: {lost}", style="bold red")) if lost else Group(*parts)


def _table(*columns: str) -> Table:
    table = Table(box=None, expand=True, padding=(0, 1, 0, 0), header_style="bold")
    for index, column in enumerate(columns):
        table.add_column(column, justify="left" if index < 2 else "right", overflow="fold")
    return table


def _cv_table(role: Role, known: Mapping[str, Variable]) -> Table:
    table = _table(role.value, "unit", "now", "target", "limits", "next", "end")
    for name, v in known.items():
        table.add_row(
            Text(name if v.on else f"{name} off"),
            Text(v.unit),
            _number(v.value),
            _target(v),
            _interval(v.limits),
            _number(v.prediction[0] if v.prediction else math.nan),
            _number(v.prediction[-1] if v.prediction else math.nan),
            style=_style(v),
        )
    return table


def _mv_table(role: Role, known: Mapping[str, Variable]) -> Table:
    table = _table(role.value, "unit", "now", "move to", "limits", "plan", "held")
    for name, v in known.items():
        table.add_row(
            Text(name if v.on else f"{name} off"),
            Text(v.unit),
            _number(v.value),
            _number(v.move),
            _interval(v.limits),
            _number(v.prediction[-1] if v.prediction else math.nan),
            Text(v.held or "-"),
            style=_style(v),
        )
    return table


def _dv_table(role: Role, known: Mapping[str, Variable]) -> Table:
    table = _table(role.value, "unit", "now", "range")
    for name, v in known.items():
        table.add_row(Text(name), Text(v.unit), _number(v.value), _interval(v.range))
    return table


def _guard_table(known: Mapping[str, Guardrail]) -> Table:
    table = _table("guardrail (safe <= 0)", "", "next", "worst")
    for name, guardrail in known.items():
        state = "-" if math.isnan(guardrail.worst) else "safe" if guardrail.worst <= 0.0 else "NOT SAFE"
        table.add_row(
            Text(name),
            state,
            _number(guardrail.prediction[0] if guardrail.prediction else math.nan),
            _number(guardrail.worst),
            style="bold red" if state == "NOT SAFE" else "",
        )
    return table


def _more(count: int, what: str) -> list[RenderableType]:
    return [Padding(Text(f"and {count} more {what}", style="dim"), (0, 0, 0, 2))] if count > 0 else []


def _trouble(v: Variable) -> bool:
    return bool(_style(v) or v.held or not v.on)


def _style(v: Variable) -> str:
    """Red where a limit is broken, yellow at a limit or without a measurement."""
    low, high = v.limits
    if math.isnan(v.value):
        return "yellow"
    if v.value < low or v.value > high:
        return "bold red"
    near = _NEAR * (v.range[1] - v.range[0])
    return "yellow" if v.value < low + near or v.value > high - near else ""


def _mode(facts: Facts) -> str:
    same = facts.actual == facts.requested
    return facts.actual if same else f"{facts.actual} (asked for: {facts.requested}; {facts.mode_reason})"


def _clock(facts: Facts) -> str:
    return datetime.fromtimestamp(facts.time_ns / 1e9, UTC).strftime("%H:%M:%SZ")


def _target(v: Variable) -> str:
    return _number(v.setpoint) if math.isfinite(v.setpoint) else _interval(v.zone)


def _interval(interval: Interval) -> str:
    low, high = interval
    # The spaces are where a narrow column breaks; within a number it would be another number.
    return "-" if math.isnan(low) and math.isnan(high) else f"{_number(low)} .. {_number(high)}"


def _number(value: float) -> str:
    return "-" if not math.isfinite(value) else f"{value:.4g}"


def _words(kpi: str) -> str:
    return kpi.replace("_", " ")


def _shown(kpi: str, value: float) -> bool:
    return math.isfinite(value) and "." not in kpi


def _orderly(worst: float) -> float:
    return -math.inf if math.isnan(worst) else worst
