"""Commands about simulated plants: scenarios, simulate, serve, plant."""

import asyncio
import time
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from procwm.cli.output import emit_json, emit_table, progress, say
from procwm.plant import registry
from procwm.plant.scenario import Operation, OperatorHabits, Scenario
from procwm.plant.tags import names_of

ScenarioName = Annotated[
    str, typer.Argument(metavar="SCENARIO", help="Name, as `procwm scenarios` lists it.")
]
Seed = Annotated[int, typer.Option(help="Of everything random; the same seed gives the same result.", min=0)]
Habits = Annotated[
    OperatorHabits | None,
    typer.Option(help="How operators move MVs, as docs/reference/operators.md has it; lively without it."),
]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON object and nothing else.")]


class Operated(StrEnum):
    """Who moves the MVs while a log is made."""

    ROUTINE = "routine"
    STEP_TEST = "step-test"


def register(app: typer.Typer) -> None:
    """Add the commands of this module to `app`."""
    for command in (scenarios, simulate, serve, plant):
        app.command()(command)


def scenarios(json: Json = False) -> None:
    """List what can be simulated: MVs, CVs, DVs, guardrails, source of the equations."""
    found = registry.scenarios()
    if json:
        emit_json({"scenarios": [_described(scenario) for scenario in found.values()]})
        return
    rows = [
        [
            scenario.name,
            " ".join(names_of(scenario.plant.mvs)),
            " ".join(names_of(scenario.plant.cvs)),
            " ".join(names_of(scenario.plant.dvs)) or "-",
            " ".join(scenario.equations.guard_names) or "-",
        ]
        for scenario in found.values()
    ]
    emit_table(["scenario", "MVs", "CVs", "DVs", "guardrails"], rows)
    for scenario in found.values():
        say(f"{scenario.name}: {scenario.summary} Source: {scenario.source}")


def simulate(
    scenario: ScenarioName,
    hours: Annotated[float, typer.Option(help="Length of the log.", min=0.01, max=1e6)],
    out: Annotated[Path, typer.Option(help="Log to write; .parquet or .csv.")],
    operation: Annotated[Operated, typer.Option(help="Who moves the MVs.")] = Operated.ROUTINE,
    habits: Habits = None,
    seed: Seed = 0,
) -> None:
    """Make an operating log of a simulated plant, in process."""
    from procwm.data.log import write_log
    from procwm.data.series import Log

    plant = registry.scenario(scenario, habits=habits).simulate(
        seed=seed, operation=Operation(operation.value)
    )
    samples = list(plant.drain())
    intervals = max(1, round(hours * 3600 / plant.spec.interval_s))
    with progress(f"simulating {scenario}") as advance:
        for tick in range(intervals):
            plant.advance()
            samples += plant.drain()
            advance((tick + 1) / intervals, "")
    log = Log.from_samples(samples, plant.spec)
    write_log(out, log)
    say(f"{out}: {len(samples)} samples, {log.hours:.2f} h")


def serve(
    scenario: ScenarioName,
    endpoint: Annotated[str, typer.Option(help="URL to serve at.")] = "opc.tcp://127.0.0.1:4840",
    speed: Annotated[float, typer.Option(help="Simulated seconds per second.", min=0.001)] = 1.0,
    operation: Annotated[
        Operation, typer.Option(help="Who moves the MVs: you, through OPC UA, or simulated operators.")
    ] = Operation.EXTERNAL,
    habits: Habits = None,
    pki: Annotated[
        Path | None,
        typer.Option(help="Folder of certificates; with it, only secured connections are let in."),
    ] = None,
    users: Annotated[
        Path | None, typer.Option(help="With --pki: private file of lines NAME:PASSWORD of who may log in.")
    ] = None,
    seed: Seed = 0,
) -> None:
    """Serve a simulated plant over OPC UA until interrupted."""
    # Imported before the plant's time begins, which would be late by as much otherwise.
    server_of = registry.server("opcua")
    pace = "in real time" if speed == 1.0 else f"{speed:g} times real time"
    # A client on the wall clock would take samples of any other date for stale ones.
    simulated = registry.scenario(scenario, habits=habits).simulate(
        seed=seed, operation=operation, start_ns=time.time_ns()
    )

    async def served() -> None:
        serving = server_of(simulated, endpoint=endpoint, speed=speed, pki=pki, users=users)
        async with serving as server:
            assert server.spec.opcua is not None
            where = server.spec.opcua.endpoint
            say(f"serving {scenario} at {where}, {pace}; stop with Ctrl-C", err=True)
            await asyncio.Event().wait()

    try:
        asyncio.run(served())
    except KeyboardInterrupt:
        say("stopped", err=True)


def plant(scenario: ScenarioName) -> None:
    """Print the plant file of a simulated plant."""
    from dataclasses import replace

    from procwm.plant.plantfile.specfile import dump_plant
    from procwm.plant.tags import OpcUaSettings

    spec = registry.scenario(scenario).plant
    if spec.opcua is None:
        spec = replace(spec, opcua=OpcUaSettings(endpoint="opc.tcp://127.0.0.1:4840"))
    typer.echo(dump_plant(spec), nl=False)


def _described(scenario: Scenario) -> dict[str, object]:
    return {
        "name": scenario.name,
        "summary": scenario.summary,
        "source": scenario.source,
        "interval_s": scenario.plant.interval_s,
        "mvs": names_of(scenario.plant.mvs),
        "cvs": names_of(scenario.plant.cvs),
        "dvs": names_of(scenario.plant.dvs),
        "guardrails": scenario.equations.guard_names,
    }
