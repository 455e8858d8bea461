"""What front ends of a controller are shown and may ask for: the seam between the runtime and any display.

A front end is a server of the controller, a display, or a monitoring system. It sees `Facts`, one for
every control cycle, and asks through a `Desk`; there is no way to ask for anything about guardrails.
"""

import math
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType, TracebackType
from typing import Protocol, Self, runtime_checkable

from procwm.plant.request import Request
from procwm.plant.tags import Interval, Role

MODES = ("off", "shadow", "advisory", "auto", "shed", "test")
"""The modes of a controller, in the order of the numbers that stand for them on the wire."""

NO_INTERVAL: Interval = (math.nan, math.nan)
_NONE: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Variable:
    """One tag as a front end shows it, engineering units; NaN stands for "there is none".

    Attributes:
        role, unit, range: of the plant file.
        value: newest Good measurement; of an MV what the plant reports.
        setpoint, zone, limits: in force.
        move: of an MV: what this cycle wrote, or would write.
        prediction: over the horizon: outputs as predicted, MVs as planned.
        on: whether a CV or MV is switched on.
        held: why an MV is not written; empty where it is.
        forecast: of a tag with a `forecast_node`: what the last cycle knew ahead; `None` of any other.
        asked_setpoint, asked_limits, asked_on: in force once all waiting requests are taken up.
    """

    role: Role
    unit: str = ""
    range: Interval = NO_INTERVAL
    value: float = math.nan
    setpoint: float = math.nan
    zone: Interval = NO_INTERVAL
    limits: Interval = NO_INTERVAL
    move: float = math.nan
    prediction: tuple[float, ...] = ()
    on: bool = True
    held: str = ""
    forecast: tuple[float, ...] | None = None
    asked_setpoint: float = math.nan
    asked_limits: Interval = NO_INTERVAL
    asked_on: bool = True


@dataclass(frozen=True, kw_only=True)
class Guardrail:
    """One guardrail as predicted; safe where `<= 0`, its calibrated margin included.

    Attributes:
        worst: largest value over the horizon; NaN where nothing was predicted.
        prediction: over the horizon.
    """

    worst: float = math.nan
    prediction: tuple[float, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Facts:
    """All that a front end shows of one control cycle.

    Attributes:
        plant: its name.
        interval_s: control interval.
        time_ns: of the tick, UTC.
        heartbeat: counts the cycles, modulo 2^32; standing still it says that the controller does.
        requested, actual: modes, of `MODES`.
        mode_reason: of the last change of mode.
        reason: of this cycle's decision.
        alarms: what an operator should know besides, one sentence each.
        step_s: wall time of the controller's step.
        kpis: of this run so far, NaN where there is nothing to tell yet.
        variables: by tag: CVs, MVs, then the others.
        guardrails: by name.
    """

    plant: str
    interval_s: float
    time_ns: int
    heartbeat: int
    requested: str
    actual: str
    mode_reason: str = ""
    reason: str = ""
    alarms: tuple[str, ...] = ()
    step_s: float = math.nan
    kpis: Mapping[str, float] = field(default_factory=lambda: _NONE)
    variables: Mapping[str, Variable]
    guardrails: Mapping[str, Guardrail]


@runtime_checkable
class Desk(Protocol):
    """Where front ends ask; safe to call from any thread, and never blocks."""

    def ask(self, request: Request) -> None:
        """Let the controller take up `request` at its next cycle.

        Raises:
            SpecError: it is refused, for the stated reason; the refusal is told in the audit log.
        """
        ...

    def refused(self, who: str, what: str, why: str) -> None:
        """Have it told in the audit log that `who` asked for something that is no request at all."""
        ...


class FrontServer(Protocol):
    """Shows a controller's facts to others between entering and leaving it: `async with server:`."""

    @property
    def url(self) -> str:
        """Where it is served; known once it is entered."""
        ...

    def show(self, facts: Facts) -> None:
        """Show `facts` in place of those before; returns at once."""
        ...

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...


class FrontClient(Protocol):
    """Follows a controller that is served: `async with client:`."""

    def facts(self) -> AsyncIterator[Facts]:
        """The facts of the newest cycle, whenever there is a new one; `LinkError` once it is lost."""
        ...

    async def __aenter__(self) -> Self: ...
    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None: ...
