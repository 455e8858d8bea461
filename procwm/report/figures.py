"""Figures as plain plotly data: stacked panels over one time axis, and curves over the horizon.

Colours are Okabe and Ito's palette (https://jfly.uni-koeln.de/color/), told apart by colour-blind
readers, and lines that matter differ in width or dash as well, so that a grey print still reads.
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from procwm.plant.tags import Interval, Role, Tag
from procwm.report.content import Event
from procwm.report.page import Figure, PageTable
from procwm.report.thinning import thinned
from procwm.report.words import MODELS
from procwm.report.words import figure as shown

BLUE, ORANGE, GREEN, PURPLE, SKY, RED = "#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00"
INK, GREY, PALE, GRID, WHITE = "#1a2026", "#7b858e", "#c3cad0", "#e9edf0", "#ffffff"

MOST_POINTS = 3000
"""Longer lines are thinned for the page, and keep their extremes: a screen has fewer columns than that."""

_PANEL_PX, _GAP_PX, _TOP_PX, _BOTTOM_PX = 176, 46, 44, 46
"""Above a panel there is room for a title of two lines, which it takes on a telephone."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Line:
    """One curve. `held` draws each value over the interval that ended at its time, `dots` none between.

    Of lower `rank` come first in the legend; later ones of a panel are drawn on top.
    """

    name: str
    time_ns: Int[np.ndarray, " row"]
    value: Float[np.ndarray, " row"]
    colour: str = BLUE
    width: float = 1.6
    dash: str = "solid"
    held: bool = False
    dots: bool = False
    hidden: bool = False
    rank: int = 2


@dataclass(frozen=True, kw_only=True, eq=False)
class Panel:
    """One y axis: its curves, and limits to draw where they lie near the curves.

    `title` and `unit` stand above it, and `note` after them in smaller words.
    """

    title: str
    unit: str
    lines: Sequence[Line]
    limits: Interval | None = None
    zone: Interval | None = None
    unsafe_above: float | None = None
    at_least: Sequence[float] = ()
    note: str = ""


def tag_panel(tag: Tag, lines: Sequence[Line]) -> Panel:
    """Curves of a tag under its name, role, unit and limits."""
    notes = [f"limits {tag.limits[0]:g} to {tag.limits[1]:g}"] if tag.limits else []
    if tag.max_move:
        notes.append(f"largest move {tag.max_move:g}")
    return Panel(
        title=f"{tag.name} ({tag.role})",
        unit=tag.unit,
        lines=lines,
        limits=tag.bounds if tag.role is Role.MV else tag.limits,
        zone=tag.zone,
        note=", ".join(notes),
    )


