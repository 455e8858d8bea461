"""The command that reads a plant's historian into a log."""

import asyncio
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from procwm.cli.output import progress, say
from procwm.cli.plants import LinkName, PlantFile
from procwm.errors import LinkError, LinkRefusedError, SpecError
from procwm.plant import registry
from procwm.plant.history import PlantHistory
from procwm.plant.plantfile.specfile import load_plant
from procwm.plant.tags import PlantSpec

if TYPE_CHECKING:
    from procwm.data.writer import LogWriter

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_YEARS = range(1971, 2262)
"""Of a time that can be asked for: the numbers that times are kept in begin in 1970 and end in 2262."""
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
        if not import_.received:
            raise
        reason = "interrupted" if isinstance(error, KeyboardInterrupt) else str(error)
        again = "once that is mended, run it" if isinstance(error, LinkRefusedError) else "run it"
        done = _iso(import_.done_ns)
        raise LinkError(
            f"{reason}; {out} has {import_.rows} samples until {done}; {again} again with --from {done} for "
            "the rest"
        ) from None
    if not import_.received:
        raise LinkError(f"{plant.name}: the server has no samples from {_iso(start_ns)} to {_iso(end_ns)}")
    say(f"{out}: {import_.rows} samples", err=True)


class _Import:
    """Portions of time, oldest first, each written before the next is asked for.

    Attributes:
        received: samples so far.
        rows: samples in the file, once it is written.
        done_ns: until when everything has been written, UTC ns.
    """

    def __init__(self, plant: PlantSpec, out: Path, link: str) -> None:
        self._plant, self._out, self._link = plant, out, link
        self.received = self.rows = 0
        self.done_ns = 0

    async def run(self, start_ns: int, end_ns: int) -> None:
        from procwm.data.writer import LogWriter

        self.done_ns = start_ns
        async with registry.history(self._link)(self._plant) as history:
            writer = LogWriter(self._out, self._plant)
            try:
                with writer:
                    await self._portions(history, writer, start_ns, end_ns)
            finally:
                self.rows = writer.rows

    async def _portions(self, history: PlantHistory, writer: "LogWriter", start_ns: int, end_ns: int) -> None:
        smallest_ns = round(self._plant.interval_s * _SMALLEST_INTERVALS * 1e9)
        step_ns = max(smallest_ns, -(-(end_ns - start_ns) // _PORTIONS))
        # To the microsecond, which is what a time on the command line can say.
        step_ns = -(-step_ns // 1000) * 1000
        with progress("importing") as advance:
            while self.done_ns < end_ns:
                until_ns = min(end_ns, self.done_ns + step_ns)
                async for samples in history.read(self.done_ns, until_ns):
                    writer.append(samples)
                    self.received += len(samples)
                self.done_ns = until_ns
                share = (until_ns - start_ns) / (end_ns - start_ns)
                advance(share, f"importing until {_iso(until_ns)}: {self.received} samples")


def _time_ns(option: str, text: str) -> int:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise SpecError(f"{option} {text}: write a time as 2024-05-01T06:00Z") from None
    if time.year not in _YEARS:
        raise SpecError(f"{option} {text}: write a time between the years {_YEARS[0]} and {_YEARS[-1]}")
    aware = time if time.tzinfo else time.replace(tzinfo=UTC)
    return (aware - _EPOCH) // timedelta(microseconds=1) * 1000


def _iso(time_ns: int) -> str:
    return (_EPOCH + timedelta(microseconds=time_ns // 1000)).isoformat().replace("+00:00", "Z")
