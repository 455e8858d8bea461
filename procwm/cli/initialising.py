"""The command that drafts a plant file, from logs and from a server."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from procwm.cli.output import say
from procwm.errors import SpecError
from procwm.plant.log_settings import LogSettings
from procwm.plant.plantfile.specfile import dump_plant
from procwm.plant.tags import Role

if TYPE_CHECKING:
    from procwm.data.drafting.draft import PlantDraft

_SERVER = "opc.tcp://"


def register(app: typer.Typer) -> None:
    """Add the command of this module to `app`."""
    app.command("init")(draft_plant)


def draft_plant(
    sources: Annotated[list[str], typer.Argument(metavar="SOURCE...", help="Logs of the plant.")],
    out: Annotated[Path, typer.Option(help="Plant file to write.")],
    name: Annotated[
        str | None, typer.Option(help="What the plant is called; the log's name without it.")
    ] = None,
    time_column: Annotated[
        str | None, typer.Option(help="Heading of the column with the times; looked for without it.")
    ] = None,
    time_format: Annotated[
        str | None,
        typer.Option(
            help="How times are written: iso, a pattern such as %d.%m.%Y %H:%M:%S, epoch s, epoch ms, "
            "epoch us, epoch ns or excel; found out without it."
        ),
    ] = None,
    time_zone: Annotated[
        str, typer.Option(help="Of times that do not say how far they are from UTC, such as Europe/Berlin.")
    ] = "UTC",
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Draft a plant file from a log: tags, units, ranges, roles and interval, each with the reason why."""
    from procwm.data.files import write_text

    if out.exists() and not force:
        raise SpecError(f"{out} is there already; choose another --out, or --force to write over it")
    said = {"time_column": time_column, "time_format": time_format, "time_zone": time_zone}
    how = LogSettings(**{key: value for key, value in said.items() if value is not None})
    draft = _drafted(sources, name, how, column=time_column is None, form=time_format is None)
    write_text(out, dump_plant(draft.plant, draft.notes))
    _tell(out, draft, sources)


def _drafted(
    sources: list[str], name: str | None, how: LogSettings, *, column: bool, form: bool
) -> "PlantDraft":
    from procwm.data.drafting.draft import drafted
    from procwm.data.drafting.table_survey import surveyed

    paths = [Path(source) for source in sources]
    survey = surveyed(paths, how, column=column, form=form)
    return drafted(name or paths[0].stem, survey)


def _tell(out: Path, draft: "PlantDraft", sources: list[str]) -> None:
    counts = {role.value: len(tags) for role in Role if (tags := draft.plant.of(role))}
    said = ", ".join(f"{count} {role}" for role, count in counts.items())
    say(f"{out}: {said}; control interval {draft.plant.interval_s:g} s")
    for line in draft.notes.end:
        say(line)
    for question in draft.notes.open:
        say(f"decide: {question}")
    say(f"next: read {out}, decide, then `procwm check {out} {' '.join(sources)}`")
