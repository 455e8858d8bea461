"""The command that reads a plant's historian into a log."""

import asyncio
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

import typer

from procwm.cli.output import progress
from procwm.cli.plants import LinkName, PlantFile
from procwm.errors import LinkError, SpecError
from procwm.plant import registry
from procwm.plant.plantfile.specfile import load_plant
from procwm.plant.tags import PlantSpec

_PORTIONS = 100
_SMALLEST_INTERVALS = 500
"""Control intervals of one portion at least."""


def register(app: typer.Typer) -> None:
    """Add the command of this module to `app`."""
    app.command("import")(import_history)


def import_history(
    plant_file: PlantFile,
    start: Annotated[
        str, typer.Option("--from", metavar="ISO", help="First time, such as 2024-05-01T06:00Z.")
    ],
    end: Annotated[str, typer.Option("--to", metavar="ISO", help="End; not included.")],
    out: Annotated[Path, typer.Option(help="Log to write or to add to; ends in .parquet.")],
    link: LinkName = "opcua",
) -> None:
    """Read the historian of a plant's server into a log. What came before an interruption is kept."""
    plant = load_plant(plant_file)
    start_ns, end_ns = _time_ns("--from", start), _time_ns("--to", end)
    if start_ns >= end_ns:
        raise SpecError(f"--from {start} is not before --to {end}")
    import_ = _Import(plant, out, link)
    try:
        asyncio.run(import_.run(start_ns, end_ns))
    except (LinkError, KeyboardInterrupt) as error:
        if not import_.count:
            raise
        reason = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
        raise LinkError(
            f"{reason}; {out} has {import_.count} samples until {_iso(import_.done_ns)}; run it again with "
            f"--from {_iso(import_.done_ns)} for the rest"
        ) from None
    if not import_.count:
        raise LinkError(f"{plant.name}: the server has no samples from {_iso(start_ns)} to {_iso(end_ns)}")
    typer.echo(f"{out}: {import_.count} samples", err=True)


class _Import:
    """Portions of time, oldest first, each written before the next is asked for.

    Attributes:
        count: samples written so far.
        done_ns: until when everything has been written, UTC ns.
    """

    def __init__(self, plant: PlantSpec, out: Path, link: str) -> None:
        self._plant, self._out, self._link = plant, out, link
        self.count = 0
        self.done_ns = 0

    async def run(self, start_ns: int, end_ns: int) -> None:
        from procwm.data.writer import LogWriter

        self.done_ns = start_ns
        smallest_ns = round(self._plant.interval_s * _SMALLEST_INTERVALS * 1e9)
        step_ns = max(smallest_ns, -(-(end_ns - start_ns) // _PORTIONS))
        async with registry.history(self._link)(self._plant) as history:
            with LogWriter(self._out, self._plant) as writer, progress("importing") as advance:
                while self.done_ns < end_ns:
                    until_ns = min(end_ns, self.done_ns + step_ns)
                    async for samples in history.read(self.done_ns, until_ns):
                        writer.append(samples)
                        self.count += len(samples)
                    self.done_ns = until_ns
                    share = (until_ns - start_ns) / (end_ns - start_ns)
                    advance(share, f"importing until {_iso(until_ns)}: {self.count} samples")


def _time_ns(option: str, text: str) -> int:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise SpecError(f"{option} {text}: write a time as 2024-05-01T06:00Z") from None
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return round(aware.timestamp() * 1e6) * 1000


def _iso(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns / 1e9, UTC).isoformat().replace("+00:00", "Z")
