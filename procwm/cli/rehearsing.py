"""The command `rehearse`: the controller in closed loop with its own learned model."""

import math
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from procwm.cli.models import ModelDir
from procwm.cli.output import progress, say
from procwm.cli.simulated_plants import Seed
from procwm.data.files import write_json, write_text
from procwm.errors import LogError, SpecError
from procwm.plant.plantfile.specfile import load_plant
from procwm.plant.scenario import TargetChange

if TYPE_CHECKING:
    from procwm.comparison.rehearsal import RehearsedRun

_COLUMNS = ["seconds", "tag", "value"]


def register(app: typer.Typer) -> None:
    """Add the command of this module to `app`."""
    app.command()(rehearse)


def rehearse(
    model_dir: ModelDir,
    out: Annotated[Path, typer.Option(help="Folder for report.html and rehearsal.json.")] = Path("rehearsal"),
    plant_file: Annotated[
        Path | None, typer.Option("--plant", help="A plant file with other targets, limits and weights.")
    ] = None,
    setpoints: Annotated[
        Path | None,
        typer.Option(
            help="A table with columns seconds, tag, value: when which CV gets which setpoint; without it "
            "those of the plant file are stepped in turn."
        ),
    ] = None,
    weights: Annotated[
        list[str] | None,
        typer.Option(
            help="TAG=VALUE,...: also try these weights of CVs and move weights of MVs; repeat for more."
        ),
    ] = None,
    intervals: Annotated[
        int, typer.Option(help="Control intervals of every run.", min=10, max=100_000)
    ] = 240,
    seed: Seed = 0,
) -> None:
    """Let the controller run its own learned model, and see what it would do. No plant is needed.

    Beside the model's own plant there are others that the same log may mean. The report warns where the
    rehearsal leaves the data.
    """
    from procwm.comparison.rehearsal import rehearse as rehearsed
    from procwm.report import rehearsal_page
    from procwm.world.storage.model_files import load_model

    model = load_model(model_dir)
    plant = load_plant(plant_file) if plant_file else model.plant
    program = None if setpoints is None else read_program(setpoints, plant.interval_s)
    variants = [_weights(text) for text in weights or ()]
    with progress("rehearsing") as advance:
        found = rehearsed(
            model,
            plant,
            intervals=intervals,
            program=program,
            weights=variants,
            seed=seed,
            on_progress=lambda share: advance(share, ""),
        )
    write_text(out / "report.html", rehearsal_page(found))
    rows = [_row(run) for run in found.runs]
    write_json(out / "rehearsal.json", {"plant": plant.name, "seed": seed, "runs": rows})
    broken, outside = sum(found.runs[0].violations), f"{found.outside:.0%}"
    say(
        f"{out / 'report.html'}: {len(rows)} runs of {intervals} intervals; {broken} limits and guardrails "
        f"broken, {outside} of the time where the log never was"
    )


def _row(run: "RehearsedRun") -> dict[str, Any]:
    errors, moves = run.costs
    limits, guards = run.violations
    return {
        "run": run.name,
        "cost": errors + moves,
        "error_cost": errors,
        "move_cost": moves,
        "limit_violations": limits,
        "guard_violations": guards,
        "held": run.held,
        "outside": float(run.outside.mean()),
    }


def read_program(path: Path, interval_s: float) -> Sequence[TargetChange]:
    """Setpoint changes from a table with the columns seconds, tag and value, written as logs are.

    Raises:
        LogError: a column is missing, or a row holds no such change.
    """
    from procwm.data.tabular.tables import read_columns, read_header

    header = read_header(path)
    named = [header.named(name) for name in _COLUMNS]
    columns = [column for column in named if column is not None]
    if len(columns) < len(_COLUMNS):
        wanted, found = ", ".join(_COLUMNS), ", ".join(header.columns)
        raise LogError(f"{path}: setpoints need the columns {wanted}; it has {found}")
    table = read_columns(header, columns)
    tag, (seconds, value) = table.codes(columns[1]), table.numbers([columns[0], columns[2]])
    changes = []
    for row, (after_s, code, level) in enumerate(zip(seconds, tag.code, value, strict=True)):
        if not (0.0 <= after_s < math.inf and tag.names[code] and math.isfinite(level)):
            raise table.error(row, "write a change as seconds from the start, a tag and a number")
        changes.append(
            TargetChange(tick=round(after_s / interval_s), tag=tag.names[code], value=float(level))
        )
    return changes


def _weights(text: str) -> dict[str, float]:
    """Weights by tag from TAG=VALUE,TAG=VALUE."""
    found = {}
    for part in text.split(","):
        name, _, value = part.partition("=")
        try:
            found[name.strip()] = float(value)
        except ValueError:
            raise SpecError(f"--weights {text}: write it as TAG=VALUE,TAG=VALUE") from None
    return found
