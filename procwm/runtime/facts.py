"""What front ends show of a run, made from its cycles."""

import math
import time
from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

import numpy as np
from jaxtyping import Float

from procwm.control.decision import Decision
from procwm.control.forecast import Forecast
from procwm.control.modes import Mode
from procwm.control.targets import Targets
from procwm.plant.front import NO_INTERVAL, Facts, Guardrail, Variable
from procwm.plant.samples import Quality
from procwm.plant.tags import Interval, PlantSpec, Role, Tag
from procwm.runtime.cycle import Cycle
from procwm.runtime.desk import RequestDesk
from procwm.runtime.kpis import Kpis

_WRAP = 2**32


class FactKeeper:
    """Turns cycles into `Facts`."""

    def __init__(self, plant: PlantSpec, guard_names: Sequence[str], desk: RequestDesk) -> None:
        """Nothing is shown yet.

        Args:
            guard_names: over the axis `guard` of plans.
            desk: of the run, which knows what is in force and what waits to be taken up.
        """
        self._plant, self._desk = plant, desk
        self._guards = tuple(guard_names)
        self._kpis = Kpis(plant)
        self._cycles = 0
        self._values: dict[str, float] = {}
        self._forecast: Forecast = {}
        self._tags = (*plant.cvs, *plant.mvs, *plant.of(Role.DV, Role.PV))
        # By name: a search among tags would compare them field by field, every cycle anew.
        self._mv = {name: index for index, name in enumerate(plant.mv_names)}
        self._output = {name: index for index, name in enumerate(plant.output_names)}

    def before(self, mode: Mode) -> Facts:
        """What there is to show before the first cycle, of a controller that starts in `mode`."""
        decision = Decision(setpoints=None, reason="not started yet", mode=mode, requested=mode)
        return self._facts(decision, time_ns=time.time_ns(), alarms=())

    def facts(self, cycle: Cycle) -> Facts:
        """The facts of `cycle`, the next of the run."""
        self._cycles += 1
        self._kpis.append(cycle)
        for sample in cycle.samples:
            good = sample.quality is Quality.GOOD
            self._values[sample.tag] = sample.value if good else math.nan
        self._values |= cycle.accepted or {}
        self._forecast = {} if cycle.inputs is None else cycle.inputs.forecast
        return self._facts(cycle.decision, time_ns=cycle.time_ns, alarms=_alarms(cycle))

    def _facts(self, decision: Decision, *, time_ns: int, alarms: tuple[str, ...]) -> Facts:
        in_force, asked = self._desk.in_force, self._desk.asked
        return Facts(
            plant=self._plant.name,
            interval_s=self._plant.interval_s,
            time_ns=time_ns,
            heartbeat=self._cycles % _WRAP,
            requested=str(decision.requested),
            actual=str(decision.mode),
            mode_reason=decision.mode_reason,
            reason=decision.reason,
            alarms=alarms,
            step_s=decision.step_s,
            kpis=MappingProxyType(dict(_flat(self._kpis.summary()))),
            variables=MappingProxyType(
                {tag.name: self._variable(tag, decision, in_force, asked) for tag in self._tags}
            ),
            guardrails=MappingProxyType(self._guardrails(decision)),
        )

    def _variable(self, tag: Tag, decision: Decision, in_force: Targets, asked: Targets) -> Variable:
        setpoint = _setpoint(tag, in_force)
        moves = decision.setpoints or decision.proposed or {}
        return Variable(
            role=tag.role,
            unit=tag.unit,
            range=tag.range,
            value=self._values.get(tag.name, math.nan),
            setpoint=setpoint,
            zone=NO_INTERVAL if math.isfinite(setpoint) else in_force.zone(tag) or NO_INTERVAL,
            limits=self._limits(tag, in_force),
            move=moves.get(tag.name, math.nan),
            prediction=self._prediction(tag, decision),
            on=tag.name not in in_force.off,
            held=decision.held.get(tag.name, ""),
            forecast=None if tag.forecast_node is None else tuple(self._forecast.get(tag.name, ())),
            asked_setpoint=_setpoint(tag, asked),
            asked_limits=self._limits(tag, asked),
            asked_on=tag.name not in asked.off,
        )

    def _limits(self, tag: Tag, targets: Targets) -> Interval:
        if tag.role is Role.MV:
            return targets.bounds(tag)
        low, high = targets.soft_limits(tag)
        return (low if math.isfinite(low) else math.nan, high if math.isfinite(high) else math.nan)

    def _prediction(self, tag: Tag, decision: Decision) -> tuple[float, ...]:
        if decision.plan is None:
            return ()
        if tag.role is Role.MV:
            return _column(decision.plan.mv, self._mv[tag.name])
        index = self._output.get(tag.name)
        return () if index is None else _column(decision.plan.cv, index)

    def _guardrails(self, decision: Decision) -> dict[str, Guardrail]:
        found = {}
        for index, name in enumerate(self._guards):
            values = () if decision.plan is None else _column(decision.plan.guard, index)
            found[name] = Guardrail(worst=float(np.max(values)) if values else math.nan, prediction=values)
        return found


def _alarms(cycle: Cycle) -> tuple[str, ...]:
    decision = cycle.decision
    held = (f"{name}: held, {why}" for name, why in decision.held.items())
    return tuple(text for text in (cycle.fault, *decision.notes, *held) if text)


def _column(values: Float[np.ndarray, "horizon name"], index: int) -> tuple[float, ...]:
    """One column; nothing where a plan that was refused has another shape."""
    if values.ndim != 2 or index >= values.shape[1]:
        return ()
    return tuple(values[:, index].tolist())


def _setpoint(tag: Tag, targets: Targets) -> float:
    value = targets.setpoint(tag)
    return math.nan if value is None else value


def _flat(kpis: Mapping[str, Any], prefix: str = "") -> list[tuple[str, float]]:
    """Every figure under its name; those by tag under `name.tag`."""
    found: list[tuple[str, float]] = []
    for name, value in kpis.items():
        if isinstance(value, Mapping):
            found += _flat(value, f"{prefix}{name}.")
        elif value is None or isinstance(value, int | float):
            found.append((prefix + name, math.nan if value is None else float(value)))
    return found
