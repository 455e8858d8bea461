"""The command `report`: the folder of a model or of a run as a page."""

from pathlib import Path
from typing import Annotated

import typer

from procwm.cli.output import say
from procwm.data.files import write_text
from procwm.plant.plantfile.specfile import load_plant


def register(app: typer.Typer) -> None:
    """Add the command of this module to `app`."""
    app.command()(report)


def report(
    folder: Annotated[Path, typer.Argument(metavar="FOLDER", help="Of a model, or of a run.")],
    out: Annotated[
        Path | None, typer.Option(help="HTML file; beside the folder, with its name, without it.")
    ] = None,
    plant_file: Annotated[
        Path | None, typer.Option("--plant", help="Plant file of a run that kept none.")
    ] = None,
) -> None:
    """Show a model or a run as one HTML file.

    Of a model: what MVs do in it, how well it foresees, where its log was, what it is fit for. Of a run:
    trends, modes, events, surprise, limits and guardrails kept or broken, errors at equal setpoints.
    """
    from procwm.report import model_page, run_page
    from procwm.world.storage.model_files import load_model

    plant = load_plant(plant_file) if plant_file else None
    model = (folder / "manifest.json").exists()
    page = model_page(load_model(folder)) if model else run_page(folder, plant)
    target = out or folder.with_name(f"{folder.resolve().name}.html")
    write_text(target, page)
    say(f"{target}")
