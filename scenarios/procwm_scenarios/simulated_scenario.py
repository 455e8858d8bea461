"""Everything that makes up one simulated plant, as a value."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property
from zlib import crc32

import numpy as np

from procwm.errors import SpecError
from procwm.plant.scenario import Equations, LoadChange, Operation, OperatorHabits, TargetChange
from procwm.plant.tags import PlantSpec, Role
from procwm_scenarios.disturbances import DisturbanceModel, Load
from procwm_scenarios.faults import Fault
from procwm_scenarios.habits import Habits, habits_of
from procwm_scenarios.instruments import Instrument, Stiction, Transmitter
from procwm_scenarios.integration import Integrator
from procwm_scenarios.operators import Crew, Operators, TestMoves
from procwm_scenarios.outer_loops import CascadeOperators, OuterLoop
from procwm_scenarios.programme import Programme
from procwm_scenarios.region import OperatingRegion
from procwm_scenarios.shifts import Shifts
from procwm_scenarios.simulated import Simulation

START_NS = 1_767_571_200_000_000_000
"""2026-01-05T00:00:00Z, a Monday."""


@dataclass(frozen=True, kw_only=True, eq=False)
class SimulatedScenario:
    """A plant that can be simulated; satisfies `procwm.plant.scenario.Scenario`.

    Variants (a stuck sensor, a sticking valve, other operators) come from `dataclasses.replace`.

    Attributes:
        name: of the entry point.
        summary: one sentence for a list.
        source: where equations and parameters come from.
        plant: what a controller is told.
        equations: process and base layer.
        instruments: by tag, of every tag but the MVs.
        disturbances: by name, in the order of the equations.
        programme: how closed-loop benchmark runs are drawn.
        habits: of the operators at their liveliest.
        kind: of the operators' habits.
        outer_loops: what moves the MVs where operators move setpoints above.
        clearance: share of CV and PV limits that operators keep free at either end, at rest.
        valves: by MV, where one sticks.
        parts: by name, what can break.
    """

    name: str
    summary: str
    source: str
    plant: PlantSpec
    equations: Equations
    instruments: Mapping[str, Instrument]
    disturbances: Mapping[str, DisturbanceModel]
    programme: Programme
    habits: Habits = field(default_factory=Habits)
    kind: OperatorHabits = OperatorHabits.LIVELY
    outer_loops: tuple[OuterLoop, ...] = ()
    clearance: float = 0.1
    valves: Mapping[str, Stiction] = field(default_factory=dict)
    parts: Mapping[str, Fault] = field(default_factory=dict)

    @property
    def faults(self) -> Mapping[str, str]:
        """By name, what can break; see `procwm.plant.scenario.Breakable`."""
        return {name: fault.sentence for name, fault in self.parts.items()}

    def broken(self, fault: str, *, start_s: float) -> "SimulatedScenario":
        """This plant with a fault that begins `start_s` after the start."""
        if fault not in self.parts:
            raise SpecError(f"{self.name} has no fault {fault}; its faults are {', '.join(self.parts)}")
        return replace(self, **self.parts[fault].changes(self, start_s))

    def with_habits(self, habits: OperatorHabits) -> "SimulatedScenario":
        """This plant with operators of these habits."""
        if habits is OperatorHabits.CASCADE and not self.outer_loops:
            raise SpecError(f"{self.name} has no outer loops for operators of habits cascade")
        return replace(self, kind=habits)

    def simulate(
        self,
        *,
        seed: int,
        operation: Operation = Operation.EXTERNAL,
        unmeasured: bool = True,
        noise: bool = True,
        loads: Sequence[LoadChange] = (),
        start_ns: int | None = None,
    ) -> Simulation:
        """A plant at its nominal point; see `procwm.plant.scenario.Scenario.simulate`."""
        for change in loads:
            if change.disturbance not in self.disturbances:
                known = ", ".join(self.disturbances)
                raise SpecError(
                    f"{self.name} has no disturbance {change.disturbance}; its disturbances are {known}"
                )

        def stream(part: str) -> np.random.Generator:
            # One stream a part: switching one part off leaves the others' draws as they were.
            return np.random.default_rng([seed, crc32(part.encode())])

        operated = operation is not Operation.EXTERNAL
        return Simulation(
            self.plant,
            self.equations,
            self._integrator,
            transmitters={
                tag.name: Transmitter(
                    tag,
                    self.instruments[tag.name],
                    interval_s=self.plant.interval_s,
                    rng=stream(f"instrument {tag.name}"),
                    noise=noise,
                )
                for tag in self.plant.of(Role.CV, Role.DV, Role.PV)
            },
            loads=[
                Load(
                    kind,
                    nominal,
                    interval_s=self.plant.interval_s,
                    rng=stream(f"disturbance {name}"),
                    active=kind.measured or unmeasured,
                    changes=[change for change in loads if change.disturbance == name],
                )
                for (name, kind), nominal in zip(
                    self.disturbances.items(), self.equations.nominal_disturbance, strict=True
                )
            ],
            valves=self.valves,
            operators=self._crew(stream("operators")) if operated else None,
            test_moves=TestMoves(self.plant.mvs, self.habits, rng=stream("test moves"))
            if operation is Operation.STEP_TEST
            else None,
            start_ns=START_NS if start_ns is None else start_ns,
        )

    def _crew(self, rng: np.random.Generator) -> Crew:
        habits, quiet = habits_of(self.kind, self.habits), self.kind is OperatorHabits.QUIET
        operators = Operators(
            self.plant,
            self._region,
            habits,
            nominal_mv=self.equations.nominal_mv,
            rng=rng,
            shifts=Shifts(self.plant, self.equations, self._region, habits, rng) if quiet else None,
        )
        if self.kind is not OperatorHabits.CASCADE:
            return operators
        return CascadeOperators(self.plant, self.equations, self._region, self.outer_loops, operators)

    def program(self, *, seed: int, intervals: int) -> tuple[TargetChange, ...]:
        """The setpoint programme of a closed-loop benchmark run of that many intervals."""
        rng = np.random.default_rng([seed, crc32(b"programme")])
        return self.programme.draw(self.plant, self.equations, intervals=intervals, rng=rng)

    @cached_property
    def _integrator(self) -> Integrator:
        return Integrator(self.equations, self.plant.interval_s)

    @cached_property
    def _region(self) -> OperatingRegion:
        return OperatingRegion(self.plant, self.equations, clearance=self.clearance)
