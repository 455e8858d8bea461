"""Setpoint programmes for closed-loop benchmark runs."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from procwm.errors import SimulationError
from procwm.plant.scenario import Equations, TargetChange
from procwm.plant.tags import PlantSpec
from procwm_scenarios.region import OperatingRegion

_ATTEMPTS = 500
_DARED = 6
"""Draws that a daring target is the boldest of."""


@dataclass(frozen=True, kw_only=True)
class Programme:
    """Setpoint steps between steady states spread over the operating region.

    Attributes:
        hold: shortest and longest count of control intervals between steps.
        smallest, largest: size of a step of the CV that changes most, as a share of its span.
        mv_clearance: share of each MV's limits kept free at either end, to answer disturbances with.
        clearance: the same of CV and PV limits.
        guard_clearance: how far guardrails stay below 0 at rest, engineering units.
        daring: share of targets that are the one of several drawn that rests nearest to a guardrail.
        digits: decimal places of a setpoint.
    """

    hold: tuple[int, int] = (60, 100)
    smallest: float
    largest: float
    mv_clearance: float = 0.15
    clearance: float = 0.15
    guard_clearance: float
    daring: float = 0.5
    digits: int

    def draw(
        self, plant: PlantSpec, equations: Equations, *, intervals: int, rng: np.random.Generator
    ) -> tuple[TargetChange, ...]:
        """Steps up to tick `intervals`, each feasible at rest when nothing disturbs the plant."""
        region = OperatingRegion(
            plant, equations, clearance=self.clearance, guard_clearance=self.guard_clearance
        )
        nominal = dict(zip(equations.output_names, self._rest(equations), strict=True))
        present = np.array([nominal[tag.name] if tag.setpoint is None else tag.setpoint for tag in plant.cvs])
        changes: list[TargetChange] = []
        tick = int(rng.integers(self.hold[0] // 6, self.hold[0] // 3))
        while tick < intervals:
            target = self._next(plant, equations, region, present, rng)
            changes.extend(
                TargetChange(tick=tick, tag=tag.name, value=float(value))
                for tag, value, held in zip(plant.cvs, target, present, strict=True)
                if value != held
            )
            present = target
            tick += int(rng.integers(self.hold[0], self.hold[1] + 1))
        return tuple(changes)

    @staticmethod
    def _rest(equations: Equations) -> Float[np.ndarray, " output"]:
        point = (equations.steady_state, equations.nominal_mv, equations.nominal_disturbance)
        return np.asarray(equations.outputs(*point).full()).ravel()

    def _next(
        self,
        plant: PlantSpec,
        equations: Equations,
        region: OperatingRegion,
        present: Float[np.ndarray, " output"],
        rng: np.random.Generator,
    ) -> Float[np.ndarray, " output"]:
        low, high = np.array([tag.bounds for tag in plant.mvs]).T
        room = self.mv_clearance * (high - low)
        spans = np.array([tag.span for tag in plant.cvs])
        index = [equations.output_names.index(tag.name) for tag in plant.cvs]
        drawn: list[tuple[float, Float[np.ndarray, " output"]]] = []
        enough = _DARED if rng.random() < self.daring else 1
        for _ in range(_ATTEMPTS):
            rest = region.steady(rng.uniform(low + room, high - room))
            if rest is None:
                continue
            target = np.round(rest.outputs[index], self.digits)
            if self.smallest <= float(np.max(np.abs(target - present) / spans)) <= self.largest:
                drawn.append((float(rest.guards.max(initial=-np.inf)), target))
            if len(drawn) == enough:
                break
        if drawn:
            return max(drawn, key=lambda one: one[0])[1]
        raise SimulationError(
            f"{plant.name}: no setpoint step of {self.smallest:g} to {self.largest:g} of the span leads "
            f"from {present.tolist()} to a steady state within limits"
        )
