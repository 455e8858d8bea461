"""What a controller says in one cycle, and what can be run in place of one."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from procwm.control.modes import Mode
from procwm.planning.problem import Plan
from procwm.plant.samples import Sample, Setpoints
from procwm.plant.tags import Interval

NOTHING: Mapping[str, float] = MappingProxyType({})
_NOBODY: Mapping[str, str] = MappingProxyType({})
_NO_LIMITS: Mapping[str, Interval] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True, eq=False)
class Decision:
    """The outcome of one control cycle, engineering units.

    Attributes:
        setpoints: what to write, by MV; `None` means write nothing, for the stated reason.
        reason: one sentence an operator can read.
        plan: the trajectory behind `setpoints` or `proposed`, or the one that was refused.
        mode: in force during this cycle.
        requested: mode asked for.
        mode_reason: of the last change of mode, or of being shed.
        rung: which part of the ladder decided: that of the plan, `tail`, `hold`, `recovery`, or empty.
        proposed: what AUTO would write; in SHADOW and ADVISORY nothing else is said.
        held: by MV, why it is not written.
        target: setpoints in force, by CV.
        zone: in force, by CV that has one.
        limits: in force, by MV and output that has any.
        off: CVs and MVs that are switched off.
        measured: outputs at this tick that have a valid measurement.
        bias: disturbance estimate added to the predicted outputs, `None` before there is one.
        notes: what an operator should know besides the reason, such as a CV that is not measured.
        surprise: how far readings are from what the model expected, 1 being what ordinary operation reaches
            once a day; NaN where unknown. It is told, and moves nothing.
        sensed: what the model's soft sensors read, by name; none where this interval had its step already.
        version: of the model that the next cycle decides by; 0 is as it was trained.
        adapted: what became in this cycle of a change of the plant, with its evidence; empty for nothing.
        step_s: what the whole step took, by the clock.
        time_ns: of the tick, UTC.
    """

    setpoints: Setpoints | None
    reason: str = ""
    plan: Plan | None = None
    mode: Mode = Mode.AUTO
    requested: Mode = Mode.AUTO
    mode_reason: str = ""
    rung: str = ""
    proposed: Setpoints | None = None
    held: Mapping[str, str] = field(default_factory=lambda: _NOBODY)
    target: Mapping[str, float] = field(default_factory=lambda: NOTHING)
    zone: Mapping[str, Interval] = field(default_factory=lambda: _NO_LIMITS)
    limits: Mapping[str, Interval] = field(default_factory=lambda: _NO_LIMITS)
    off: tuple[str, ...] = ()
    measured: Mapping[str, float] = field(default_factory=lambda: NOTHING)
    bias: Float[np.ndarray, "horizon output"] | None = None
    notes: tuple[str, ...] = ()
    surprise: float = math.nan
    sensed: Mapping[str, float] = field(default_factory=lambda: NOTHING)
    version: int = 0
    adapted: str = ""
    step_s: float = 0.0
    time_ns: int = 0

    def __getstate__(self) -> dict[str, Any]:
        # A read-only view cannot be pickled; what it shows can.
        return {
            name: dict(value) if isinstance(value, MappingProxyType) else value
            for name, value in vars(self).items()
        }

    def __setstate__(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, MappingProxyType(value) if isinstance(value, dict) else value)


@runtime_checkable
class SteppedController(Protocol):
    """What the runtime runs and the benchmarks compare: `Controller`, or anything stepped like it.

    A state is whatever the controller made; only that controller looks inside.
    """

    def start(self, last_mv: Mapping[str, float]) -> Any:
        """The state before the first step, given the MVs in force (engineering units)."""
        ...

    def step(
        self,
        samples: Sequence[Sample],
        state: Any,
        *,
        time: datetime,
        setpoints: Setpoints | None = None,
    ) -> tuple[Decision, Any]:
        """One control cycle at `time` (aware); `setpoints` are overrides by CV, for this and later steps."""
        ...
