"""Commands about a plant as its plant file describes it: check, record, run."""

import asyncio
import contextlib
import dataclasses
import time
from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from procwm.cli.output import emit_json, progress, say
from procwm.cli.simulated_plants import Json
from procwm.plant import registry
from procwm.plant.plantfile.specfile import load_plant
from procwm.plant.tags import PlantSpec, Role

if TYPE_CHECKING:
    from procwm.data.checks.check import Finding

PlantFile = Annotated[Path, typer.Argument(metavar="PLANT.toml", help="The plant file.")]
LinkName = Annotated[str, typer.Option("--link", help="How the plant is reached.")]

_DRAIN_S = 0.5


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    for command in (check, record, run):
        app.command()(command)


def check(
    plant_file: PlantFile,
    logs: Annotated[list[Path] | None, typer.Argument(metavar="LOG...", help="Logs of that plant.")] = None,
    json: Json = False,
) -> None:
    """Check a plant file and a log of that plant. Exit 1 where the log cannot teach what it should."""
    plant = load_plant(plant_file)
    findings = _findings(plant, logs)
    errors = [finding for finding in findings if finding.severity == "error"]
    verdict = _verdict(plant, logs, findings)
    if json:
        emit_json(
            {
                "plant": plant.name,
                "fit": not errors,
                "verdict": verdict,
                "findings": [dataclasses.asdict(finding) for finding in findings],
            }
        )
    else:
        for finding in findings:
            say(f"{finding.severity}: {finding.sentence}")
        say(verdict)
    if errors:
        raise typer.Exit(1)


def _findings(plant: PlantSpec, logs: Sequence[Path] | None) -> "list[Finding]":
    from procwm.data.checks.check import check_log, check_plant
    from procwm.data.log import read_log

    return check_log(plant, read_log(logs, plant)) if logs else check_plant(plant)


def _verdict(plant: PlantSpec, logs: Sequence[Path] | None, findings: "Sequence[Finding]") -> str:
    counts = {role.value: len(tags) for role in Role if (tags := plant.of(role))}
    file = f"{plant.name}: a valid plant file, " + ", ".join(f"{n} {role}" for role, n in counts.items())
    if not logs:
        return file + "."
    names = ", ".join(map(str, logs))
    severities = [finding.severity.value for finding in findings]
    if "error" in severities:
        return f"{file}. {names} cannot teach a model of it: see the errors above."
    if "warning" in severities:
        return f"{file}. {names} can teach a model of it, a worse one for the warnings above."
    return f"{file}. {names} can teach a model of it."


def record(
    plant_file: PlantFile,
    out: Annotated[Path, typer.Option(help="Recording to write or to continue; ends in .parquet.")],
    hours: Annotated[
        float | None, typer.Option(help="For how long; until interrupted without it.", min=0, max=1e6)
    ] = None,
    link: LinkName = "opcua",
) -> None:
    """Record a live plant. Ctrl-C ends the recording and keeps it; so does a lost process."""
    plant = load_plant(plant_file)
    rows = [0]
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_record(plant, out, hours, link, rows))
    say(f"{out}: {rows[0]} samples" if rows[0] else "no sample came; nothing was written", err=True)


class StartMode(StrEnum):
    """The modes that a run may start in."""

    SHADOW = "shadow"
    ADVISORY = "advisory"
    AUTO = "auto"
    TEST = "test"


class Time(StrEnum):
    """Whose time the control intervals follow."""

    WALL = "wall"
    SERVED = "served"


def run(
    plant_file: PlantFile,
    model_dir: Annotated[Path, typer.Argument(metavar="MODEL", help="A model of that plant.")],
    mode: Annotated[
        StartMode,
        typer.Option(
            help="shadow plans, advisory prints its moves, auto writes them, test steps MVs to learn from."
        ),
    ] = StartMode.SHADOW,
    out: Annotated[Path | None, typer.Option(help="Folder that keeps samples, decisions and plans.")] = None,
    history: Annotated[
        Path | None,
        typer.Option(help="Log that goes on until now, to begin with; --out or the server may have one too."),
    ] = None,
    setpoint: Annotated[
        list[str] | None, typer.Option(help="TAG=VALUE, in place of the plant file's; repeat for more.")
    ] = None,
    hours: Annotated[
        float | None, typer.Option(help="For how long; until interrupted without it.", min=0, max=1e6)
    ] = None,
    clock: Annotated[Time, typer.Option(help="Whose time; served is that of `procwm serve`.")] = Time.WALL,
    serve: Annotated[
        str | None,
        typer.Option(help="URL at which front ends and `procwm view` reach the controller, over OPC UA."),
    ] = None,
    metrics: Annotated[
        int | None, typer.Option(help="Port on which Prometheus finds the controller's figures.", min=0)
    ] = None,
    link: LinkName = "opcua",
    despite_verdict: Annotated[
        bool,
        typer.Option(
            "--despite-verdict",
            help="Allow auto with a model that is not fit for control; it is audited.",
        ),
    ] = False,
) -> None:
    """Control a live plant. Ctrl-C ends the run; the plant keeps its last setpoints.

    A model that is fit for advice only starts in advisory where auto is asked for.
    """
    from procwm.cli.running import Running
    from procwm.runtime.fronts import with_front_ends

    plant = with_front_ends(load_plant(plant_file), serve=serve, metrics=metrics)
    running = Running(
        plant,
        model_dir,
        mode=mode.value,
        setpoints=setpoint or [],
        out=out,
        despite_verdict=despite_verdict,
    )
    intervals = None if hours is None else max(1, round(hours * 3600.0 / plant.interval_s))
    served = registry.clock(link) if clock is Time.SERVED else None
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(running.run(link, served, intervals, folder=plant_file.parent, history=history))
    say(running.outcome, err=True)


async def _record(plant: PlantSpec, out: Path, hours: float | None, link_name: str, rows: list[int]) -> None:
    """Record until the time is over, or until cancelled; `rows` becomes the count of the file either way."""
    from procwm.data.writer import LogWriter

    duration_s = float("inf") if hours is None else hours * 3600.0
    async with registry.open_link(link_name, plant) as link:
        began, received = time.monotonic(), 0
        writer = LogWriter(out, plant)
        try:
            with writer, progress(f"recording {plant.name}") as advance:
                while (elapsed_s := time.monotonic() - began) < duration_s:
                    await asyncio.sleep(min(_DRAIN_S, duration_s - elapsed_s))
                    samples = [sample for sample in link.drain() if sample.tag in plant.names]
                    writer.append(samples)
                    received += len(samples)
                    advance(elapsed_s / duration_s, f"recording {plant.name}: {received} samples")
        finally:
            rows[0] = writer.rows
