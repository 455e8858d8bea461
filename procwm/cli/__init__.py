"""The `procwm` command: every error one sentence, exit 0, 1 (it failed) or 2 (wrong usage or file)."""

import logging
import os
import signal
import sys
from collections.abc import Sequence
from importlib.metadata import version
from types import FrameType

import typer

from procwm.cli import certificate as certificates
from procwm.cli import comparing, importing, initialising, jobs, plants, rehearsing, reporting, view
from procwm.cli import models as learning
from procwm.cli import simulated_plants as simulation
from procwm.cli.output import say
from procwm.cli.plain_help import PlainCommand
from procwm.errors import ArtifactError, LogError, ProcwmError, SpecError
from procwm.plant.texts import shown

app = typer.Typer(
    help="Process control with a learned world model: give it a plant file and an operating log.",
    add_completion=False,
    rich_markup_mode=None,
)
for group in (
    jobs,
    simulation,
    plants,
    learning,
    certificates,
    importing,
    initialising,
    rehearsing,
    reporting,
    comparing,
    view,
):
    group.register(app)
for registered in app.registered_commands:
    registered.cls = PlainCommand


def _tell_version(asked: bool) -> bool:
    if asked:
        typer.echo(f"procwm {version('procwm')}")
        raise typer.Exit
    return asked


@app.callback()
def options(
    debug: bool = typer.Option(False, "--debug", help="Show the whole trace of an unexpected error."),
    told: bool = typer.Option(
        False, "--version", help="Show the version and exit.", callback=_tell_version, is_eager=True
    ),
) -> None:
    """Process control with a learned world model: give it a plant file and an operating log."""
    del told  # done by its callback
    del debug  # read from the arguments in `run`, which must know it before they are parsed


def main() -> None:
    """Entry point of the `procwm` command."""
    # Two threads per numerical library were slower than one on a shared machine; read on import.
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    signal.signal(signal.SIGTERM, _interrupt)
    _configure_logging("--debug" in sys.argv)
    sys.exit(run(sys.argv[1:]))


def _interrupt(number: int, frame: FrameType | None) -> None:
    """End as Ctrl-C does, also where Ctrl-C is switched off, as it is behind the `&` of a script."""
    handler = signal.getsignal(signal.SIGINT)
    if not callable(handler):
        raise KeyboardInterrupt
    handler(number, frame)


def run(arguments: Sequence[str]) -> int:
    """Run one command line and return its exit code."""
    if not arguments:
        run(["--help"])
        return 2
    debug = "--debug" in arguments
    try:
        code = app(args=list(arguments), prog_name="procwm", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except typer.TyperException as error:
        return _complain(error.format_message(), error.exit_code)
    except ProcwmError as error:
        if debug:
            raise
        wrong_file = isinstance(error, SpecError | LogError | ArtifactError)
        return _complain(str(error), 2 if wrong_file else 1)
    except BrokenPipeError:
        # Whoever read our output has gone; nothing more can be said, not even at interpreter exit.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except OSError as error:
        if debug:
            raise
        where = f"{error.filename}: " if error.filename else ""
        return _complain(f"{where}{error.strerror or error}", 1)
    except (KeyboardInterrupt, typer.Abort):
        return _complain("interrupted", 1)
    except Exception as error:
        if debug:
            raise
        return _complain(
            f"unexpected {type(error).__name__}: {error} (a bug in procwm; `procwm --debug ...` shows where)",
            1,
        )


def _complain(sentence: str, code: int) -> int:
    say(f"procwm: {' '.join(sentence.split())}", err=True)
    return code


class _OneLine(logging.Formatter):
    """What servers say reaches the terminal as one line that commands nothing."""

    def formatMessage(self, record: logging.LogRecord) -> str:  # noqa: N802 - of the library
        return shown(super().formatMessage(record))


def _configure_logging(debug: bool) -> None:
    """Warnings of procwm and its adapters on stderr, one line each; other libraries' only with `--debug`."""
    if debug:
        logging.basicConfig(level=logging.INFO)
        return
    handler = logging.StreamHandler()
    handler.setFormatter(_OneLine("procwm: %(message)s"))
    handler.addFilter(lambda record: record.name.startswith("procwm"))
    logging.getLogger().addHandler(handler)
