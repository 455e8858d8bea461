"""The folder of a run: recording, audit log, KPIs and the state to go on from after a kill.

DIR/samples.parquet, DIR/decisions.parquet   as `Recorder` writes them
DIR/audit.jsonl                              as `AuditLog` writes it
DIR/kpis.json                                as `Kpis` counts them, when the run ends
DIR/plant.toml, DIR/about.json               as `describe_run` writes them
DIR/state                                    as `Snapshot` keeps it
DIR/lock                                     held while a run goes on: one controller, one plant, one folder
"""

import fcntl
import os
from pathlib import Path
from types import TracebackType
from typing import BinaryIO

from procwm.control.modes import WRITING, Mode
from procwm.control.state import ControllerState
from procwm.control.steerable import SteerableController
from procwm.data.files import write_json
from procwm.data.writer import recorded_between
from procwm.errors import LogError, SpecError
from procwm.plant.account import account
from procwm.plant.samples import Sample
from procwm.runtime.audit import AuditLog, check_audit
from procwm.runtime.cycle import Cycle
from procwm.runtime.kpis import Kpis
from procwm.runtime.recorder import Recorder, recorded_heads
from procwm.runtime.run_record import describe_run
from procwm.runtime.snapshot import Snapshot


class RunFolder:
    """Keeps everything about a run; a `CycleSink`. Opened again, it goes on.

    Attributes:
        snapshot: for `procwm.runtime.loop.run`.
        kpis: of this run.
    """

    def __init__(self, directory: str | Path, controller: SteerableController) -> None:
        """Take the folder for a run.

        Args:
            directory: made where it is missing.
            controller: whose run it is.

        Raises:
            SpecError: another run goes on in it.
        """
        self.directory = Path(directory)
        self._controller = controller
        self.directory.mkdir(parents=True, exist_ok=True)
        self._lock = _locked(self.directory / "lock")
        self._altered = _altered(self.directory)
        describe_run(self.directory, controller)
        self._recorder = Recorder(self.directory, controller.plant)
        self._audit = AuditLog(self.directory / "audit.jsonl", controller.identity, who=account())
        self.snapshot = Snapshot(self.directory / "state")
        self.kpis = Kpis(controller.plant)

    def taken_up(self, now_ns: int) -> ControllerState | None:
        """The state that an earlier run left, where it is fresh and this controller's; told in the audit log.

        The mode is that of the controller now. Where the plant had been given back, only an operator may ask
        for one that writes: a run that is started again by itself must not.
        """
        if self._altered:
            self._audit.event("alarm", f"the log before this line is not whole: {self._altered}", now_ns)
            self._altered = ""
        state, why = self.snapshot.taken_up(self._controller, now_ns)
        kept = ", ".join(self._controller.guardrails) or "none"
        begun = f"in mode {self._controller.mode}: {why}; guardrails: {kept}"
        self._audit.event("run", begun, now_ns, who=account())
        given_back = state is not None and state.mode.actual is Mode.SHED and self._controller.mode in WRITING
        if state is not None and not given_back and state.mode.requested is not self._controller.mode:
            state = self._controller.request(state, self._controller.mode, reason="started in another mode")
        return state

    def recorded(self, start_ns: int, end_ns: int) -> list[Sample]:
        """Samples with `start_ns <= time < end_ns` that this and earlier runs have kept."""
        return recorded_between(self.samples, self._controller.plant, start_ns, end_ns)

    @property
    def samples(self) -> Path:
        """The file of the samples."""
        return self.directory / "samples.parquet"

    def receive(self, samples: tuple[Sample, ...]) -> None:
        """Keep samples before anything is decided on them."""
        self._recorder.receive(samples)

    def append(self, cycle: Cycle) -> None:
        """Keep one cycle in each of the files."""
        self._recorder.append(cycle, self._audit.head)
        self._audit.append(cycle)
        self.kpis.append(cycle)

    def __enter__(self) -> "RunFolder":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._audit.__exit__(kind, error, trace)
        self._recorder.close()
        write_json(self.directory / "kpis.json", self.kpis.summary())
        self._lock.close()


def check_run(directory: str | Path) -> int:
    """The count of events in the audit log of a run's folder, which nobody has altered.

    Raises:
        LogError: what is wrong with it, also beside what the recording tells of it.
    """
    return check_audit(Path(directory) / "audit.jsonl", recorded_heads(directory))


def _altered(directory: Path) -> str:
    """What is wrong with the audit log that an earlier run left."""
    try:
        check_run(directory)
    except LogError as error:
        return str(error)
    return ""


def _locked(path: Path) -> BinaryIO:
    """The lock of a folder, held until it is closed or the process ends."""
    file = os.fdopen(os.open(path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW, 0o644), "r+b")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        holder = file.read(20).decode("ascii", "replace").strip() or "unknown"
        file.close()
        raise SpecError(
            f"{path.parent}: a run of process {holder} writes into it; give another folder, or stop that run"
        ) from None
    file.truncate()
    file.write(str(os.getpid()).encode())
    file.flush()
    return file
