"""What a control cycle was given and what it came to."""

import re
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from procwm.control.decision import Decision
from procwm.control.forecast import Forecast
from procwm.control.health import Permits
from procwm.plant.request import Request
from procwm.plant.samples import Sample, Setpoints
from procwm.plant.texts import shown

FAILED = "the controller failed"
"""How the reason of a cycle begins whose step raised an exception."""
_REQUEST = re.compile(r"request of (.+?) (?:taken up|refused)\b")


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """What a step was given besides the state: with them it can be taken again.

    Attributes:
        samples: in the order given.
        setpoints, requests: taken up before the step.
        permits: of this cycle.
        forecast: what was known ahead in this cycle, as `Controller.step` takes it.
        in_force: MVs that the plant accepted, where they are not those decided.
        state: before the step, as bytes; only in some cycles, the first of a run among them.
    """

    samples: tuple[Sample, ...] = ()
    setpoints: Setpoints = field(default_factory=dict)
    requests: tuple[Request, ...] = ()
    permits: Permits = field(default_factory=Permits)
    forecast: Forecast = field(default_factory=dict)
    in_force: Setpoints | None = None
    state: bytes | None = None


@dataclass(frozen=True, kw_only=True, eq=False)
class Cycle:
    """All that happened in one control interval, engineering units.

    Attributes:
        tick: count of cycles before this one.
        time_ns: of the tick, UTC.
        samples: received since the tick before.
        decision: of the controller.
        accepted: what the plant took; `None` where nothing was written, or nothing is known.
        fault: what went wrong between controller and plant, one sentence, or empty.
        inputs: of the step; `None` where none was taken.
        events: what happened besides, one sentence each: requests taken up or refused, a start.
    """

    tick: int
    time_ns: int
    samples: tuple[Sample, ...]
    decision: Decision
    accepted: Setpoints | None
    fault: str
    inputs: Inputs | None = None
    events: tuple[str, ...] = ()


@runtime_checkable
class CycleSink(Protocol):
    """Keeps cycles; `Recorder` is one."""

    def append(self, cycle: Cycle) -> None:
        """Keep one cycle; when this returns it survives the death of the process."""
        ...


@runtime_checkable
class SampleSink(Protocol):
    """A `CycleSink` that also keeps samples as soon as they are here."""

    def receive(self, samples: tuple[Sample, ...]) -> None:
        """Keep the samples of the cycle that begins; when this returns they survive the process."""
        ...


def told_of(who: str, outcome: str) -> str:
    """The event that says what became of a request of `who`, which begins with `taken up` or `refused`."""
    return shown(f"request of {who} {outcome}".rstrip())


def requester(event: str) -> str | None:
    """Whose request an event of `told_of` is about; `None` for any other event."""
    found = _REQUEST.match(event)
    return found[1] if found else None
