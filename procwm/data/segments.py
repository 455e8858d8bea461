"""Segments of a recording: rows that survive the death of the process, until they are merged into its file.

They are in the folder `NAME.parts` beside the file `NAME`, numbered, in Arrow's streaming format. Each
process that records opens one of its own; what is already there is never written to again.
"""

import contextlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pyarrow as pa
import pyarrow.ipc as ipc

from procwm.errors import LogError

_NAME = re.compile(r"^(\d{6})\.arrows$")


def parts_of(path: Path) -> Path:
    """The folder of a recording's segments."""
    return path.with_name(path.name + ".parts")


class Segment:
    """The newest segment of the recording `path`, open for writing."""

    def __init__(self, path: Path, schema: pa.Schema) -> None:
        parts = parts_of(path)
        if parts.is_symlink():
            raise LogError(f"{parts}: is a link to another place; remove it, or choose another name")
        parts.mkdir(parents=True, exist_ok=True)
        taken = [int(match[1]) for part in parts.iterdir() if (match := _NAME.match(part.name))]
        self._file: IO[bytes] = (parts / f"{max(taken, default=-1) + 1:06d}.arrows").open("xb")
        self._stream = ipc.new_stream(self._file, schema)

    @property
    def closed(self) -> bool:
        """Whether nothing more can be written."""
        return self._file.closed

    def append(self, rows: pa.RecordBatch) -> None:
        """Write `rows`; when this returns they survive the death of the process."""
        self._stream.write_batch(rows)
        self._file.flush()

    def abandon(self) -> None:
        """Leave the segment after a failed `append`: what it holds whole stays readable, the rest is lost."""
        with contextlib.suppress(OSError):
            self._file.close()

    def close(self) -> None:
        """End the segment."""
        self._stream.close()
        self._file.close()


def segments(path: Path) -> Iterator[pa.Table]:
    """The whole rows of every segment of the recording `path` that has any, oldest first."""
    for part in sorted(parts_of(path).iterdir()):
        if _NAME.match(part.name) and (batches := _whole(part)):
            yield pa.Table.from_batches(batches)


def _whole(part: Path) -> list[pa.RecordBatch]:
    """The whole batches of a segment; a process that died while writing may have left part of one."""
    batches = []
    with part.open("rb") as file:
        try:
            for batch in ipc.open_stream(file):
                batches.append(batch)  # noqa: PERF402 - what came before a torn batch is kept
        except (pa.ArrowInvalid, OSError):
            pass
    return batches
