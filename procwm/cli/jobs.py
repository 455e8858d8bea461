"""The long jobs: demo and bench."""

from importlib import import_module
from pathlib import Path
from typing import Annotated, Any

import typer

from procwm.cli.output import emit_table, progress, say
from procwm.cli.simulated_plants import Habits, Seed
from procwm.errors import SpecError
from procwm.plant.registry import shown_scenario
from procwm.plant.scenario import OperatorHabits


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    for command in (demo, bench):
        app.command()(command)


def demo(
    scenario: Annotated[
        str | None,
        typer.Argument(
            metavar="SCENARIO", help="Name, as `procwm scenarios` lists it; one of them is shown without it."
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder for the log, the model, summary.json and report.html.")
    ] = Path("procwm-demo"),
    habits: Habits = None,
    seed: Seed = 0,
) -> None:
    """Record, learn, control and compare a simulated plant over OPC UA, from nothing to a report."""
    from procwm.demo.job import Demo
    from procwm.report import words

    shown = scenario or shown_scenario()
    with progress(f"demo of {shown}") as advance:
        summary = Demo(shown, out, seed=seed, habits=habits, tell=advance).run()
    emit_table(*words.comparison(summary))
    for sentence in words.told(summary):
        say(sentence)
    say(f"{out / 'summary.json'} and {out / 'report.html'}")


def bench(
    name: Annotated[
        str,
        typer.Argument(metavar="NAME", help="The measurement, as docs/benchmarks.md names them."),
    ],
    out: Annotated[Path, typer.Option(help="Folder for NAME.json and NAME.md.")],
    scenario: Annotated[list[str] | None, typer.Option(help="Only this scenario; repeat for more.")] = None,
    seed: Annotated[list[int] | None, typer.Option(help="Only this seed; repeat for more.", min=0)] = None,
    hours: Annotated[
        float | None, typer.Option(help="Length of the logs to learn from.", min=0.1, max=1e6)
    ] = None,
    habits: Annotated[
        OperatorHabits | None,
        typer.Option(help="Of the operators who made the logs, as for `procwm simulate`."),
    ] = None,
    logs: Annotated[
        Path | None,
        typer.Option(
            help="For ablation, encoders, model, uncertainty: a folder of real logs, in place of simulated "
            "plants."
        ),
    ] = None,
    plants: Annotated[
        Path | None, typer.Option(help="Folder of their plant files, where not beside the logs.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option(help="For runtime: how long each run lasts; 30 without it.", min=0.5)
    ] = None,
    tags: Annotated[
        int | None,
        typer.Option(
            help="For runtime: tags of the plant; 200 without it. For replay: of one made for it.",
            min=20,
        ),
    ] = None,
    days: Annotated[
        int | None,
        typer.Option(help="For adaptation: days of 480 control intervals; 30 without it.", min=3),
    ] = None,
) -> None:
    """Measure: the figures behind the benchmarks page. Needs a checkout of procwm."""
    measure = _studies().study(
        name, habits=habits, logs=logs, plants=plants, minutes=minutes, tags=tags, days=days
    )
    with progress(f"bench {name}") as advance:
        written = measure(
            out,
            scenarios=scenario or (),
            seeds=seed or (),
            hours=hours,
            progress=lambda text: advance(0.0, text),
        )
    say(f"{written} and {written.with_suffix('.md')}")


def _studies() -> Any:
    """The package of the measurements, which lies beside the benchmarks page and not in the wheel."""
    try:
        return import_module("procwm_studies")
    except ModuleNotFoundError as error:
        if error.name != "procwm_studies":
            raise
        raise SpecError(
            "the measurements belong to a checkout of procwm, not to the installed package; in a checkout, "
            "`pip install -e .` brings them"
        ) from None
