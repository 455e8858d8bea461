"""The command about certificates: make, list, trust, reject."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from procwm.cli.output import emit_json, emit_table, say
from procwm.cli.simulated_plants import Json
from procwm.errors import SpecError
from procwm.plant import registry
from procwm.plant.certificates import CertificateFacts


class Action(StrEnum):
    """What can be done with certificates."""

    MAKE = "make"
    LIST = "list"
    TRUST = "trust"
    REJECT = "reject"


def register(app: typer.Typer) -> None:
    """Add the command of this module to `app`."""
    app.command()(certificate)


def certificate(
    action: Annotated[
        Action,
        typer.Argument(help="make procwm's own; list all; trust one from now on; reject one again."),
    ],
    which: Annotated[
        str | None,
        typer.Argument(metavar="WHICH", help="First digits of a thumbprint; to trust, also a file."),
    ] = None,
    pki: Annotated[Path, typer.Option(help="Folder of certificates, as the plant file names it.")] = Path(
        "pki"
    ),
    host: Annotated[
        str, typer.Option(help="With make: name of the machine it is for; this one without it.")
    ] = "",
    days: Annotated[int, typer.Option(help="With make: for how long it is valid.", min=1, max=7300)] = 730,
    json: Json = False,
) -> None:
    """Make, list, trust and reject the certificates of OPC UA connections."""
    store = registry.certificates("opcua")(pki)
    if action in (Action.TRUST, Action.REJECT) and which is None:
        raise SpecError(f"certificate {action} needs a thumbprint; see: procwm certificate list --pki {pki}")
    match action:
        case Action.MAKE:
            shown = [store.make(host=host, days=days)]
        case Action.LIST:
            shown = store.facts()
        case Action.TRUST:
            shown = [store.trust(which or "")]
        case Action.REJECT:
            shown = [store.reject(which or "")]
    if json:
        emit_json({"certificates": [_fields(facts) for facts in shown]})
    elif shown:
        emit_table(list(_fields(shown[0])), [list(_fields(facts).values()) for facts in shown])
    else:
        say(f"{pki} holds no certificate; make one with: procwm certificate make --pki {pki}")


def _fields(facts: CertificateFacts) -> dict[str, str]:
    return {
        "trust": facts.trust.value,
        "name": facts.name,
        "application": facts.application,
        "thumbprint": facts.thumbprint,
        "valid_until": f"{facts.valid_until:%Y-%m-%d}",
        "path": str(facts.path),
    }
