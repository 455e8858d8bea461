"""What a run can ask of a controller besides its steps; `Controller` answers all of it."""

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol, runtime_checkable

from procwm.control.decision import Decision, SteppedController
from procwm.control.forecast import Forecast
from procwm.control.health import Permits
from procwm.control.identity import Identity
from procwm.control.modes import Mode
from procwm.control.state import ControllerState
from procwm.data.window import WindowRule
from procwm.plant.request import Request
from procwm.plant.samples import Sample, Setpoints
from procwm.plant.tags import Interval, PlantSpec


@runtime_checkable
class SteerableController(SteppedController, Protocol):
    """A `SteppedController` that can be asked for modes and limits, recorded, stopped, and gone on with."""

    @property
    def plant(self) -> PlantSpec:
        """What it controls."""
        ...

    @property
    def mode(self) -> Mode:
        """To start in."""
        ...

    @property
    def identity(self) -> Identity:
        """Whose states and decisions are its own."""
        ...

    @property
    def rule(self) -> WindowRule:
        """How long its window is, and its interval."""
        ...

    @property
    def guard_names(self) -> tuple[str, ...]:
        """Over the axis `guard` of its plans."""
        ...

    @property
    def guardrails(self) -> tuple[str, ...]:
        """Each in a few words: margin, labels, whoever answers for them, and hash."""
        ...

    @property
    def memory(self) -> int:
        """Rows of the past that the first step lives through at most."""
        ...

    def start(self, last_mv: Mapping[str, float], *, history: Sequence[Sample] = ()) -> ControllerState:
        """The state before the first step, given the MVs in force and samples from before."""
        ...

    def restore(self, data: bytes) -> ControllerState:
        """The state that `ControllerState.to_bytes` wrote; `ArtifactError` where it is another's."""
        ...

    def taken_up(self, state: ControllerState, last_mv: Setpoints) -> ControllerState:
        """`state` with other MVs in force than it knows of."""
        ...

    def checked(self, state: ControllerState, request: Request) -> ControllerState:
        """`state` once `request` has been carried out; `SpecError` where any part of it is refused."""
        ...

    def request(self, state: ControllerState, mode: Mode, *, reason: str) -> ControllerState:
        """`state` in another mode; `SpecError` where it cannot be reached from the one in force."""
        ...

    def given_back(self, state: ControllerState, reason: str) -> ControllerState:
        """`state` once the plant has been given back for `reason`."""
        ...

    def step(
        self,
        samples: Mapping[str, float] | Sequence[Sample],
        state: ControllerState,
        *,
        time: datetime,
        setpoints: Setpoints | None = None,
        zones: Mapping[str, Interval] | None = None,
        limits: Mapping[str, Interval] | None = None,
        on: Mapping[str, bool] | None = None,
        permits: Permits | None = None,
        forecast: Forecast | None = None,
        in_force: Setpoints | None = None,
    ) -> tuple[Decision, ControllerState]:
        """One control cycle, as `Controller.step`."""
        ...
