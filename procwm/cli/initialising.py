"""The command that drafts a plant file, from logs and from a server."""

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from procwm.cli.output import say
from procwm.errors import SpecError
from procwm.plant import registry
from procwm.plant.log_settings import LogSettings
from procwm.plant.plantfile.specfile import dump_plant
from procwm.plant.tags import OpcUaSettings, Role

if TYPE_CHECKING:
    from procwm.data.drafting.draft import PlantDraft

_SERVER, _BROWSER = "opc.tcp://", "opcua"


def register(app: typer.Typer) -> None:
    """Add the command of this module to `app`."""
    app.command("init")(draft_plant)


def draft_plant(
    sources: Annotated[
        list[str],
        typer.Argument(
            metavar="SOURCE...",
            help="Logs of the plant, and the URL opc.tcp://... of its server; either is enough.",
        ),
    ],
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
    policy: Annotated[
        str | None,
        typer.Option(help="Security policy of the server, such as Basic256Sha256; none without it."),
    ] = None,
    pki: Annotated[str, typer.Option(help="Folder of certificates, for --policy.")] = "pki",
    user: Annotated[
        str | None,
        typer.Option(help="Name to log in with at the server; PROCWM_OPCUA_PASSWORD holds the password."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Write over a file that is there.")] = False,
) -> None:
    """Draft a plant file from logs, a server or both: tags, units, ranges, roles, interval, and why."""
    from procwm.data.files import write_text

    if out.exists() and not force:
        raise SpecError(f"{out} is there already; choose another --out, or --force to write over it")
    usual = LogSettings()
    how = LogSettings(
        time_column=time_column or usual.time_column,
        time_format=time_format or usual.time_format,
        time_zone=time_zone,
    )
    logs = [Path(source) for source in sources if not source.startswith(_SERVER)]
    server = _servers(sources, policy, pki, user)
    looked = {"column": time_column is None, "form": time_format is None}
    draft = _drafted(logs, server, name, how, looked)
    write_text(out, dump_plant(draft.plant, draft.notes))
    _tell(out, draft, logs, server)


def _drafted(
    logs: Sequence[Path],
    server: OpcUaSettings | None,
    name: str | None,
    how: LogSettings,
    looked: Mapping[str, bool],
) -> "PlantDraft":
    from procwm.data.drafting.draft import drafted
    from procwm.data.drafting.server_draft import by_tag, drafted_from_server
    from procwm.data.drafting.table_survey import surveyed

    offered = None if server is None else asyncio.run(registry.browser(_BROWSER)(server))
    if not logs:
        assert server is not None
        assert offered is not None
        return drafted_from_server(name or str(urlsplit(server.endpoint).hostname), offered, server)
    survey = surveyed(logs, how, **looked)
    served = {} if offered is None else by_tag(survey.log.series, offered)
    return drafted(name or logs[0].stem, survey, served=served, opcua=server)


def _servers(sources: Sequence[str], policy: str | None, pki: str, user: str | None) -> OpcUaSettings | None:
    """How the server among `sources` is reached, read only; `None` where there is none."""
    urls = [source for source in sources if source.startswith(_SERVER)]
    if len(urls) > 1:
        raise SpecError(f"{urls[1]}: a plant has one server, and {urls[0]} is named before; name one")
    if not urls:
        return None
    return OpcUaSettings(endpoint=urls[0], policy=policy, pki=pki, user=user, read_only=True)


def _tell(out: Path, draft: "PlantDraft", logs: Sequence[Path], server: OpcUaSettings | None) -> None:
    counts = {role.value: len(tags) for role in Role if (tags := draft.plant.of(role))}
    said = ", ".join(f"{count} {role}" for role, count in counts.items())
    say(f"{out}: {said}; control interval {draft.plant.interval_s:g} s")
    for line in draft.notes.end:
        say(line)
    for question in draft.notes.open:
        say(f"decide: {question}")
    if logs:
        say(f"next: read {out}, decide, then `procwm check {out} {' '.join(map(str, logs))}`")
    else:
        assert server is not None
        say(
            f"next: `procwm record {out} --out history.parquet`, for some tens of hours, then "
            f"`procwm init history.parquet {server.endpoint} --out {out} --force`"
        )