def time_figure(
    panels: Sequence[Panel],
    caption: str,
    events: Sequence[Event] = (),
    *,
    span_ns: tuple[int, int] | None = None,
) -> Figure:
    """Panels under one another on one time axis; one legend entry for every name.

    Args:
        panels: from the top down.
        caption: one or two sentences under the figure.
        events: marked on the time axis.
        span_ns: the stretch of time to show; all of it where `None`.
    """
    count = len(panels)
    drawable = count * _PANEL_PX + (count - 1) * _GAP_PX
    data: list[dict[str, Any]] = []
    layout = blank_layout(_TOP_PX + drawable + _BOTTOM_PX)
    layout["xaxis"] = axis("time (UTC)") | {"type": "date", "anchor": f"y{count if count > 1 else ''}"}
    if span_ns:
        layout["xaxis"]["range"] = [span_ns[0] // 1_000_000, span_ns[1] // 1_000_000]
    seen: set[str] = set()
    for number, panel in enumerate(panels, start=1):
        suffix = "" if number == 1 else str(number)
        top = 1.0 - (number - 1) * (_PANEL_PX + _GAP_PX) / drawable
        bottom = max(top - _PANEL_PX / drawable, 0.0)
        low, high = _extent(panel)
        layout[f"yaxis{suffix}"] = axis() | {"domain": [bottom, top], "range": [low, high]}
        layout["annotations"].append(panel_title(panel, top))
        layout["shapes"] += _marks(panel, f"y{suffix}", low, high)
        for line in panel.lines:
            data.append(_trace(line, f"y{suffix}", first=line.name not in seen))
            seen.add(line.name)
    for event in events:
        layout["shapes"].append(_vertical(event.time_ns))
        layout["annotations"].append(_event_text(event))
    return Figure(data=data, layout=layout, caption=caption)


def score_figure(scores: Mapping[str, Mapping[str, float]], where: str) -> tuple[PageTable, Figure]:
    """nRMSE by model and horizon, as a table and as curves.

    Args:
        scores: as in `summary.json`: `nrmse` is procwm's own.
        where: what it was measured on, in words.
    """
    curves = {
        MODELS[name]: {int(step): float(value) for step, value in scores[name].items() if value is not None}
        for name in ("nrmse", "linear", "persistence")
        if scores.get(name)
    }
    steps = sorted({step for curve in curves.values() for step in curve})
    rows = [[name, *(shown(curve.get(step)) for step in steps)] for name, curve in curves.items()]
    layout = blank_layout(300)
    layout["xaxis"] = axis("prediction horizon (control intervals)")
    if len(steps) < 12:
        layout["xaxis"]["tickvals"] = steps
    layout["yaxis"] = axis() | {"rangemode": "tozero"}
    layout["annotations"].append(panel_title(Panel(title="nRMSE", unit="", lines=()), 1.0))
    styles = ((BLUE, "solid", "circle"), (GREEN, "dash", "square"), (GREY, "dot", "diamond"))
    data = [
        {
            "type": "scatter",
            "mode": "lines+markers",
            "name": name,
            "x": sorted(curve),
            "y": [number(curve[step]) for step in sorted(curve)],
            "line": {"color": colour, "width": 2, "dash": dash},
            "marker": {"size": 7, "symbol": symbol},
        }
        for (name, curve), (colour, dash, symbol) in zip(curves.items(), styles, strict=False)
    ]
    caption = (
        f"Root mean squared prediction error of the CVs {where}, relative to their standard deviation there: "
        "0 is perfect, 1 is as good as knowing the mean."
    )
    table = PageTable(columns=["nRMSE", *(f"{step} ahead" for step in steps)], rows=rows, own_row=0)
    return table, Figure(data=data, layout=layout, caption=caption)


def joined(
    pieces: Iterable[tuple[Int[np.ndarray, " row"], Float[np.ndarray, " row"]]],
) -> tuple[Int[np.ndarray, " all"], Float[np.ndarray, " all"]]:
    """Separate stretches as one line, broken by NaN between them."""
    times: list[Any] = []
    values: list[Any] = []
    for time_ns, value in pieces:
        times += [time_ns, time_ns[-1:]]
        values += [value, np.array([math.nan])]
    if not times:
        return np.zeros(0, dtype=np.int64), np.zeros(0)
    return np.concatenate(times), np.concatenate(values)


def number(value: float) -> float | None:
    """Five significant digits, or `None` (a break in the line) where it is not finite."""
    return float(f"{value:.5g}") if math.isfinite(value) else None


def blank_layout(height: int) -> dict[str, Any]:
    """What all figures have in common; the page draws the legend, above."""
    return {
        "height": height,
        "margin": {"l": 46, "r": 40, "t": _TOP_PX, "b": _BOTTOM_PX},
        "showlegend": False,
        # In the margin: in a row at the top they would lie on a title.
        "modebar": {"orientation": "v", "bgcolor": "rgba(0,0,0,0)", "color": PALE, "activecolor": GREY},
        "font": {"family": "system-ui, Segoe UI, Roboto, Arial, sans-serif", "size": 12.5, "color": INK},
        "paper_bgcolor": WHITE,
        "plot_bgcolor": WHITE,
        "hovermode": "x",
        "hoverlabel": {"namelength": -1},
        "shapes": [],
        "annotations": [],
    }


def axis(title: str = "") -> dict[str, Any]:
    """One axis; the margin grows where numbers are long."""
    return {
        "title": {"text": title, "standoff": 8},
        "gridcolor": GRID,
        "linecolor": PALE,
        "zeroline": False,
        "ticks": "outside",
        "tickcolor": PALE,
        "automargin": True,
        "nticks": 6,
    }


def _extent(panel: Panel) -> Interval:
    """Range of the y axis: the curves, and limits no further away than half their extent."""
    values = np.concatenate([line.value[np.isfinite(line.value)] for line in panel.lines])
    values = np.append(values, panel.at_least)
    low, high = (float(values.min()), float(values.max())) if values.size else (0.0, 1.0)
    reach = max(high - low, 1e-9) * 0.5
    near = [mark for mark in panel.limits or () if low - reach <= mark <= high + reach]
    low, high = min([low, *near]), max([high, *near])
    pad = 0.07 * (high - low) or 0.5
    return low - pad, high + pad


def _trace(line: Line, axis: str, *, first: bool) -> dict[str, Any]:
    kept = thinned(line.value, MOST_POINTS)
    time_ms = line.time_ns[kept] // 1_000_000
    trace: dict[str, Any] = {
        "type": "scatter",
        "mode": "markers" if line.dots else "lines",
        "name": line.name,
        "legendgroup": line.name,
        "showlegend": first,
        "legendrank": line.rank,
        "x": time_ms.tolist(),
        "y": [number(value) for value in line.value[kept].tolist()],
        "yaxis": axis,
        "line": {"color": line.colour, "width": line.width, "dash": line.dash,
                 "shape": "vh" if line.held else "linear"},
        "connectgaps": False,
        "marker": {"size": 4.5, "color": line.colour},
    }  # fmt: skip
    if line.hidden:
        trace["visible"] = "legendonly"
    return trace


def _marks(panel: Panel, axis: str, low: float, high: float) -> list[dict[str, Any]]:
    shapes = [
        {"type": "line", "xref": "paper", "x0": 0, "x1": 1, "yref": axis, "y0": mark, "y1": mark,
         "line": {"color": RED, "width": 1.4, "dash": "longdash"}}
        for mark in panel.limits or ()
        if low < mark < high
    ]  # fmt: skip
    if panel.zone:
        shapes.append(_band(axis, panel.zone[0], panel.zone[1], "rgba(0,158,115,0.12)"))
    if panel.unsafe_above is not None:
        shapes.append(_band(axis, panel.unsafe_above, max(high, panel.unsafe_above), "rgba(213,94,0,0.13)"))
    return shapes


def _band(axis: str, low: float, high: float, colour: str) -> dict[str, Any]:
    return {"type": "rect", "xref": "paper", "x0": 0, "x1": 1, "yref": axis, "y0": low, "y1": high,
            "fillcolor": colour, "line": {"width": 0}, "layer": "below"}  # fmt: skip


def panel_title(panel: Panel, top: float, left: float = 0.0) -> dict[str, Any]:
    """What stands above a panel; on a telephone the page breaks it after the bold part."""
    text = f"<b>{panel.title}{', ' if panel.unit else ''}{panel.unit}</b> {panel.note}".rstrip()
    return {"text": text, "xref": "paper", "x": left, "yref": "paper", "y": top, "xanchor": "left",
            "yanchor": "bottom", "align": "left", "showarrow": False, "font": {"size": 12.5}}  # fmt: skip


def _vertical(time_ns: int) -> dict[str, Any]:
    time_ms = time_ns // 1_000_000
    return {"type": "line", "xref": "x", "x0": time_ms, "x1": time_ms, "yref": "paper", "y0": 0, "y1": 1,
            "line": {"color": GREY, "width": 1, "dash": "dot"}, "layer": "below"}  # fmt: skip


def _event_text(event: Event) -> dict[str, Any]:
    return {"text": event.text, "xref": "x", "x": event.time_ns // 1_000_000, "yref": "paper", "y": 1,
            "xanchor": "left", "yanchor": "top", "showarrow": False, "align": "left",
            "font": {"size": 11.5, "color": GREY}}  # fmt: skip
