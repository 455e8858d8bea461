"""Commands about models: train, evaluate, guardrail, replay."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from procwm.cli.evaluation_text import emit_evaluation
from procwm.cli.output import emit_json, progress, say
from procwm.cli.plants import PlantFile
from procwm.cli.simulated_plants import Json, Seed
from procwm.data.files import write_text
from procwm.errors import SpecError
from procwm.plant.plantfile.specfile import load_plant
from procwm.world.fitness import VERDICT, Fitness, kept_verdict
from procwm.world.storage.artifact import check_writable

if TYPE_CHECKING:
    from procwm.world.model import WorldModel

Logs = Annotated[list[Path], typer.Argument(metavar="LOG...", help="Logs of that plant, Parquet or CSV.")]
ModelDir = Annotated[Path, typer.Argument(metavar="MODEL", help="The model's folder.")]
MomentsLog = Annotated[
    list[Path] | None,
    typer.Option(help="Log that holds the moments; those the model was learned from without it. Repeat."),
]
ModelOut = Annotated[Path, typer.Option("--out", help="Folder for the model.")]

_LOGS = "logs"
"""Key of a model's metrics: where the logs it was learned from lay."""


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    for command in (train, evaluate, guardrail, approve, soft_sensor, replay):
        app.command()(command)


def train(plant_file: PlantFile, logs: Logs, out: ModelOut, seed: Seed = 0, json: Json = False) -> None:
    """Learn a world model, and show it in MODEL.html. An interrupted training goes on when called again.

    Exit 1 where the model is not fit for anything; it is kept all the same.
    """
    from procwm.data.log import read_log
    from procwm.learning.train import Progress
    from procwm.learning.train import train as learn
    from procwm.report import model_page, words

    plant = load_plant(plant_file)
    check_writable(out)  # before a long training, not after it
    log = read_log(logs, plant)
    out.parent.mkdir(parents=True, exist_ok=True)
    with progress(f"learning {plant.name}") as advance:

        def step(state: Progress) -> None:
            advance(state.step / state.steps, f"learning {plant.name}: error {state.error:.4f}")

        checkpoint = out.with_name(f".{out.name}.checkpoint")
        model = learn(plant, log, seed=seed, checkpoint=checkpoint, progress=step)
    model = model.with_metrics(**{_LOGS: [str(path.resolve()) for path in logs]})
    model.save(out)
    page = out.with_name(f"{out.name}.html")
    write_text(page, model_page(model))
    verdict = model.metrics[VERDICT]
    if json:
        emit_json(
            {
                "model": str(out),
                "page": str(page),
                "hours": log.hours,
                "notes": model.metrics["notes"],
                **verdict,
            }
        )
    else:
        learned = f"learned from {words.duration(log.hours)} of log"
        say(f"{out}: {learned}; {verdict['verdict']}: {verdict['reason']}")
        say(f"{page}: what it makes of every MV, how well it foresees, where its log was")
        say(f"next: {verdict['next']}")
    _exit_unfit(verdict)


def evaluate(model_dir: ModelDir, logs: Logs, json: Json = False) -> None:
    """Score a model on logs it was not learned from, beside simpler ones, and say what it is fit for.

    The verdict is kept with the model, for `procwm run`, where the logs showed what the MVs do and the model
    was not learned from them. Exit 1 where it is not fit for anything.
    """
    from procwm.data.log import read_log
    from procwm.learning.evaluation.evaluate import evaluate as score
    from procwm.world.storage.model_files import load_model

    model = load_model(model_dir)
    scores = score(model, read_log(logs, model.plant))
    found = scores.as_dict()
    if json:
        emit_json(found)
    else:
        emit_evaluation(found, scores.curves)
    if scores.counts(kept_verdict(model.metrics)):
        model.with_metrics(**{VERDICT: scores.verdict.as_dict()}).save(model_dir)
    _exit_unfit(found)


def _exit_unfit(verdict: Mapping[str, Any]) -> None:
    """End with exit code 1 where a model is not fit for anything."""
    if verdict["verdict"] == Fitness.NOTHING:
        raise typer.Exit(1)


