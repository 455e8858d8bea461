"""What somebody asks of a controller: the same value from a front end, a host's call, and in the record."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any

from procwm.plant.tags import Interval

_NONE: Mapping[str, float] = MappingProxyType({})
_NO_INTERVALS: Mapping[str, Interval] = MappingProxyType({})
_NO_SWITCHES: Mapping[str, bool] = MappingProxyType({})

LimitEnds = tuple[float | None, float | None]
"""Low and high limit; an end that is `None` stays as it is."""
_NO_ENDS: Mapping[str, LimitEnds] = MappingProxyType({})


@dataclass(frozen=True, kw_only=True)
class Request:
    """One request, carried out whole at the next control cycle or refused whole.

    Attributes:
        who: asks; a host that steps the controller itself need not say.
        why: in a few words.
        mode: to change to, by its name (`procwm.Mode`), or `None`.
        setpoints, zones: of CVs, engineering units.
        limits: of MVs and outputs, never wider than those of the plant file.
        on: CVs and MVs to switch on or off.
    """

    who: str = ""
    why: str = ""
    mode: str | None = None
    setpoints: Mapping[str, float] = field(default_factory=lambda: _NONE)
    zones: Mapping[str, Interval] = field(default_factory=lambda: _NO_INTERVALS)
    limits: Mapping[str, LimitEnds] = field(default_factory=lambda: _NO_ENDS)
    on: Mapping[str, bool] = field(default_factory=lambda: _NO_SWITCHES)

    def __str__(self) -> str:
        asked = [f"mode {self.mode}"] if self.mode is not None else []
        asked += _each(self.setpoints, lambda tag, value: f"{tag} setpoint {_figure(value)}")
        asked += _each(self.zones, lambda tag, ends: f"{tag} zone {_both(ends)}")
        asked += _each(self.limits, lambda tag, ends: f"{tag} {_limits(ends)}")
        asked += _each(self.on, lambda tag, on: f"{tag} {'on' if on else 'off'}")
        return ", ".join(asked) or "nothing"


# A request is told before it is refused, so whatever types it holds have to be told.


def _each(given: Any, told: Callable[[Any, Any], str]) -> list[str]:
    return [told(*item) for item in given.items()] if isinstance(given, Mapping) else [_figure(given)]


def _limits(ends: Any) -> str:
    if not _two(ends) or None not in ends:
        return f"limits {_both(ends)}"
    low, high = ends
    if low is None:
        return "limits as they are" if high is None else f"high limit {_figure(high)}"
    return f"low limit {_figure(low)}"


def _both(ends: Any) -> str:
    return f"[{_figure(ends[0])}, {_figure(ends[1])}]" if _two(ends) else _figure(ends)


def _two(ends: Any) -> bool:
    return isinstance(ends, tuple | list) and len(ends) == 2


def _figure(value: Any) -> str:
    try:
        return f"{value:g}"
    except (TypeError, ValueError, OverflowError):
        return f"(a {type(value).__name__})"
