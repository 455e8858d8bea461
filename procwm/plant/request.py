"""What somebody asks of a controller: the same value from a front end, a host's call, and in the record."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

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
        asked += [f"{tag} setpoint {value:g}" for tag, value in self.setpoints.items()]
        asked += [f"{tag} zone [{low:g}, {high:g}]" for tag, (low, high) in self.zones.items()]
        asked += [f"{tag} {_limits(ends)}" for tag, ends in self.limits.items()]
        asked += [f"{tag} {'on' if on else 'off'}" for tag, on in self.on.items()]
        return ", ".join(asked) or "nothing"


def _limits(ends: LimitEnds) -> str:
    low, high = ends
    if low is None:
        return "limits as they are" if high is None else f"high limit {high:g}"
    return f"low limit {low:g}" if high is None else f"limits [{low:g}, {high:g}]"
