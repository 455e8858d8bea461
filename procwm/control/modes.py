"""What the controller may do, and how it gets from one mode to another."""

from dataclasses import dataclass, replace
from enum import StrEnum

from procwm.errors import SpecError


class Mode(StrEnum):
    """What a controller may do to the plant."""

    OFF = "off"
    """Reads samples and nothing else."""
    SHADOW = "shadow"
    """Plans every cycle and writes nothing."""
    ADVISORY = "advisory"
    """Shows operators the moves it would make, and writes nothing."""
    AUTO = "auto"
    """Writes its moves."""
    TEST = "test"
    """Moves MVs in small steps to learn from, as long as that is predicted safe."""
    SHED = "shed"
    """Has given the plant back to its base layer; entered by the controller alone."""


_REQUESTS = {
    Mode.OFF: (Mode.SHADOW, Mode.ADVISORY),
    Mode.SHADOW: (Mode.OFF, Mode.ADVISORY, Mode.AUTO, Mode.TEST),
    Mode.ADVISORY: (Mode.OFF, Mode.SHADOW, Mode.AUTO, Mode.TEST),
    Mode.AUTO: (Mode.OFF, Mode.SHADOW, Mode.ADVISORY, Mode.TEST),
    Mode.TEST: (Mode.OFF, Mode.SHADOW, Mode.ADVISORY, Mode.AUTO),
    Mode.SHED: (Mode.OFF, Mode.SHADOW, Mode.ADVISORY, Mode.AUTO),
}

WRITING = (Mode.AUTO, Mode.TEST)
"""Modes in which setpoints are written."""


@dataclass(frozen=True)
class ModeState:
    """The mode asked for, the mode in force, and why they differ.

    Attributes:
        requested: by whoever operates the controller.
        actual: in force; differs from `requested` only while shed.
        reason: of the last change, one sentence.
        healthy: usable plans in a row while shed.
    """

    requested: Mode
    actual: Mode
    reason: str
    healthy: int = 0


def named(name: str) -> Mode:
    """The mode called `name`; `SpecError` where there is none."""
    if name not in tuple(Mode):
        raise SpecError(f"there is no mode {name}; modes are {', '.join(Mode)}")
    return Mode(name)


def begin(mode: Mode, why: str = "") -> ModeState:
    """The state of a controller that starts in `mode`; `why` ends the sentence about it."""
    if mode is Mode.SHED:
        raise SpecError("a controller cannot start in mode shed, which is its own; start it in another")
    return ModeState(mode, mode, f"started in {mode}{why}")


def request(state: ModeState, mode: Mode, *, reason: str = "operator request") -> ModeState:
    """`state` after somebody asked for `mode`.

    Raises:
        SpecError: the mode cannot be reached from the one in force.
    """
    if mode is state.actual:
        return replace(state, requested=mode, reason=reason)
    allowed = _REQUESTS[state.actual]
    if mode not in allowed:
        raise SpecError(
            f"mode {mode} cannot be reached from {state.actual}; from there ask for {' or '.join(allowed)}"
        )
    return ModeState(mode, mode, reason)


def shed(state: ModeState, reason: str) -> ModeState:
    """`state` after nothing safe to write was found; only a mode that writes has anything to give back."""
    if state.actual is Mode.SHED:
        return replace(state, reason=reason, healthy=0)
    if state.actual not in WRITING:
        return state
    return ModeState(state.requested, Mode.SHED, reason)


def given_up(state: ModeState, reason: str) -> ModeState:
    """`state` after the model has proved wrong: shed, and from there to ADVISORY at the most."""
    return ModeState(Mode.ADVISORY, Mode.SHED, reason) if state.actual in WRITING else state


def recovered(state: ModeState, return_after: int | None) -> ModeState:
    """`state` after a cycle with a usable plan.

    A shed controller returns to the mode asked for after `return_after` of them in a row, or waits for an
    operator where that is `None`: the "normal return" and "no return" of SHED_OPT in FOUNDATION Fieldbus
    (FF-890, mode handling). A step test that was broken off waits for one in any case.
    """
    if state.actual is not Mode.SHED:
        return state
    healthy = state.healthy + 1
    if return_after is None or healthy < return_after or state.requested is Mode.TEST:
        return replace(state, healthy=healthy)
    return ModeState(state.requested, state.requested, f"{healthy} usable plans in a row after a shed")
