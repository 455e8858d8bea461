"""What is in force of all that was asked for at run time, laid over the plant file."""

import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Float

from procwm.errors import SpecError
from procwm.plant.request import LimitEnds, Request
from procwm.plant.samples import Setpoints
from procwm.plant.tags import Interval, PlantSpec, Tag

_NO_SETPOINTS: Setpoints = MappingProxyType({})
_NO_INTERVALS: Mapping[str, Interval] = MappingProxyType({})


@dataclass(frozen=True)
class Targets:
    """What is in force once requests have been carried out, engineering units; a value, replaced by `with_`.

    A `Request` is one call for a change and then over; this is what they all came to, and part of the state.

    Attributes:
        setpoints: of CVs.
        zones: of CVs.
        limits: of MVs and outputs; only ever inside those of the plant file.
        off: names of the CVs and MVs that are switched off.
    """

    setpoints: Setpoints = field(default_factory=lambda: _NO_SETPOINTS)
    zones: Mapping[str, Interval] = field(default_factory=lambda: _NO_INTERVALS)
    limits: Mapping[str, Interval] = field(default_factory=lambda: _NO_INTERVALS)
    off: tuple[str, ...] = ()

    def with_(self, plant: PlantSpec, request: Request) -> "Targets":
        """These targets with what `request` asks for on top.

        Raises:
            SpecError: a tag is unknown, a value is outside its range, a limit is wider than the plant's, or a
                tag that is no CV or MV is switched.
        """
        off = set(self.off)
        for name, on in _by_tag("on", request.on):
            if plant.tag(name) not in plant.mvs + plant.cvs:
                raise SpecError(f"{name}: only CVs and MVs can be switched on and off")
            if not isinstance(on, bool | np.bool_):
                raise SpecError(f"{name}: it is switched by True or False, not by {on!r}")
            (off.discard if on else off.add)(name)
        zones = {name: _pair(name, zone, number) for name, zone in _by_tag("zones", request.zones)}
        limits = {name: self._ends(plant.tag(name), ends) for name, ends in _by_tag("limits", request.limits)}
        setpoints = {
            name: plant.tag(name).check_target(number(name, value))
            for name, value in _by_tag("setpoints", request.setpoints)
        }
        for name, zone in zones.items():
            replace(plant.tag(name), zone=zone)  # the tag refuses what it cannot have
        for name, interval in limits.items():
            _check_tighter(plant, plant.tag(name), interval)
        kept = {name: value for name, value in self.setpoints.items() if name not in zones}
        return Targets(
            MappingProxyType({**kept, **setpoints}),
            MappingProxyType({**self.zones, **zones}),
            MappingProxyType({**self.limits, **limits}),
            tuple(sorted(off)),
        )

    def _ends(self, tag: Tag, ends: LimitEnds) -> Interval:
        """Both ends of a limit: one that is not asked for stays as it is."""
        before = self.limits.get(tag.name, tag.bounds)
        asked = _pair(tag.name, ends, lambda name, end: None if end is None else number(name, end))
        low, high = (old if new is None else new for old, new in zip(before, asked, strict=True))
        return low, high

    def asked(self) -> Request:
        """What to ask for to get these targets where there are none."""
        return Request(
            setpoints=self.setpoints,
            zones=self.zones,
            limits=self.limits,
            on=dict.fromkeys(self.off, False),
        )

    def setpoint(self, tag: Tag) -> float | None:
        """Setpoint of a CV in force, or `None`. A zone given at run time replaces it until the next."""
        return self.setpoints.get(tag.name, None if tag.name in self.zones else tag.setpoint)

    def zone(self, tag: Tag) -> Interval | None:
        """Zone of a CV in force, or `None`."""
        return self.zones.get(tag.name, tag.zone)

    def bounds(self, tag: Tag) -> Interval:
        """Hard limits of an MV in force: those of the plant file, or tighter, whatever `limits` says."""
        return _tighter(self.limits.get(tag.name), tag.bounds)

    def soft_limits(self, tag: Tag) -> Interval:
        """Softened limits of an output in force, likewise; -inf and +inf where it has none."""
        return _tighter(self.limits.get(tag.name), tag.limits or (-np.inf, np.inf))

    def zones_in_force(self, plant: PlantSpec) -> Mapping[str, Interval]:
        """Every zone in force, by CV."""
        found = {tag.name: self.zone(tag) for tag in plant.cvs}
        return MappingProxyType({name: zone for name, zone in found.items() if zone is not None})

    def limits_in_force(self, plant: PlantSpec) -> Mapping[str, Interval]:
        """Limits of every MV, and of every output that has any."""
        found = {tag.name: self.bounds(tag) for tag in plant.mvs}
        outputs = {tag.name: self.soft_limits(tag) for tag in plant.outputs}
        found |= {name: limits for name, limits in outputs.items() if np.isfinite(limits).any()}
        return MappingProxyType(found)

    def setpoint_row(self, plant: PlantSpec) -> Float[np.ndarray, " output"]:
        """Setpoints over the axis `output`; NaN where there is none."""
        values = [self.setpoint(tag) for tag in plant.outputs]
        return np.array([np.nan if value is None else value for value in values])

    def in_force(self, plant: PlantSpec) -> Setpoints:
        """Every setpoint in force, by CV."""
        found = {tag.name: self.setpoint(tag) for tag in plant.cvs}
        return MappingProxyType({name: value for name, value in found.items() if value is not None})


