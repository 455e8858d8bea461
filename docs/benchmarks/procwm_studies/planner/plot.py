"""How planning time grows with the horizon and with the count of MVs, as one self-contained page."""

from collections.abc import Callable, Sequence

import plotly.graph_objects as go
from plotly.subplots import make_subplots

from procwm_studies.results import Row


def growth_page(rows: Sequence[Row]) -> str:
    """An HTML page with both plots; it needs no network."""
    plain = [row for row in rows if row["hidden"] == 64 and not row["curved"]]
    figure = make_subplots(
        rows=1,
        cols=2,
        subplot_titles=("3 MVs, 5 CVs: growth with the horizon", "20 intervals: growth with the MVs"),
    )
    _lines(
        figure, 1, [row for row in plain if (row["n_mv"], row["n_cv"]) == (3, 5)], lambda row: row["horizon"]
    )
    _lines(figure, 2, [row for row in plain if row["horizon"] == 20], lambda row: row["n_mv"])
    figure.update_yaxes(type="log", title="median ms")
    figure.update_xaxes(title="intervals", row=1, col=1)
    figure.update_xaxes(title="MVs", row=1, col=2)
    figure.update_layout(title="Time for one plan", template="plotly_white", height=480)
    page: str = figure.to_html(full_html=True, include_plotlyjs=True)
    return page


def _lines(figure: go.Figure, column: int, rows: Sequence[Row], along: Callable[[Row], int]) -> None:
    for colour, solver in zip(("#1f77b4", "#d62728", "#7f7f7f"), ("procwm", "ipopt", "do_mpc"), strict=True):
        own = sorted((along(row), row["ms_median"]) for row in rows if row["solver"] == solver)
        figure.add_trace(
            go.Scatter(
                x=[place for place, _ in own],
                y=[ms for _, ms in own],
                name=solver,
                legendgroup=solver,
                showlegend=column == 1,
                mode="lines+markers",
                line={"color": colour},
            ),
            row=1,
            col=column,
        )
