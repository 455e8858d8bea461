"""Small panels in rows and columns, each with axes of its own."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float

from procwm.plant.tags import Interval
from procwm.report.figures import GREY, RED, axis, blank_layout, number
from procwm.report.page import Figure

_CELL_PX, _GAP_PX, _TOP_PX, _BOTTOM_PX = 130, 94, 52, 46
_LEAST_PX = 185
"""Width below which the title of a panel runs into that of its neighbour: the figure scrolls sideways."""
_MOST_LETTERS = 22


@dataclass(frozen=True, kw_only=True, eq=False)
class Curve:
    """Points of one panel: a line, dots or, with `until`, the area between two lines."""

    name: str
    x: Float[np.ndarray, " row"]
    y: Float[np.ndarray, " row"]
    colour: str
    until: Float[np.ndarray, " row"] | None = None
    dots: bool = False
    dash: str = "solid"


@dataclass(frozen=True, kw_only=True, eq=False)
class Cell:
    """One panel.

    Attributes:
        title, note: two lines above it.
        x_title: under its x axis.
        x_marks, y_marks: limits, drawn across it where they lie near the curves.
        zero: whether a line marks 0 on the y axis.
    """

    title: str
    note: str
    x_title: str
    curves: Sequence[Curve]
    x_marks: Interval | None = None
    y_marks: Interval | None = None
    zero: bool = False


def matrix_figure(cells: Sequence[Cell], columns: int, caption: str) -> Figure:
    """`cells` row by row, `columns` in each."""
    rows = -(-len(cells) // columns)
    drawable = rows * _CELL_PX + (rows - 1) * _GAP_PX
    layout = blank_layout(_TOP_PX + drawable + _BOTTOM_PX)
    layout["margin"]["t"] = _TOP_PX
    layout["hovermode"] = "closest"
    data: list[dict[str, Any]] = []
    drawn: set[str] = set()
    width = 1.0 / columns
    for place, cell in enumerate(cells):
        suffix = "" if place == 0 else str(place + 1)
        row, column = divmod(place, columns)
        top = 1.0 - row * (_CELL_PX + _GAP_PX) / drawable
        left, right = column * width, (column + 1) * width - (0.24 * width if column + 1 < columns else 0.0)
        domain = [max(top - _CELL_PX / drawable, 0.0), top]
        layout[f"xaxis{suffix}"] = axis(cell.x_title) | {
            "domain": [left, right], "anchor": f"y{suffix}", "nticks": 4, "automargin": False,
        }  # fmt: skip
        layout[f"yaxis{suffix}"] = axis() | {"domain": domain, "anchor": f"x{suffix}", "nticks": 4}
        layout["annotations"].append(_title(cell, left, top))
        layout["shapes"] += _marks(cell, suffix)
        for curve in cell.curves:
            data += _traces(curve, suffix, first=curve.name not in drawn)
            drawn.add(curve.name)
    return Figure(data=data, layout=layout, caption=caption, least_px=columns * _LEAST_PX)


def shortened(name: str) -> str:
    """A name that fits above a panel."""
    return name if len(name) <= _MOST_LETTERS else f"{name[: _MOST_LETTERS - 1]}…"


def _title(cell: Cell, left: float, top: float) -> dict[str, Any]:
    return {"text": f"<b>{cell.title}</b><br>{cell.note}", "xref": "paper", "x": left, "yref": "paper",
            "y": top, "xanchor": "left", "yanchor": "bottom", "align": "left", "showarrow": False,
            "font": {"size": 12}}  # fmt: skip


def _traces(curve: Curve, suffix: str, *, first: bool) -> list[dict[str, Any]]:
    shared = {
        "type": "scatter",
        "name": curve.name,
        "x": [number(value) for value in curve.x.tolist()],
        "xaxis": f"x{suffix}",
        "yaxis": f"y{suffix}",
    }
    own = [number(value) for value in curve.y.tolist()]
    if curve.until is None:
        line = {"color": curve.colour, "width": 2, "dash": curve.dash}
        marker = {"size": 4, "color": curve.colour, "opacity": 0.45}
        mode = "markers" if curve.dots else "lines"
        return [{**shared, "mode": mode, "line": line, "marker": marker, "y": own, "showlegend": first}]
    edge = {"mode": "lines", "line": {"color": curve.colour, "width": 0.5}}
    until = [number(value) for value in curve.until.tolist()]
    filled = {"fill": "tonexty", "fillcolor": "rgba(64,150,210,0.22)", "showlegend": first}
    return [{**shared, **edge, "y": own, "showlegend": False}, {**shared, **edge, **filled, "y": until}]


def _marks(cell: Cell, suffix: str) -> list[dict[str, Any]]:
    def across(way: str, at: float, colour: str, dash: str) -> dict[str, Any]:
        other = "y" if way == "x" else "x"
        return {"type": "line", f"{way}ref": f"{way}{suffix}", f"{other}ref": f"{other}{suffix} domain",
                f"{way}0": at, f"{way}1": at, f"{other}0": 0, f"{other}1": 1, "layer": "below",
                "line": {"color": colour, "width": 1.2, "dash": dash}}  # fmt: skip

    limits = [(way, at) for way, marks in (("x", cell.x_marks), ("y", cell.y_marks)) for at in marks or ()]
    found = [across(way, at, RED, "longdash") for way, at in limits]
    return [*found, across("y", 0.0, GREY, "solid")] if cell.zero else found
