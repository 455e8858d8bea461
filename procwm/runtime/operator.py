"""What whoever operates the controller asks of it while it runs."""

from collections.abc import Sequence
from threading import Lock

from procwm.plant.request import Request
from procwm.runtime.cycle import Cycle


class Operator:
    """Requests on their way to a running controller; any thread may ask."""

    def __init__(self) -> None:
        self._waiting: list[Request] = []
        self._lock = Lock()

    def ask(self, request: Request) -> None:
        """Let the controller take up `request` at its next tick."""
        with self._lock:
            self._waiting.append(request)

    def taken(self) -> Sequence[Request]:
        """What was asked since the last call, oldest first."""
        with self._lock:
            waiting, self._waiting = self._waiting, []
        return waiting

    def told(self) -> Sequence[str]:
        """What else there is to tell in the audit log: requests that were refused before they got here."""
        return ()

    def append(self, cycle: Cycle) -> None:
        """Take note of what became of a cycle: the run calls this after each, before anybody else hears."""
