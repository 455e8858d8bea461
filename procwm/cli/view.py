"""The command `view`: a running controller on a terminal, read from the controller's own server."""

import asyncio
import contextlib
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.live import Live

from procwm.cli.output import say
from procwm.cli.screen import line, screen
from procwm.errors import LinkError
from procwm.plant import registry
from procwm.plant.front import Facts
from procwm.plant.settings import OpcUaSettings, check_url

_RETRY_S = 2.0


def register(app: typer.Typer) -> None:
    """Add the command of this module to `app`."""
    app.command()(view)


def view(
    url: Annotated[str, typer.Argument(metavar="URL", help="Where `procwm run --serve` serves.")],
    cycles: Annotated[
        int | None, typer.Option(help="End after that many cycles; until interrupted without it.", min=1)
    ] = None,
    pki: Annotated[Path, typer.Option(help="Folder of certificates, for a secured server.")] = Path("pki"),
    policy: Annotated[str | None, typer.Option(help="Security policy of a secured server.")] = None,
    user: Annotated[str | None, typer.Option(help="Name to log in with.")] = None,
    password_file: Annotated[Path | None, typer.Option(help="Private file with the password.")] = None,
) -> None:
    """Watch a running controller: modes, CVs, MVs, guardrails, alarms. In a pipe one line a cycle."""
    check_url("URL", url)
    settings = OpcUaSettings(
        endpoint=url,
        policy=policy,
        pki=str(pki),
        user=user,
        password_file=None if password_file is None else str(password_file),
    )
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_view(settings, cycles))


async def _view(settings: OpcUaSettings, cycles: int | None) -> None:
    console = Console()
    live = Live(console=console, screen=True, auto_refresh=False) if console.is_terminal else None
    shown: Facts | None = None
    seen = 0
    with live or contextlib.nullcontext():
        while True:
            try:
                async with registry.front_client("opcua")(settings) as client:
                    async for facts in client.facts():
                        shown, seen = facts, seen + 1
                        if live is None:
                            say(line(facts))
                        else:
                            live.update(screen(facts, console), refresh=True)
                        if seen == cycles:
                            return
            except LinkError as error:
                # Who has never been reached may be written wrongly; who has been may come back.
                if shown is None:
                    raise
                if live is None:
                    say(f"no connection: {error}", err=True)
                else:
                    live.update(screen(shown, console, lost=str(error)), refresh=True)
            await asyncio.sleep(_RETRY_S)
