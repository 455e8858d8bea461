"""States of a controller that must not be gone on from, and what tells that one was not."""

import hashlib
import json
from dataclasses import replace
from pathlib import Path

from procwm.control.controller import Controller
from procwm.plant.samples import Setpoints
from procwm_studies.faults.judge import Verdict, read_audit
from procwm_studies.faults.run import Setting

STATES = ("cut short", "altered", "of another controller", "forged with wider limits")
"""What is wrong with the state that a run finds when it begins."""


def spoil(path: Path, how: str, made: Setting, in_force: Setpoints) -> None:
    """Make the state in `path` one of `STATES`."""
    data = path.read_bytes()
    if how == "cut short":
        path.write_bytes(data[: 2 * len(data) // 3])
    elif how == "altered":
        path.write_bytes(data.replace(b'"healthy":', b'"healthy":1', 1))
    elif how == "of another controller":
        other = replace(made.spec, control=replace(made.spec.control, hold_for_s=made.spec.interval_s))
        path.write_bytes(Controller(other, made.model).start(in_force).to_bytes())
    else:
        path.write_bytes(_wider(data, made))


def judge_refused(directory: Path, first_write: int | None, verdict: Verdict) -> None:
    """Whether the run began anew, said so, and wrote again.

    Args:
        directory: of the run.
        first_write: cycles before the first write; `None` where there was none.
        verdict: to add to.
    """
    if first_write is None:
        verdict.find("not_recovered", "no write after a state that was refused")
    elif first_write == 0:
        verdict.find("exceptions", "a state that had to be refused was gone on from")
    begun = [line["text"] for line in read_audit(directory / "audit.jsonl") if line["event"] == "run"]
    if not any("state" in text for text in begun if "no earlier state" not in text):
        verdict.find("untold", "nothing is said about a state that was refused")


def _wider(data: bytes, made: Setting) -> bytes:
    """A state as somebody would write it who knows the format: whole, and with limits of MVs beyond all."""
    head, _, body = data.partition(b"\n")
    state = json.loads(body)
    targets = next(item for name, item in state["items"] if name == "targets")
    targets["limits"]["items"] = [[mv.name, [-1e9, 1e9]] for mv in made.spec.mvs]
    forged = json.dumps(state, separators=(",", ":")).encode()
    name = head.rpartition(b" ")[0]
    return name + b" " + hashlib.sha256(forged).hexdigest().encode() + b"\n" + forged
