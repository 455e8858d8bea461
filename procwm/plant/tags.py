"""The typed description of a plant: its tags, their roles, ranges, targets and limits."""

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import cached_property

from procwm.errors import SpecError

Interval = tuple[float, float]
"""A closed interval `(low, high)` in engineering units."""


class Role(StrEnum):
    """What a tag is to the controller."""

    CV = "CV"
    """Controlled variable: has a setpoint, a zone or limits."""
    MV = "MV"
    """Manipulated variable: what the controller writes, as a rule a setpoint of the PID layer."""
    DV = "DV"
    """Measured disturbance."""
    PV = "PV"
    """Any other measurement; with `limits` it is constrained like a CV without a target."""


@dataclass(frozen=True, kw_only=True)
class Tag:
    """One tag of the plant.

    Attributes:
        name: as the plant writes it.
        role: CV, MV, DV or PV.
        unit: engineering unit, as text.
        range: of the instrument; its width is the span that costs are scaled by.
        setpoint: target of a CV, or `None`.
        zone: a CV inside it costs nothing, or `None`.
        weight: of a CV's squared error, relative to its span.
        limits: operating limits: hard on an MV, softened on a CV or PV.
        max_move: largest change of an MV in one control interval; `None` is no limit.
        move_weight: of an MV's squared move, relative to its span.
        node: OPC UA node id, or `None` where the tag is not served.
        max_hold_s: for how long a good value counts as the present one; `None` lets the log decide.
    """

    name: str
    role: Role
    unit: str = ""
    range: Interval
    setpoint: float | None = None
    zone: Interval | None = None
    weight: float = 1.0
    limits: Interval | None = None
    max_move: float | None = None
    move_weight: float = 0.0
    node: str | None = None
    max_hold_s: float | None = None

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise SpecError("a tag has an empty name")
        self._check_interval("range", self.range, inside_range=False)
        for label, interval in (("zone", self.zone), ("limits", self.limits)):
            if interval is not None:
                self._check_interval(label, interval, inside_range=True)
        if self.setpoint is not None:
            self.check_target(self.setpoint)
        for label, value in (("weight", self.weight), ("move_weight", self.move_weight)):
            if not (math.isfinite(value) and value >= 0):
                raise SpecError(f"{self.name}: {label} is {value}; it must be a number of at least 0")
        for label, bound in (("max_move", self.max_move), ("max_hold_s", self.max_hold_s)):
            if bound is not None and not (math.isfinite(bound) and bound > 0):
                raise SpecError(f"{self.name}: {label} is {bound}; it must be a number above 0")
        self._check_role()

    def _check_interval(self, label: str, interval: Interval, *, inside_range: bool) -> None:
        low, high = interval
        if not (math.isfinite(low) and math.isfinite(high) and low < high):
            raise SpecError(
                f"{self.name}: {label} is [{low}, {high}]; it must be [low, high] with low < high"
            )
        if inside_range and not (self.range[0] <= low and high <= self.range[1]):
            raise SpecError(
                f"{self.name}: {label} [{low}, {high}] leaves the instrument's range "
                f"[{self.range[0]}, {self.range[1]}] {self.unit}".rstrip()
            )

    def _check_role(self) -> None:
        allowed = {
            "setpoint": (self.setpoint is not None, (Role.CV,)),
            "zone": (self.zone is not None, (Role.CV,)),
            "limits": (self.limits is not None, (Role.CV, Role.MV, Role.PV)),
            "max_move": (self.max_move is not None, (Role.MV,)),
            "move_weight": (self.move_weight != 0.0, (Role.MV,)),
        }
        for label, (given, roles) in allowed.items():
            if given and self.role not in roles:
                raise SpecError(
                    f"{self.name}: a {self.role} takes no {label}; only {' or '.join(roles)} tags do"
                )

    def check_target(self, value: float) -> float:
        """Return `value` if this tag can be asked for it, else raise `SpecError`."""
        if self.role is not Role.CV:
            raise SpecError(f"{self.name}: a {self.role} takes no setpoint; only CV tags do")
        if not (math.isfinite(value) and self.range[0] <= value <= self.range[1]):
            raise SpecError(
                f"{self.name}: setpoint {value} is outside the instrument's range "
                f"[{self.range[0]}, {self.range[1]}] {self.unit}".rstrip()
            )
        return value

    @property
    def span(self) -> float:
        """Width of the instrument's range, engineering units."""
        return self.range[1] - self.range[0]

    @property
    def bounds(self) -> Interval:
        """`limits` where given, else `range`."""
        return self.limits or self.range


@dataclass(frozen=True, kw_only=True)
class OpcUaSettings:
    """Where the plant is served.

    Attributes:
        endpoint: URL such as `opc.tcp://127.0.0.1:4840`.
    """

    endpoint: str


@dataclass(frozen=True, kw_only=True)
class PlantSpec:
    """A plant as the controller sees it: a control interval and typed tags, in file order."""

    name: str
    interval_s: float
    tags: tuple[Tag, ...]
    opcua: OpcUaSettings | None = field(default=None)

    def __post_init__(self) -> None:
        if not (math.isfinite(self.interval_s) and self.interval_s > 0):
            raise SpecError(f"plant {self.name}: interval_s is {self.interval_s}; it must be above 0")
        seen: set[str] = set()
        for tag in self.tags:
            if tag.name in seen:
                raise SpecError(f"plant {self.name}: tag {tag.name} is listed twice")
            seen.add(tag.name)
        for role in (Role.CV, Role.MV):
            if not self.of(role):
                raise SpecError(f"plant {self.name}: no tag has the role {role}; at least one is needed")

    def of(self, *roles: Role) -> tuple[Tag, ...]:
        """Tags of the given roles, in file order."""
        return tuple(tag for tag in self.tags if tag.role in roles)

    @cached_property
    def cvs(self) -> tuple[Tag, ...]:
        """Controlled variables."""
        return self.of(Role.CV)

    @cached_property
    def mvs(self) -> tuple[Tag, ...]:
        """Manipulated variables."""
        return self.of(Role.MV)

    @cached_property
    def dvs(self) -> tuple[Tag, ...]:
        """Measured disturbances."""
        return self.of(Role.DV)

    @cached_property
    def outputs(self) -> tuple[Tag, ...]:
        """What the model must predict: every CV, then every PV that has limits."""
        return self.cvs + tuple(tag for tag in self.of(Role.PV) if tag.limits is not None)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """All tag names, in file order."""
        return tuple(tag.name for tag in self.tags)

    def tag(self, name: str) -> Tag:
        """The tag called `name`; `SpecError` where the plant has none."""
        try:
            return self._by_name[name]
        except KeyError:
            known = ", ".join(self.names)
            raise SpecError(f"plant {self.name} has no tag {name}; its tags are {known}") from None

    @cached_property
    def _by_name(self) -> dict[str, Tag]:
        return {tag.name: tag for tag in self.tags}


def names_of(tags: Sequence[Tag]) -> tuple[str, ...]:
    """The names of `tags`, in order."""
    return tuple(tag.name for tag in tags)
