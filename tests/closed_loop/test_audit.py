"""The audit log's file: whole lines, one write to the disk a cycle, and whose model it was."""

import asyncio
import contextlib
import hashlib
import json
import os
import resource
from dataclasses import replace
from pathlib import Path

import pytest
from linear_loop import START_NS, model_of, plant_spec

from procwm.control.controller import Controller
from procwm.control.decision import Decision
from procwm.control.identity import Identity, identity
from procwm.data.series import iso_utc
from procwm.errors import LogError, SpecError
from procwm.runtime.audit import AuditLog, check_audit
from procwm.runtime.cycle import Cycle
from procwm.runtime.folder import RunFolder, check_run

WHOSE = Identity("a" * 64, "b" * 64)


def cycle(*events: str, notes: tuple[str, ...] = ()) -> Cycle:
    return Cycle(
        tick=0,
        time_ns=START_NS,
        samples=(),
        decision=Decision(setpoints=None, reason="none", time_ns=START_NS, notes=notes),
        accepted=None,
        fault="",
        events=events,
    )


def test_a_line_that_a_kill_cut_short_takes_no_other_with_it(tmp_path: Path) -> None:
    path = tmp_path / "audit.jsonl"
    AuditLog(path, WHOSE, who="tester").event("run", "before", START_NS)
    with path.open("ab") as file:
        file.write(b'{"seq": 1, "te')
    AuditLog(path, WHOSE, who="tester").event("run", "after", START_NS)
    first, _, last = path.read_bytes().splitlines()
    assert [json.loads(line)["text"] for line in (first, last)] == ["before", "after"]


@pytest.mark.parametrize("room", range(0, 700, 23))
def test_a_disk_that_fills_up_within_a_burst_doubles_and_loses_no_line(tmp_path: Path, room: int) -> None:
    path = tmp_path / "audit.jsonl"
    log = AuditLog(path, WHOSE, who="tester")
    log.event("run", "began", START_NS)
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (path.stat().st_size + room, before[1]))
    try:
        log.append(cycle("one", "two"))
        held = log.head
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    log.append(cycle("three"))
    assert check_audit(path, [held, log.head]) == log.head.lines
    texts = [json.loads(line)["text"] for line in path.read_bytes().splitlines() if line.endswith(b"}")]
    asked = ["began", "one", "two", "three"]
    assert [text for text in texts if text in asked] == asked


def test_a_burst_of_alarms_waits_for_the_disk_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waited: list[int] = []
    monkeypatch.setattr(os, "fsync", waited.append)
    log = AuditLog(tmp_path / "audit.jsonl", WHOSE, who="tester")
    log.append(cycle("one", "two", notes=tuple(f"T{number}: lost" for number in range(50))))
    assert len(waited) == 1
    assert len((tmp_path / "audit.jsonl").read_text().splitlines()) >= 52


def test_another_margin_is_another_model() -> None:
    plant = plant_spec()
    model = model_of(plant, guard_above=90.0)
    before = identity(plant, model)
    model.guard_heads[0].margin += 1e-9
    after = identity(plant, model)
    assert after.model != before.model
    assert after == replace(before, model=after.model)


def test_an_end_from_outside_has_its_own_word_and_a_time_after_the_last_cycle(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [0]
    monkeypatch.setattr("procwm.runtime.audit.time.monotonic_ns", lambda: clock[0])
    for error in (KeyboardInterrupt, asyncio.CancelledError):
        path = tmp_path / f"{error.__name__}.jsonl"
        with contextlib.suppress(error), AuditLog(path, WHOSE, who="tester") as log:
            log.append(cycle())
            clock[0] += 4_000_000_000
            raise error
        last = json.loads(path.read_bytes().splitlines()[-1])
        assert last["text"] == "stopped from outside, by Ctrl-C or a signal"
        assert last["time"] == iso_utc(START_NS + 4_000_000_000)


def run_folder(directory: Path, cycles: int = 4) -> Path:
    """The audit log of a run whose every cycle said something."""
    plant = plant_spec()
    with RunFolder(directory, Controller(plant, model_of(plant))) as folder:
        folder.taken_up(START_NS)
        for number in range(cycles):
            folder.append(replace(cycle(f"event {number}"), tick=number, time_ns=START_NS + number))
    return directory / "audit.jsonl"


def written_again(lines: list[bytes], text: str) -> bytes:
    """The log with the text of its third event changed, and every hash after it computed anew."""
    before, made = "", []
    for number, line in enumerate(lines):
        entry = json.loads(line) | {"before": before}
        entry["text"] = text if number == 2 else entry["text"]
        made.append(json.dumps(entry).encode())
        before = hashlib.sha256(made[-1]).hexdigest()
    return b"".join(line + b"\n" for line in made)


def test_what_was_cut_emptied_removed_or_computed_anew_differs_from_the_recording(tmp_path: Path) -> None:
    path = run_folder(tmp_path)
    whole = path.read_bytes()
    lines = whole.splitlines()
    assert check_run(tmp_path) == len(lines)
    for altered, said in (
        (b"".join(line + b"\n" for line in lines[:3]), "the end was cut off"),
        (b"", "it has 0 events"),
        (written_again(lines, "something else"), "the log was written again"),
        (whole + b"hello\n", "is no event of an audit log"),
        (whole.replace(b"event 1", b"event 9"), "it was altered"),
    ):
        path.write_bytes(altered)
        with pytest.raises(LogError, match=said):
            check_run(tmp_path)
    path.unlink()
    with pytest.raises(LogError, match="it has 0 events"):
        check_run(tmp_path)


def test_a_run_that_goes_on_says_that_its_log_was_altered(tmp_path: Path) -> None:
    path = run_folder(tmp_path)
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:3]))
    run_folder(tmp_path)
    told = [json.loads(line)["text"] for line in path.read_bytes().splitlines()]
    assert any("the log before this line is not whole" in text and "cut off" in text for text in told)


def test_a_folder_belongs_to_one_run_at_a_time(tmp_path: Path) -> None:
    plant = plant_spec()
    controller = Controller(plant, model_of(plant))
    said = f"a run of process {os.getpid()} writes into it"
    with RunFolder(tmp_path, controller), pytest.raises(SpecError, match=said):
        RunFolder(tmp_path, controller)
    RunFolder(tmp_path, controller).__exit__(None, None, None)