def number(name: str, value: Any) -> float:
    """`value` as a float; `SpecError` naming the tag where it is none. Texts and truth values are none."""
    if isinstance(value, str | bytes | bool | np.bool_):
        raise SpecError(f"{name}: {value!r} is not a number")
    try:
        return float(value)
    except (TypeError, ValueError):
        raise SpecError(f"{name}: {value!r} is not a number") from None
    except OverflowError:
        raise SpecError(f"{name}: a number beyond {sys.float_info.max:.1e} was given") from None


def _by_tag(what: str, given: Any) -> Iterable[tuple[str, Any]]:
    """What is `given` for each tag; `SpecError` where it is not told by tag."""
    if not isinstance(given, Mapping):
        raise SpecError(f"{what}: {given!r} is no mapping; give a value for each tag by its name")
    return given.items()


def _pair(name: str, given: Any, read: Callable[[str, Any], Any]) -> tuple[Any, Any]:
    """Both of two values that are `given`, as `read` has them; `SpecError` where they are not two."""
    if not isinstance(given, tuple | list | np.ndarray) or len(given) != 2:
        raise SpecError(f"{name}: {given!r} is no pair of a low and a high number")
    low, high = given
    return read(name, low), read(name, high)


def _tighter(asked: Interval | None, allowed: Interval) -> Interval:
    """What `asked` and `allowed` have in common; `allowed` where that is nothing."""
    if asked is None:
        return allowed
    low, high = max(allowed[0], asked[0]), min(allowed[1], asked[1])
    return (low, high) if low < high else allowed


def _check_tighter(plant: PlantSpec, tag: Tag, interval: Interval) -> None:
    low, high = tag.bounds
    if tag not in plant.mvs + plant.outputs:
        raise SpecError(
            f"{tag.name}: limits can be given at run time to MVs, CVs and PVs with limits in the plant file"
        )
    if not (low <= interval[0] < interval[1] <= high):
        raise SpecError(
            f"{tag.name}: limits [{interval[0]}, {interval[1]}] are not inside [{low}, {high}] {tag.unit}; "
            "limits given at run time may only tighten those of the plant file"
        )
    if tag.levels is not None and not any(interval[0] <= level <= interval[1] for level in tag.levels):
        raise SpecError(
            f"{tag.name}: none of its levels {list(tag.levels)} is inside [{interval[0]}, {interval[1]}]"
        )
