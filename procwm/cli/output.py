"""What the commands say: progress on a terminal only, and results as text or as one JSON object."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import typer
from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from rich.text import Text

from procwm.data.files import finite
from procwm.plant.texts import shown

Advance = Callable[[float, str], None]
"""Told how much of the work is done (0 to 1) and what is being done."""


def say(sentence: str, *, err: bool = False) -> None:
    """One line, on stdout or stderr; nothing in it commands the terminal, wherever its words come from."""
    typer.echo(shown(sentence), err=err)


@contextmanager
def progress(what: str, *, quiet: bool = False) -> Iterator[Advance]:
    """A bar on stderr where that is a terminal; nothing at all in a pipe."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.percentage:3.0f} %"),
        TimeElapsedColumn(),
        console=console,
        disable=quiet or not console.is_terminal,
        transient=True,
    )
    with bar:
        task = bar.add_task(shown(what), total=1.0)

        def advance(done: float, text: str) -> None:
            bar.update(task, completed=done, description=shown(text or what))

        yield advance


def emit_json(result: Mapping[str, Any]) -> None:
    """One JSON object on stdout; numbers that JSON cannot hold become null."""
    typer.echo(json.dumps(finite(result), indent=2))


def emit_table(columns: Sequence[str], rows: Sequence[Sequence[str]], *, title: str | None = None) -> None:
    """A table on stdout, as wide as its text where stdout is no terminal."""
    console = Console()
    if not console.is_terminal:
        console = Console(width=1000)
    table = Table(title=title, title_justify="left")
    for index, column in enumerate(columns):
        table.add_column(Text(shown(column)), justify="left" if index == 0 else "right", overflow="fold")
    for row in rows:
        table.add_row(*(Text(shown(cell)) for cell in row))
    console.print(table)
