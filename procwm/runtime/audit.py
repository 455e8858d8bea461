"""The audit log: one JSON line an event, append-only, each line bound to the one before by its hash.

    {"seq", "time", "event", "text", "who", "model", "config", "before"}

`model` and `config` are the hashes of what decided; `before` is the SHA-256 of the line before. Whoever can
write the file can compute such hashes anew: every recorded cycle holds the head of the log before it, so that
what was cut off, emptied or written again differs from the recording (`check_audit`).
"""

import asyncio
import errno
import hashlib
import json
import logging
import os
import time
from collections.abc import Iterable, Sequence
from io import RawIOBase
from pathlib import Path
from types import TracebackType
from typing import NamedTuple

from procwm.control.fallback import RUNGS
from procwm.control.identity import Identity
from procwm.data.files import without_links
from procwm.data.series import iso_utc
from procwm.errors import LogError
from procwm.plant.regular_files import check_regular
from procwm.runtime.cycle import FAILED, Cycle, requester

_log = logging.getLogger(__name__)

_BEGINS = b'{"seq": '
"""Every line does."""


class AuditHead(NamedTuple):
    """How far an audit log has come: its count of lines, and the hash of the last one."""

    lines: int
    digest: str


class AuditLog:
    """Tells what changed from cycle to cycle; a `CycleSink`. Opened again, it goes on.

    Attributes:
        head: of what is on disk.
    """

    def __init__(self, path: str | Path, identity: Identity, *, who: str) -> None:
        """Args: path: of the file. identity: of the controller. who: whoever started the run."""
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._identity, self._who = identity, who
        lines = _whole_lines(self.path)
        self._seq = len(lines)
        self._before = _digest(lines[-1]) if lines else ""
        self.head = AuditHead(self._seq, self._before)
        self._mode, self._fault, self._without_plan, self._stated = "", "", False, frozenset[str]()
        self._waiting: list[bytes] = []
        self._time_ns, self._noted_ns = 0, time.monotonic_ns()

    def event(self, kind: str, text: str, time_ns: int, *, who: str = "controller") -> None:
        """Append one event. While the disk is full, lines wait in memory and keep their order."""
        self._note(kind, text, time_ns, who=who)
        self._flush()

    def _note(self, kind: str, text: str, time_ns: int, *, who: str = "controller") -> None:
        self._time_ns = time_ns
        line = json.dumps(
            {
                "seq": self._seq,
                "time": iso_utc(time_ns),
                "event": kind,
                "text": text,
                "who": who,
                "model": self._identity.model[:16],
                "config": self._identity.plant[:16],
                "before": self._before,
            }
        ).encode()
        self._seq, self._before = self._seq + 1, _digest(line)
        self._waiting.append(line)

    def append(self, cycle: Cycle) -> None:
        """The events of one cycle; a cycle like the one before has none."""
        decision = cycle.decision
        self._time_ns, self._noted_ns = cycle.time_ns, time.monotonic_ns()
        for text in cycle.events:
            who = requester(text)
            self._note("run" if who is None else "request", text, cycle.time_ns, who=who or "controller")
        mode = f"{decision.mode} (asked for: {decision.requested})"
        if mode != self._mode:
            why = decision.reason if decision.mode != decision.requested else decision.mode_reason
            self._note("mode", f"{mode}: {why}", cycle.time_ns)
            self._mode = mode
        if bool(cycle.fault) != bool(self._fault):
            self._note("link", cycle.fault or f"over: {self._fault}", cycle.time_ns)
        self._fault = cycle.fault
        # A planner has rungs of its own, and may call one of them by the same name as the fallback.
        without_plan = decision.reason.endswith(tuple(RUNGS.values())) or decision.reason.startswith(FAILED)
        if without_plan != self._without_plan:
            self._note("plan", decision.reason if without_plan else "over", cycle.time_ns)
        self._without_plan = without_plan
        if decision.adapted:
            self._note("model", decision.adapted, cycle.time_ns)
        stated = frozenset(
            (*_subjects(decision.notes), *(f"{mv}: held, {why}" for mv, why in decision.held.items()))
        )
        for text in sorted(stated - self._stated):
            self._note("alarm", text, cycle.time_ns)
        for text in sorted(self._stated - stated):
            self._note("alarm", f"over: {text}", cycle.time_ns)
        self._stated = stated
        # Once a cycle: a lost instrument room is a burst of alarms, and the disk takes time for each answer.
        if self._waiting:
            self._flush()

    def _flush(self) -> None:
        try:
            with open(self.path, "a+b", buffering=0, opener=without_links) as file:
                while self._waiting:
                    # What is on a disk that fills up does not wait any more: it would be there twice.
                    _write_whole(file, self._waiting[0])
                    del self._waiting[0]
                os.fsync(file.fileno())
            self.head = AuditHead(self._seq, self._before)
        except OSError as error:
            _log.warning("%s: %d lines wait: %s", self.path, len(self._waiting), error.strerror or error)

    def __enter__(self) -> "AuditLog":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        # The end has a time of its own; after the last cycle the plant's clock has gone on like ours.
        since_ns = time.monotonic_ns() - self._noted_ns
        self.event("run", _ending(error), self._time_ns + since_ns, who=self._who)


