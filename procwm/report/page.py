"""One HTML page with everything inside it: text, tables, and figures drawn by an inlined script."""

import html
import itertools
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

from plotly.offline import get_plotlyjs

from procwm.plant.texts import shown

_STYLE = """
:root { --ink: #1a2026; --soft: #5b6670; --line: #dde2e6; --tint: #f4f6f8; }
* { box-sizing: border-box; }
html { color-scheme: light; }
body { margin: 0; background: #fff; color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", Roboto,
  "Helvetica Neue", Arial, sans-serif; }
main { max-width: 1040px; margin: 0 auto; padding: 36px 28px 56px; }
header { border-bottom: 2px solid var(--ink); padding-bottom: 18px; }
.kicker { color: var(--soft); font-size: 14px; margin: 0 0 4px; }
h1 { font-size: 27px; line-height: 1.25; margin: 0 0 10px; letter-spacing: -0.01em; text-wrap: balance; }
.lead { margin: 0; max-width: 76ch; }
h2 { font-size: 20px; margin: 40px 0 4px; }
p { margin: 6px 0; max-width: 82ch; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(150px, 1fr)); gap: 1px;
  margin: 22px 0 0; background: var(--line); border: 1px solid var(--line); }
.tile { background: #fff; padding: 12px 14px; }
.tile b { display: block; font-size: 24px; line-height: 1.2; font-variant-numeric: tabular-nums; }
.tile span { color: var(--soft); font-size: 13px; line-height: 1.3; display: block; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin: 12px 0; font-size: 14.5px; font-variant-numeric: tabular-nums;
  width: 100%; }
th, td { text-align: right; padding: 6px 10px; border-bottom: 1px solid var(--line); white-space: nowrap; }
th { font-weight: 600; color: var(--soft); border-bottom: 1px solid var(--ink); vertical-align: bottom; }
th:first-child, td:first-child { text-align: left; }
td.text, th.text { text-align: left; white-space: normal; }
tr.own td { font-weight: 650; background: var(--tint); }
figure { margin: 10px 0 0; }
figcaption { color: var(--soft); font-size: 14px; max-width: 92ch; margin-top: 2px; }
.chart { width: 100%; }
ul { margin: 6px 0; padding-left: 20px; max-width: 82ch; }
footer { margin-top: 44px; border-top: 1px solid var(--line); padding-top: 12px; color: var(--soft);
  font-size: 13px; }
@page { size: A4; margin: 14mm 13mm; }
@media print {
  body { font-size: 10.5pt; }
  main { max-width: none; padding: 0; }
  h1 { font-size: 17pt; }
  h2 { font-size: 13pt; margin-top: 20pt; break-after: avoid; }
  section > p { break-after: avoid; }
  figure, table, .tiles { break-inside: avoid; }
  figcaption, table { font-size: 9pt; }
  figcaption { max-width: none; }
  th, td { padding: 4px 6px; }
  .tiles { grid-auto-flow: column; grid-auto-columns: 1fr; grid-template-columns: none; }
  .tile { padding: 6px 8px; }
  .tile b { font-size: 14pt; }
  .tile span { font-size: 8.5pt; }
  .scroll { overflow: visible; }
  th { white-space: normal; }
  .modebar { display: none !important; }
  * { -webkit-print-color-adjust: exact; print-color-adjust: exact; }
}
"""

_SCRIPT = """
const charts = [...document.querySelectorAll('.chart')];
const heights = new Map();
for (const chart of charts) {
  const {data, layout} = JSON.parse(document.getElementById(chart.id + '-data').textContent);
  heights.set(chart, layout.height);
  Plotly.newPlot(chart, data, layout, {responsive: true, displaylogo: false,
    modeBarButtonsToRemove: ['select2d', 'lasso2d', 'autoScale2d'],
    toImageButtonOptions: {format: 'svg', filename: chart.id}});
}
// On paper: as wide as an A4 page between its margins, and low enough for two figures a page.
const fit = (size, share) =>
  charts.forEach(chart => Plotly.relayout(chart, {...size, height: share * heights.get(chart)}));
addEventListener('beforeprint', () => fit({width: 690, autosize: false, 'font.size': 11}, 0.8));
addEventListener('afterprint', () => fit({width: null, autosize: true, 'font.size': 12.5}, 1));
"""


