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
from procwm.report.page_script import SCRIPT
from procwm.report.page_style import STYLE

_INERT = {ord(character): f"\\u{ord(character):04x}" for character in "<>&\u2028\u2029"}
"""Inside a script element `</` ends it and `<!--<script` hides its end, whatever the element's type."""


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A plotly figure as plain data, with its caption; narrower than `least_px` it scrolls sideways."""

    data: Sequence[dict[str, Any]]
    layout: dict[str, Any]
    caption: str
    least_px: int = 0


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
    """A whole report. `tiles` are (figure, what it is) pairs under the headline.

    `warning` is what whoever reads on has to know first; nothing where it is empty.
    """

    title: str
    kicker: str
    headline: str
    lead: str
    tiles: Sequence[tuple[str, str]]
    sections: Sequence[Section]
    warning: str = ""


def render(page: Page) -> str:
    """The page as one HTML document that needs nothing else."""
    counter = itertools.count(1)
    footer = f"Made by procwm {version('procwm')}. The file holds all its data and needs no network."
    tiles = "".join(f"<div class=tile><b>{_text(value)}</b><span>{_text(what)}</span></div>"
                    for value, what in page.tiles)  # fmt: skip
    strip = f"<div class=tiles>{tiles}</div>" if page.tiles else ""
    warning = f"<p class=warning role=note>{_text(page.warning)}</p>" if page.warning else ""
    sections = "\n".join(_section(section, counter) for section in page.sections)
    return (
        f"<!doctype html>\n<html lang=en>\n<head>\n<meta charset=utf-8>\n"
        f'<meta name=viewport content="width=device-width, initial-scale=1">\n'
        f"<title>{_text(page.title)}</title>\n<style>{STYLE}</style>\n"
        f"<script>{get_plotlyjs()}</script>\n</head>\n<body>\n<main>\n"
        f"<header><p class=kicker>{_text(page.kicker)}</p><h1>{_text(page.headline)}</h1>"
        f"<p class=lead>{_text(page.lead)}</p>{warning}</header>\n{strip}\n"
        f"{sections}\n<footer>{_text(footer)}</footer>\n</main>\n"
        f"<script>{SCRIPT}</script>\n</body>\n</html>\n"
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
        f"<figure><ul class=legend aria-label='what is drawn'></ul>"
        f"<div class=scroll><div class=chart id=figure-{number} style='min-width:{figure.least_px}px' "
        f"role=img aria-label='figure {number}'></div></div>"
        f"<script type=application/json id=figure-{number}-data>{data}</script>"
        f"<figcaption>{_text(figure.caption)}</figcaption></figure>"
    )


def _text(value: str) -> str:
    return html.escape(shown(value), quote=False)
