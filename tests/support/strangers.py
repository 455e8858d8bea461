"""Cases of strangers: small inputs from public reports, beside the repository, and their servers."""

import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

import pytest

CASES = Path(__file__).parents[2].parent / "shared" / "data" / "cases"
here = pytest.mark.skipif(not CASES.is_dir(), reason="the cases are not here")
_SECONDS = 600
"""After which a server ends by itself, should the test not end it."""


def case(name: str, into: Path) -> Path:
    """A copy of the case's files in `into`, as far as procwm may write there."""
    folder = into / name
    shutil.copytree(CASES / name, folder, copy_function=shutil.copyfile)
    return folder


class Served(NamedTuple):
    """A server that runs on this machine, and its process."""

    port: int
    pid: int


@contextmanager
def served(script: Path, *arguments: str) -> Iterator[Served]:
    """The case's own server in a process of its own."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    command = [sys.executable, str(script), str(port), str(_SECONDS), *arguments]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as server:
        try:
            assert server.stdout is not None
            assert server.stdout.readline().strip() == "up"
            yield Served(port, server.pid)
        finally:
            server.kill()


def at(plant_file: Path, server: Served) -> Path:
    """`plant_file` with the endpoint of `server`, beside it."""
    endpoint = f"127.0.0.1:{server.port}"
    text = re.sub(r"127\.0\.0\.1:\d+", endpoint, plant_file.read_text(encoding="utf-8"))
    changed = plant_file.with_name(f"{server.port}-{plant_file.name}")
    changed.write_text(text, encoding="utf-8")
    return changed