_INERT = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}
"""Inside a script element `</` ends it and `<!--<script` hides its end, whatever the element's type."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A plotly figure as plain data, with its caption."""

    data: Sequence[dict[str, Any]]
    layout: dict[str, Any]
    caption: str


@dataclass(frozen=True, kw_only=True)
class PageTable:
    """Rows of text; the first column, and those in `text_columns`, read as words, the rest as numbers."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    own_row: int | None = None
    text_columns: Sequence[int] = ()


@dataclass(frozen=True, kw_only=True)
class Section:
    """A heading with paragraphs, then bullets, tables and figures, in that order."""

    heading: str
    paragraphs: Sequence[str] = ()
    bullets: Sequence[str] = ()
    tables: Sequence[PageTable] = ()
    figures: Sequence[Figure] = ()


@dataclass(frozen=True, kw_only=True)
class Page:
    """A whole report. `tiles` are (figure, what it is) pairs under the headline."""

    title: str
    kicker: str
    headline: str
    lead: str
    tiles: Sequence[tuple[str, str]]
    sections: Sequence[Section]


def render(page: Page) -> str:
    """The page as one HTML document that needs nothing else."""
    counter = itertools.count(1)
    footer = f"Made by procwm {version('procwm')}. The file holds all its data and needs no network."
    tiles = "".join(f"<div class=tile><b>{_text(value)}</b><span>{_text(what)}</span></div>"
                    for value, what in page.tiles)  # fmt: skip
    sections = "\n".join(_section(section, counter) for section in page.sections)
    return (
        f"<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n"
        f'<meta name=viewport content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(page.title)}</title>\n<style>{_STYLE}</style>\n"
        f"<script>{get_plotlyjs()}</script>\n</head>\n<body>\n<main>\n"
        f"<header><p class=kicker>{_text(page.kicker)}</p><h1>{_text(page.headline)}</h1>"
        f"<p class=lead>{_text(page.lead)}</p></header>\n<div class=tiles>{tiles}</div>\n"
        f"{sections}\n<footer>{_text(footer)}</footer>\n</main>\n"
        f"<script>{_SCRIPT}</script>\n</body>\n</html>\n"
    )


def _section(section: Section, counter: Iterator[int]) -> str:
    parts = [f"<h2>{_text(section.heading)}</h2>"]
    parts += [f"<p>{_text(paragraph)}</p>" for paragraph in section.paragraphs]
    if section.bullets:
        parts.append("<ul>" + "".join(f"<li>{_text(item)}</li>" for item in section.bullets) + "</ul>")
    parts += [_table(table) for table in section.tables]
    parts += [_figure(figure, next(counter)) for figure in section.figures]
    return "<section>" + "\n".join(parts) + "</section>"


def _table(table: PageTable) -> str:
    kind = dict.fromkeys(table.text_columns, " class=text")
    head = "".join(f"<th{kind.get(i, '')}>{_text(name)}</th>" for i, name in enumerate(table.columns))
    body = "".join(
        f"<tr{' class=own' if number == table.own_row else ''}>"
        + "".join(f"<td{kind.get(i, '')}>{_text(cell)}</td>" for i, cell in enumerate(row))
        + "</tr>"
        for number, row in enumerate(table.rows)
    )
    return f"<div class=scroll><table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table></div>"


def _figure(figure: Figure, number: int) -> str:
    data = json.dumps({"data": figure.data, "layout": figure.layout}, allow_nan=False).translate(_INERT)
    return (
        f"<figure><div class=chart id=figure-{number}></div>"
        f"<script type=application/json id=figure-{number}-data>{data}</script>"
        f"<figcaption>{_text(figure.caption)}</figcaption></figure>"
    )


def _text(value: str) -> str:
    return html.escape(shown(value), quote=False)
