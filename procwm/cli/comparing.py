"""The command `compare`: models, or runs, side by side."""

from pathlib import Path
from typing import Annotated, Any

import typer

from procwm.cli.output import say
from procwm.data.files import write_text
from procwm.errors import SpecError


def register(app: typer.Typer) -> None:
    """Add the command of this module to `app`."""
    app.command()(compare)


def compare(
    folders: Annotated[list[Path], typer.Argument(metavar="FOLDER...", help="Of models, or of runs.")],
    out: Annotated[Path, typer.Option(help="HTML file.")] = Path("comparison.html"),
    log: Annotated[
        list[Path] | None,
        typer.Option(help="Log that every model is scored on; its own without it. Repeat for more."),
    ] = None,
) -> None:
    """Put models side by side, or runs: verdicts, errors and effects; what was kept, at equal setpoints."""
    from procwm.report.compare_page import models_page, runs_page
    from procwm.runtime.run_record import read_run

    if len(folders) < 2:
        raise SpecError("compare takes two folders or more")
    of_models = [(folder / "manifest.json").exists() for folder in folders]
    if any(of_models) and not all(of_models):
        raise SpecError("compare takes models or runs, not both")
    if not all(of_models):
        write_text(out, runs_page({str(folder): read_run(folder) for folder in folders}))
    else:
        write_text(out, models_page(*_scored(folders, log)))
    say(f"{out}")


def _scored(folders: list[Path], log: list[Path] | None) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Models by name, their scores, and what these are of."""
    from procwm.data.log import read_log
    from procwm.learning.evaluation.evaluate import evaluate
    from procwm.world.storage.model_files import load_model

    models = {str(folder): load_model(folder) for folder in folders}
    if log is None:
        scores = {name: model.metrics.get("validation", {}) for name, model in models.items()}
        return models, scores, "each of the end of the model's own log, and comparable where that is the same"
    scores = {name: evaluate(model, read_log(log, model.plant)).as_dict() for name, model in models.items()}
    return models, scores, "all of one log"
