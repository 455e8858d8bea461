"""What can break in a simulated plant: each fault says which parts of a scenario it changes, and how."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Protocol, runtime_checkable

import casadi as ca

from procwm.plant.scenario import Equations
from procwm_scenarios.disturbances import DisturbanceModel
from procwm_scenarios.instruments import Instrument, Stiction

_WEAR = "wear"


@runtime_checkable
class Parts(Protocol):
    """The parts of a scenario that can break."""

    @property
    def equations(self) -> Equations: ...
    @property
    def instruments(self) -> Mapping[str, Instrument]: ...
    @property
    def disturbances(self) -> Mapping[str, DisturbanceModel]: ...
    @property
    def valves(self) -> Mapping[str, Stiction]: ...


@runtime_checkable
class Fault(Protocol):
    """Something that breaks."""

    @property
    def sentence(self) -> str:
        """What breaks, for a table."""
        ...

    def changes(self, parts: Parts, start_s: float) -> Mapping[str, Any]:
        """New values of the scenario's fields, the fault beginning `start_s` after the start."""
        ...


@dataclass(frozen=True, kw_only=True)
class SensorDrifts:
    """An instrument leaves the true value at `per_h` engineering units an hour."""

    tag: str
    per_h: float

    @property
    def sentence(self) -> str:
        return f"{self.tag} drifts by {self.per_h:g} an hour"

    def changes(self, parts: Parts, start_s: float) -> Mapping[str, Any]:
        changed = replace(parts.instruments[self.tag], drift_per_h=self.per_h, drift_from_s=start_s)
        return {"instruments": {**parts.instruments, self.tag: changed}}


@dataclass(frozen=True, kw_only=True)
class SensorSticks:
    """An instrument repeats its reading for ever."""

    tag: str

    @property
    def sentence(self) -> str:
        return f"{self.tag} sticks"

    def changes(self, parts: Parts, start_s: float) -> Mapping[str, Any]:
        changed = replace(parts.instruments[self.tag], stuck_from_s=start_s)
        return {"instruments": {**parts.instruments, self.tag: changed}}


@dataclass(frozen=True, kw_only=True)
class ValveSticks:
    """What an MV moves follows only moves of more than `band`, engineering units of the MV."""

    tag: str
    band: float

    @property
    def sentence(self) -> str:
        return f"{self.tag} is followed only beyond {self.band:g}"

    def changes(self, parts: Parts, start_s: float) -> Mapping[str, Any]:
        return {"valves": {**parts.valves, self.tag: Stiction(band=self.band, from_s=start_s)}}


@dataclass(frozen=True, kw_only=True)
class LoadShifts:
    """A disturbance leaves its usual range for good, by `shift` engineering units."""

    disturbance: str
    shift: float

    @property
    def sentence(self) -> str:
        return f"{self.disturbance} shifts by {self.shift:g}"

    def changes(self, parts: Parts, start_s: float) -> Mapping[str, Any]:
        changed = replace(parts.disturbances[self.disturbance], shift=self.shift, shift_from_s=start_s)
        return {"disturbances": {**parts.disturbances, self.disturbance: changed}}


@dataclass(frozen=True, kw_only=True, eq=False)
class PlantWears:
    """The plant becomes another one over `over_s`: `dx/dt` passes linearly from the one to the other.

    That is exact for a parameter in which the equations are linear, such as a heat exchange or the
    cross-section of an outlet.

    Attributes:
        worn: the equations at the end, with the same states, inputs and outputs.
        what: changes, in words.
        over_s: time that it takes.
    """

    worn: Equations
    what: str
    over_s: float

    @property
    def sentence(self) -> str:
        return f"{self.what} over {self.over_s / 3600.0:g} h"

    def changes(self, parts: Parts, start_s: float) -> Mapping[str, Any]:
        new = parts.equations
        x, mv, d, wear = (
            ca.SX.sym(name, size)
            for name, size in (
                ("x", len(new.states)),
                ("mv", len(new.nominal_mv)),
                ("d", len(new.disturbances)),
                (_WEAR, 1),
            )
        )
        inputs = [x, mv, ca.vertcat(d, wear)]
        rate = (1.0 - wear) * new.rhs(x, mv, d) + wear * self.worn.rhs(x, mv, d)
        kind = DisturbanceModel(
            measured=False,
            drift_sd=0.0,
            drift_s=1.0,
            step=0.0,
            step_every_s=1.0,
            shift=1.0,
            shift_from_s=start_s,
            shift_over_s=self.over_s,
        )
        return {
            "equations": replace(
                new,
                disturbances=(*new.disturbances, _WEAR),
                nominal_disturbance=(*new.nominal_disturbance, 0.0),
                rhs=ca.Function("rhs", inputs, [rate]),
                outputs=ca.Function("outputs", inputs, [new.outputs(x, mv, d)]),
                guards=ca.Function("guards", inputs, [new.guards(x, mv, d)]),
            ),
            "disturbances": {**parts.disturbances, _WEAR: kind},
        }
