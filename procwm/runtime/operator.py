"""What whoever operates the controller asks of it while it runs."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from threading import Lock
from types import MappingProxyType

from procwm.control.modes import Mode
from procwm.plant.tags import Interval

_NONE: Mapping[str, float] = MappingProxyType({})
_NO_INTERVALS: Mapping[str, Interval] = MappingProxyType({})
_NO_SWITCHES: Mapping[str, bool] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request, carried out whole at the next tick or refused whole.

    Attributes:
        who: asks.
        why: in a few words.
        mode: to change to, or `None`.
        setpoints, zones, limits: by tag, engineering units, as `Controller.step` takes them.
        on: CVs and MVs to switch on or off.
    """

    who: str
    why: str = ""
    mode: Mode | None = None
    setpoints: Mapping[str, float] = field(default_factory=lambda: _NONE)
    zones: Mapping[str, Interval] = field(default_factory=lambda: _NO_INTERVALS)
    limits: Mapping[str, Interval] = field(default_factory=lambda: _NO_INTERVALS)
    on: Mapping[str, bool] = field(default_factory=lambda: _NO_SWITCHES)

    def __str__(self) -> str:
        asked = [f"mode {self.mode}"] if self.mode is not None else []
        asked += [f"{tag} setpoint {value:g}" for tag, value in self.setpoints.items()]
        asked += [f"{tag} zone [{low:g}, {high:g}]" for tag, (low, high) in self.zones.items()]
        asked += [f"{tag} limits [{low:g}, {high:g}]" for tag, (low, high) in self.limits.items()]
        asked += [f"{tag} {'on' if on else 'off'}" for tag, on in self.on.items()]
        return ", ".join(asked) or "nothing"


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
