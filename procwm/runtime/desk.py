"""The desk at which front ends ask: requests are checked at once, and taken up like every other."""

from collections.abc import Sequence
from dataclasses import replace

from procwm.control import modes
from procwm.control.modes import Mode, ModeState
from procwm.control.targets import Targets
from procwm.errors import SpecError
from procwm.plant.request import Request
from procwm.plant.tags import PlantSpec
from procwm.runtime.cycle import Cycle, told_of
from procwm.runtime.operator import Operator

_WAITING = 50
"""Requests of one control interval; more are refused, so that nobody keeps the controller from its work."""
_TOLD = 50
"""Refusals of one control interval that are told one by one; more are counted."""


class RequestDesk(Operator):
    """An `Operator` for people at front ends.

    A request is refused at once where the plant file, the nested limits or the mode forbid it. What passes is
    checked again at the tick that takes it up: only the runtime decides what a running controller does.
    """

    def __init__(self, plant: PlantSpec) -> None:
        """Args: plant: whose limits can only be tightened."""
        super().__init__()
        self._plant = plant
        self._mode: ModeState | None = None
        self._targets = Targets()
        self._taken: tuple[Request, ...] = ()
        self._refusals: list[str] = []
        self._unheard = 0

    def ask(self, request: Request) -> None:
        """Ask at the next tick; `SpecError` where that is refused, which the audit log will tell."""
        with self._lock:
            try:
                if len(self._waiting) >= _WAITING:
                    raise SpecError(f"{_WAITING} requests wait already; ask again after the next cycle")
                self._checked(request)
            except SpecError as error:
                self._tell(request.who, str(request), str(error))
                raise
            self._waiting.append(request)

    def refused(self, who: str, what: str, why: str) -> None:
        """Have the audit log tell that `who` asked for `what`, which is no request at all."""
        with self._lock:
            self._tell(who, what, why)

    def taken(self) -> Sequence[Request]:
        """What was asked since the last call, oldest first."""
        taken = super().taken()
        with self._lock:
            self._taken = (*self._taken, *taken)
        return taken

    def told(self) -> tuple[str, ...]:
        """Refusals since the last call, one sentence each."""
        with self._lock:
            told, unheard = tuple(self._refusals), self._unheard
            self._refusals, self._unheard = [], 0
        return (*told, f"request refused: {unheard} more in the same interval") if unheard else told

    def append(self, cycle: Cycle) -> None:
        """Take note of what is in force after `cycle`."""
        decision = cycle.decision
        with self._lock:
            self._mode = ModeState(decision.requested, decision.mode, decision.mode_reason)
            if cycle.inputs is not None:
                self._taken = ()
            # A cycle without a step says nothing about them, and changes nothing.
            if decision.limits:
                self._targets = Targets(decision.target, decision.zone, decision.limits, decision.off)

    @property
    def in_force(self) -> Targets:
        """Targets of the last cycle that decided."""
        with self._lock:
            return self._targets

    @property
    def asked(self) -> Targets:
        """Targets once every waiting request has been taken up."""
        with self._lock:
            return self._asked()

    def _asked(self) -> Targets:
        targets = self._targets
        for request in (*self._taken, *self._waiting):
            targets = targets.with_(self._plant, request)
        return targets

    def _checked(self, request: Request) -> None:
        self._asked().with_(self._plant, request)
        mode = self._mode
        for before in (*self._taken, *self._waiting):
            if mode is not None and before.mode is not None:
                mode = replace(mode, actual=modes.named(before.mode))
        if request.mode == Mode.SHED:
            raise SpecError(
                "mode shed is the controller's own; ask for shadow or off to stop it from writing"
            )
        asked = None if request.mode is None else modes.named(request.mode)
        if asked is not None and mode is not None:
            modes.request(mode, asked)

    def _tell(self, who: str, what: str, why: str) -> None:
        if len(self._refusals) < _TOLD:
            self._refusals.append(told_of(who, f"refused ({what}): {why}"))
        else:
            self._unheard += 1