def _ending(error: BaseException | None) -> str:
    if error is None:
        return "ended"
    if isinstance(error, KeyboardInterrupt | asyncio.CancelledError):
        return "stopped from outside, by Ctrl-C or a signal"
    return f"ended by {type(error).__name__} {error}".rstrip()


def _write_whole(file: RawIOBase, line: bytes) -> None:
    """Append `line`; `OSError` where part of it is missing."""
    if _torn(file):
        file.write(b"\n")
    written = file.write(line + b"\n") or 0
    if written < len(line):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def _torn(file: RawIOBase) -> bool:
    """Whether the last line has no end: a kill, or a disk that filled up, may have left part of one."""
    if not file.seek(0, os.SEEK_END):
        return False
    file.seek(-1, os.SEEK_END)
    return bool(file.read(1) != b"\n")


def check_audit(path: str | Path, heads: Iterable[AuditHead] = ()) -> int:
    """The count of events in an audit log that nobody has altered.

    Args:
        heads: that it had at some time, as a recording tells (`recorded_heads`).

    Raises:
        LogError: a line is missing, altered, out of order or no event; names it.
    """
    path, before = Path(path), ""
    digests = [before]
    for number, line in _numbered(path):
        try:
            entry = json.loads(line)
            follows = (entry["seq"], entry["before"]) == (len(digests) - 1, before)
        except (ValueError, TypeError, KeyError, RecursionError):
            raise LogError(f"{path}: line {number} is no event of an audit log") from None
        if not follows:
            raise LogError(f"{path}: line {number} does not follow from the one before: it was altered")
        before = _digest(line)
        digests.append(before)
    for head in heads:
        if head.lines >= len(digests):
            raise LogError(
                f"{path}: it has {len(digests) - 1} events, and had {head.lines} when a cycle was recorded: "
                "the end was cut off"
            )
        if digests[head.lines] != head.digest:
            raise LogError(
                f"{path}: event {head.lines} is not the one that it was when a cycle was recorded: "
                "the log was written again"
            )
    return len(digests) - 1


def _whole_lines(path: Path) -> list[bytes]:
    """Lines that are whole."""
    return [line for _, line in _numbered(path)]


def _numbered(path: Path) -> list[tuple[int, bytes]]:
    """Whole lines with their numbers; a kill, or a disk that filled up, may have left part of one."""
    check_regular(path, LogError)
    if not path.exists():
        return []
    lines = enumerate(path.read_bytes().split(b"\n"), start=1)
    return [(number, line) for number, line in lines if line and not _part_of_one(line)]


def _part_of_one(line: bytes) -> bool:
    begins = line.startswith(_BEGINS[: len(line)])
    return begins and not line.endswith(b"}")


def _digest(line: bytes) -> str:
    return hashlib.sha256(line).hexdigest()


def _subjects(notes: Sequence[str]) -> list[str]:
    """Notes without the figures that change in every cycle: what is told once is not told again."""
    return [f"{tag}: {text.rpartition('; ')[2]}" for tag, _, text in (note.partition(": ") for note in notes)]
