"""Commands about models: train, evaluate, guardrail, replay."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from procwm.cli.console import emit_json, emit_table, progress
from procwm.cli.plants import PlantFile
from procwm.cli.simulation import Json, Seed
from procwm.errors import ArtifactError
from procwm.plant.specfile import load_plant

Logs = Annotated[list[Path], typer.Argument(metavar="LOG...", help="Logs of that plant, Parquet or CSV.")]
ModelDir = Annotated[Path, typer.Argument(metavar="MODEL", help="The model's folder.")]
ModelOut = Annotated[Path, typer.Option("--out", help="Folder for the model.")]

_LOGS = "logs"
"""Key of a model's metrics: where the logs it was learned from lay."""


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    for command in (train, evaluate, replay):
        app.command()(command)


def train(plant_file: PlantFile, logs: Logs, out: ModelOut, seed: Seed = 0) -> None:
    """Learn a world model. An interrupted training goes on where it stopped when called again."""
    from procwm.data.log import read_log
    from procwm.training.trainer import Progress
    from procwm.training.trainer import train as learn

    plant = load_plant(plant_file)
    _refuse_foreign(out)
    log = read_log(logs, plant)
    out.parent.mkdir(parents=True, exist_ok=True)
    with progress(f"learning {plant.name}") as advance:

        def told(state: Progress) -> None:
            advance(state.step / state.steps, f"learning {plant.name}: error {state.error:.4f}")

        checkpoint = out.with_name(f".{out.name}.checkpoint")
        model = learn(plant, log, seed=seed, checkpoint=checkpoint, progress=told)
    model.metrics[_LOGS] = [str(path.resolve()) for path in logs]
    model.save(out)
    typer.echo(f"{out}: learned from {log.hours:.1f} h of log; {model.metrics['validation']['verdict']}")


def evaluate(model_dir: ModelDir, logs: Logs, json: Json = False) -> None:
    """Score a model's predictions on logs it was not learned from, beside persistence and a linear model."""
    from procwm.data.log import read_log
    from procwm.training.evaluation import evaluate as score
    from procwm.world.storage import load_model

    model = load_model(model_dir)
    found = score(model, read_log(logs, model.plant)).as_dict()
    if json:
        emit_json(found)
        return
    leads = list(found["nrmse"])
    names = {"procwm": "nrmse", "linear model": "linear", "persistence": "persistence"}
    rows = [[name, *_errors(found[key], leads)] for name, key in names.items() if found[key]]
    emit_table(["nRMSE", *(f"{lead} ahead" for lead in leads)], rows)
    typer.echo(f"{found['moments']} moments; {found['verdict']}")


def _errors(by_lead: Mapping[str, float], leads: list[str]) -> list[str]:
    return [f"{by_lead[lead]:.3f}" for lead in leads]


def _refuse_foreign(out: Path) -> None:
    """Say before a long training, not after it, that its result could not be written."""
    if out.exists() and not (out / "manifest.json").is_file() and (not out.is_dir() or any(out.iterdir())):
        raise ArtifactError(f"{out} exists and is not a model directory; it is left as it is")


def replay(
    model_dir: ModelDir,
    logs: Logs,
    out: Annotated[Path, typer.Option(help="Folder for report.html and replay.json.")],
    plant_file: Annotated[
        Path | None, typer.Option("--plant", help="A plant file with other targets and limits.")
    ] = None,
    decisions: Annotated[int, typer.Option(help="At how many moments to plan.", min=0)] = 500,
) -> None:
    """Report what the controller would have done over a log, and how well it foresaw it."""
    from procwm.cli.replaying import replayed
    from procwm.world.storage import load_model

    model = load_model(model_dir)
    plant = load_plant(plant_file) if plant_file else model.plant
    with progress("replaying") as advance:
        facts = replayed(plant, model, logs, out, decisions, lambda share: advance(share, ""))
    typer.echo(f"{out / 'report.html'}: {facts['rows']} intervals, {facts['decisions']} decisions")