def guardrail(
    model_dir: ModelDir,
    labels_file: Annotated[
        Path,
        typer.Argument(
            metavar="LABELS", help="CSV or Parquet: time, and value (safe at 0 or below) or unsafe."
        ),
    ],
    name: Annotated[str, typer.Option(help="Of the guardrail.")],
    out: ModelOut,
    log: MomentsLog = None,
    coverage: Annotated[
        float | None,
        typer.Option(
            help="Share of moments not to be understated; without it the most that the labels can show.",
            min=0.55,
            max=0.99,
        ),
    ] = None,
    suggest: Annotated[
        int | None,
        typer.Option(help="Add so many moments worth judging to LABELS instead, to be filled in.", min=1),
    ] = None,
    replace: Annotated[
        bool, typer.Option("--replace", help="Put it in the place of the model's guardrail of this name.")
    ] = False,
    weaker: Annotated[
        bool, typer.Option("--weaker", help="Replace also where it keeps less on remembered labels.")
    ] = False,
    by: Annotated[
        str | None, typer.Option(help="Who answers for the labels; whoever is logged in without it.")
    ] = None,
) -> None:
    """Learn a guardrail from labelled moments; the rest of the model stays as it is."""
    from procwm.data.log import read_log
    from procwm.learning.labelled.guardrail import learn_guardrail
    from procwm.learning.labelled.labels import read_labels
    from procwm.world.storage.model_files import load_model

    model = load_model(model_dir)
    history = read_log(_logs_of(model, model_dir, log), model.plant)
    if suggest is not None:
        from procwm.cli.labelling import suggest_labels

        suggest_labels(model, history, suggest, labels_file)
        say(f"{labels_file}: {suggest} moments to judge; fill them in, then call again without --suggest")
        return
    check_writable(out)
    judged = read_labels(labels_file)
    learn_guardrail(
        model, history, judged, name=name, coverage=coverage, replace=replace, weaker=weaker, by=by
    ).save(out)
    say(f"{out}: guardrail {name} learned from {len(judged)} moments")


def approve(
    model_dir: ModelDir,
    key: Annotated[
        Path,
        typer.Option(help="PEM file of an Ed25519 private key, as of openssl genpkey -algorithm ed25519."),
    ],
    by: Annotated[str, typer.Option(help="Who approves.")],
) -> None:
    """Sign a model for use; tells the lines of the plant file that ask for it."""
    from procwm.world.storage import approval
    from procwm.world.storage.model_files import load_model

    load_model(model_dir)  # what cannot be read is not approved
    made = approval.approve(model_dir, key, by=by)
    say(f"{model_dir}: approved by {made.by} at {made.at}; in the plant file:")
    typer.echo(f'[control]\napproved_model = "{made.model}"\napproved_by = "{made.key}"')


def soft_sensor(
    model_dir: ModelDir,
    labels_file: Annotated[
        Path, typer.Argument(metavar="LABELS", help="CSV or Parquet: time, and value in its own unit.")
    ],
    name: Annotated[str, typer.Option(help="Of the quantity; one of the same name is replaced.")],
    out: ModelOut,
    log: MomentsLog = None,
    coverage: Annotated[
        float | None,
        typer.Option(
            help="Share of true values for the band to hold; 0.9 without it, 0.8 of few labels.",
            min=0.1,
            max=0.98,
        ),
    ] = None,
) -> None:
    """Learn to read a quantity that nothing measures from moments at which it is known."""
    from procwm.data.log import read_log
    from procwm.learning.labelled.labels import read_labels
    from procwm.learning.labelled.soft_sensor import learn_soft_sensor
    from procwm.world.storage.model_files import load_model

    model = load_model(model_dir)
    history = read_log(_logs_of(model, model_dir, log), model.plant)
    check_writable(out)
    known = read_labels(labels_file)
    learned = learn_soft_sensor(model, history, known, name=name, coverage=coverage)
    learned.save(out)
    head = next(head for head in learned.sensor_heads if head.name == name)
    say(
        f"{out}: soft sensor {name} learned from {len(known)} moments; "
        f"{head.coverage:.0%} of true values within ±{head.half_width:.3g}"
    )


def _logs_of(model: "WorldModel", model_dir: Path, given: list[Path] | None) -> list[Path]:
    """The logs that labelled moments lie in."""
    logs = given or [Path(path) for path in model.metrics.get(_LOGS, [])]
    if not logs or not all(path.exists() for path in logs):
        missing = ", ".join(str(path) for path in logs) or "unknown"
        raise SpecError(
            f"{model_dir}: the log that it was learned from ({missing}) is not there; name one with --log"
        )
    return logs


def replay(
    model_dir: ModelDir,
    logs: Logs,
    out: Annotated[
        Path, typer.Option(help="Folder for report.html, replay.json and what soft sensors read.")
    ],
    plant_file: Annotated[
        Path | None, typer.Option("--plant", help="A plant file with other targets and limits.")
    ] = None,
    decisions: Annotated[int, typer.Option(help="At how many moments to plan.", min=0)] = 500,
) -> None:
    """Report what the controller would have done over a log, and how well it foresaw it."""
    from procwm.cli.replaying import replayed
    from procwm.world.storage.model_files import load_model

    model = load_model(model_dir)
    plant = load_plant(plant_file) if plant_file else model.plant
    with progress("replaying") as advance:
        facts = replayed(plant, model, logs, out, decisions, lambda share: advance(share, ""))
    say(f"{out / 'report.html'}: {facts['rows']} intervals, {facts['decisions']} decisions")
