"""A controller and its state while a run goes on: started, stepped, asked, given back where a step fails."""

from collections.abc import Sequence
from typing import Any

from procwm.control.decision import Decision, SteppedController
from procwm.control.measurement import utc
from procwm.control.state import ControllerState
from procwm.control.steerable import SteerableController
from procwm.errors import SpecError
from procwm.plant.request import Request
from procwm.plant.samples import Sample, Setpoints
from procwm.runtime.cycle import Inputs, told_of


class PlainSteering:
    """For whatever can be stepped: it is given samples and setpoints, and takes no requests.

    Attributes:
        state: of the controller, which alone looks inside; `None` before it is started.
    """

    def __init__(self, controller: SteppedController, state: Any) -> None:
        """Args: state: to go on from; the controller is started where it is `None`."""
        self._controller, self.state = controller, state

    @property
    def kept(self) -> ControllerState | None:
        """The state, where it is one that can be kept and looked into."""
        return None

    def begin(self, in_force: Setpoints, past: Sequence[Sample] = ()) -> None:
        """Be ready for the next step; the first one counts from `in_force`, and may know of the `past`."""
        if self.state is None:
            self.state = self._controller.start(in_force)

    def admitted(self, requests: Sequence[Request]) -> tuple[tuple[Request, ...], list[str]]:
        """Those that can be carried out one after the other, and what becomes of each, a sentence each."""
        return (), [told_of(asked.who, f"refused: {self._controller} takes none") for asked in requests]

    def step(self, inputs: Inputs, time_ns: int) -> Decision:
        """The decision of one cycle."""
        setpoints = inputs.setpoints or None
        decision, self.state = self._controller.step(
            inputs.samples, self.state, time=utc(time_ns), setpoints=setpoints
        )
        return decision

    def failed(self, reason: str, inputs: Inputs) -> list[str]:
        """Give the plant back after a step that raised an exception; what there is to tell about it."""
        return []

    def no_step(self, reason: str, time_ns: int) -> Decision:
        """The decision of a cycle without a step."""
        if self.kept is None:
            return Decision(setpoints=None, reason=reason, time_ns=time_ns)
        mode = self.kept.mode
        return Decision(
            setpoints=None,
            reason=reason,
            time_ns=time_ns,
            mode=mode.actual,
            requested=mode.requested,
            mode_reason=mode.reason,
        )


class FullSteering(PlainSteering):
    """For a `SteerableController`: it takes requests, and its state is recorded."""

    def __init__(self, controller: SteerableController, state: ControllerState | None) -> None:
        """Args: state: to go on from; the controller is started where it is `None`."""
        super().__init__(controller, state)
        self._steered, self._fresh = controller, True

    @property
    def kept(self) -> ControllerState | None:
        """The state."""
        state: ControllerState | None = self.state
        return state

    def begin(self, in_force: Setpoints, past: Sequence[Sample] = ()) -> None:
        """Be ready for the next step; the first one of this run counts from `in_force`."""
        if self.state is None:
            self.state = self._steered.start(in_force, history=past)
        elif self._fresh:
            self.state = self._steered.taken_up(self.state, in_force)
        self._fresh = False

    def admitted(self, requests: Sequence[Request]) -> tuple[tuple[Request, ...], list[str]]:
        """Those that can be carried out one after the other, and what becomes of each, a sentence each."""
        admitted: list[Request] = []
        told = []
        state = self.state
        for asked in requests:
            try:
                state = self._steered.checked(state, asked)
            except SpecError as error:
                told.append(told_of(asked.who, f"refused ({asked}): {error}"))
                continue
            admitted.append(asked)
            told.append(told_of(asked.who, f"taken up: {asked} {asked.why}"))
        return tuple(admitted), told

    def step(self, inputs: Inputs, time_ns: int) -> Decision:
        """The decision of one cycle."""
        decision, self.state = stepped_once(self._steered, self.state, inputs, time_ns)
        return decision

    def failed(self, reason: str, inputs: Inputs) -> list[str]:
        """Give the plant back; the controller takes over again by itself once its steps come through.

        Samples of such a cycle are not given to the controller again: they may be why it failed. What was
        asked for in it holds: whoever asked has been told so, and may rely on a limit or a mode. So does what
        the plant accepted.
        """
        told = []
        state = _carried_out(self._steered, self.state, inputs.requests)
        try:
            state = self._steered.checked(state, Request(setpoints=inputs.setpoints))
        except SpecError as error:
            told.append(f"setpoints refused: {error}")
        state = self._steered.taken_up(state, inputs.in_force or {})
        self.state = self._steered.given_back(state, reason)
        return told


def steering(controller: SteppedController, state: Any) -> PlainSteering:
    """What a run steers `controller` with, settled once for the whole of it."""
    if isinstance(controller, SteerableController):
        return FullSteering(controller, state)
    return PlainSteering(controller, state)


def stepped_once(
    controller: SteerableController, state: ControllerState, inputs: Inputs, time_ns: int
) -> tuple[Decision, ControllerState]:
    """The one step that `inputs` ask for: in a run, and when the run is taken again from its record."""
    return controller.step(
        inputs.samples,
        _carried_out(controller, state, inputs.requests),
        time=utc(time_ns),
        setpoints=inputs.setpoints or None,
        permits=inputs.permits,
        forecast=inputs.forecast,
        in_force=inputs.in_force,
    )


def _carried_out(
    controller: SteerableController, state: ControllerState, requests: Sequence[Request]
) -> ControllerState:
    """`state` once `requests` hold, one after the other; `SpecError` where one is refused."""
    for request in requests:
        state = controller.checked(state, request)
    return state
