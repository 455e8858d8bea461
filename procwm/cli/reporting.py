"""The command `report`: a model's folder as a page."""

from pathlib import Path
from typing import Annotated

import typer

from procwm.cli.output import say
from procwm.data.files import write_text


def register(app: typer.Typer) -> None:
    """Add the command of this module to `app`."""
    app.command()(report)


def report(
    folder: Annotated[Path, typer.Argument(metavar="MODEL", help="Folder of a model.")],
    out: Annotated[
        Path | None, typer.Option(help="HTML file; beside the folder, with its name, without it.")
    ] = None,
) -> None:
    """Show a model as one HTML file: what MVs do in it, how well it foresees, what it is fit for."""
    from procwm.report import model_page
    from procwm.world.storage.model_files import load_model

    target = out or folder.with_name(f"{folder.resolve().name}.html")
    write_text(target, model_page(load_model(folder)))
    say(f"{target}")
